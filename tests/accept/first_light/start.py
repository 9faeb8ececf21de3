# SPDX-License-Identifier: Apache-2.0
"""From the start of the server to names on the page."""
import glob
import os
import subprocess
import time

from support import programs
from support.server import Server
from support.tool import ROOT, run

from . import PORT

LIMIT_S = 20


def first_stacks(server):
    """Seconds from the server's start to a stack with the name of a function of the busy program, and that stack."""
    deadline = server.started_at + LIMIT_S
    while time.monotonic() < deadline:
        try:
            for frames, _ in server.folded(from_="now-1m", query='{comm="seventy30"}'):
                if "burn_seventy" in frames:
                    return time.monotonic() - server.started_at, frames
        except (OSError, RuntimeError):
            pass  # not listening yet, or not ready
        time.sleep(0.02)
    return None, []


def check(table):
    burner = programs.build("seventy30")
    with subprocess.Popen([burner, "60"], stdout=subprocess.DEVNULL) as busy:
        try:
            measure(table)
        finally:
            busy.kill()
    draw(table)


def measure(table):
    for name in ("cold", "symbols cached"):
        server = Server(PORT)
        if name == "cold":
            scratch = server.scratch
        else:
            server.arguments = ("--data-dir", os.path.join(scratch, "data"))
        server.start(wait=False)
        try:
            seconds, frames = first_stacks(server)
        finally:
            server.stop()
        table.row(f"start to symbolized folded stacks, {name}", "<= 1 s",
                  f"{seconds:.2f} s: {';'.join(frames)}" if seconds else f"none in {LIMIT_S} s: {server.log()[-200:]}",
                  seconds is not None and seconds <= 1)


def draw(table):
    tests = sorted(glob.glob(os.path.join(ROOT, "tests", "browser", "test_*.mjs")))
    if not tests:
        table.row("the page draws them in Chromium", "tests/browser passes", "there are no browser tests", False)
    for path in tests:
        done = run(["node", "--test-reporter=tap", path], timeout=300)
        bad = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
        count = sum(line.startswith("ok ") for line in done.stdout.splitlines())
        table.row(f"the page in Chromium: {os.path.basename(path)}", "all pass",
                  f"{count} pass" + "".join(f"; {line}" for line in bad[:3]), done.returncode == 0 and count > 0 and not bad)
