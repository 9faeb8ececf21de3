# SPDX-License-Identifier: Apache-2.0
"""A disk that others fill up and empty again: sampling goes on, one warning, a metric, and writing resumes by itself."""
import os
import shutil
import subprocess
import tempfile
import time

from support.server import Server, sum_of

from . import PORT

SIZE = "64M"  # symbol files lie there as well
FULL_S = 35  # three windows cannot be written
LIMIT_S = 30


def wait_for(server, name, value, limit=LIMIT_S):
    """Seconds until a metric has a value; None if it never has."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit:
        if server.metrics().get(name) == value:
            return time.monotonic() - begin
        time.sleep(0.5)
    return None


def fill(path):
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 65536)
        except OSError:
            pass


def samples_by_step(server, begin, end):
    status, _, body = server.get("/api/v1/query", format="folded", from_=f"{begin:.3f}", to=f"{end:.3f}")
    if status != 200:
        raise RuntimeError(f"status {status}: {body[:200]!r}")
    return sum(int(line.rsplit(" ", 1)[1]) for line in body.decode("utf-8", "replace").splitlines())


def run(table, server, mount):
    begin = time.time()
    time.sleep(12)
    before = server.metrics()
    fill(mount + "/filler")
    failing = wait_for(server, "hearth_store_failing", 1)
    table.row("a full disk shows in a metric", "hearth_store_failing 1", "after " + str(failing and round(failing)) + " s", failing is not None)
    time.sleep(FULL_S)
    status, _, live = server.get("/debug/pprof/profile", seconds="1")
    sampled = sum_of(server.metrics(), "hearth_samples_total") - sum_of(before, "hearth_samples_total")
    lost = sum_of(server.metrics(), "hearth_samples_lost_total") - sum_of(before, "hearth_samples_lost_total")
    waiting = server.metrics()["hearth_store_windows_waiting"]
    table.row("sampling and live profiles go on meanwhile", "status 200, samples, none lost",
              f"status {status}, {len(live)} bytes; {sampled:.0f} samples, {lost:.0f} lost; {waiting:.0f} windows wait",
              status == 200 and live and sampled > 0 and not lost and waiting >= 2)
    os.unlink(mount + "/filler")
    resumed = wait_for(server, "hearth_store_failing", 0)
    written = wait_for(server, "hearth_store_windows_waiting", 0)
    table.row("writing resumes by itself", f"within {LIMIT_S} s, nothing waits", "after " + str(resumed and round(resumed)) + " s",
              resumed is not None and written is not None)
    end = time.time() - 12
    steps = [samples_by_step(server, at, at + 10) for at in range(int(begin) + 2, int(end) - 10, 10)]
    table.row("history has no gap", "samples in each 10 s", f"{len(steps)} steps, least {min(steps)}", min(steps) > 0)
    warnings = [line for line in server.log().splitlines() if "cannot write history" in line]
    again = [line for line in server.log().splitlines() if "is written again" in line]
    table.row("one warning, one notice", "1 and 1", f"{len(warnings)} and {len(again)}", len(warnings) == 1 and len(again) == 1)


def check(table):
    mount = tempfile.mkdtemp(prefix="hearth-full-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", mount], check=True)
    load = subprocess.Popen(["sh", "-c", "while :; do ls -lR /usr/include >/dev/null; done"], stdin=subprocess.DEVNULL)
    try:
        with Server(PORT, "--data-dir", mount + "/data") as server:
            run(table, server, mount)
    finally:
        load.kill()
        load.wait()
        subprocess.run(["umount", "-l", mount], check=True)
        shutil.rmtree(mount, ignore_errors=True)
