# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments while windows are written, summed up and sealed as fast as they can be."""
import random
import shutil
import signal
import subprocess
import tempfile
import time

from support.server import Server

from . import PORT, writer

ROUNDS = 100
SECONDS_LEAST = 0.3
SECONDS_MOST = 2.0  # of a round


def run_and_kill(directory, done, moment):
    """Windows reported before the end came."""
    process = subprocess.Popen(writer.command(directory, "--all", "--report", "--from", str(done), days=30), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    output, errors = process.communicate()
    if process.returncode != -signal.SIGKILL or errors:
        raise RuntimeError(f"status {process.returncode}: {errors[:200]}")
    return writer.reported(output)


def check(table, rounds=ROUNDS):
    writer.build()
    writer.recording()
    rng = random.Random(1)
    base = tempfile.mkdtemp(prefix="hearth-accept-")
    directory = base + "/history"
    expected, empty = {}, 0
    try:
        for _ in range(rounds):
            done = len(expected)
            got = run_and_kill(directory, done, rng.uniform(SECONDS_LEAST, SECONDS_MOST))
            empty += not got
            expected.update(got)
            # The one in flight may be there as well: what goes on must not write it again.
            last = writer.START_S + (done + len(got)) * writer.WINDOW_S
            samples = writer.in_flight(directory, expected, last)
            if samples is not None:
                expected[last] = samples
        wrong = writer.differences(directory, expected)
        table.row("kill -9 at random moments: every window that was reported is there, once", f"{rounds} kills, 0 differences",
                  f"{rounds} kills ({empty} before the first window), {len(expected)} windows, {len(wrong)} differences"
                  f"{': ' + '; '.join(wrong[:3]) if wrong else ''}", not wrong)
        with Server(PORT, "--no-sampling", "--disk", "100G", "--data-dir", base) as server:
            metrics = server.metrics()
            table.row("each restart opens", "0 files damaged", f"{metrics['hearth_store_files_damaged_total']:.0f}, "
                      f"{metrics['hearth_store_windows']:.0f} windows",
                      metrics["hearth_store_files_damaged_total"] == 0 and metrics["hearth_store_windows"] == len(expected))
    finally:
        shutil.rmtree(base)
