# SPDX-License-Identifier: Apache-2.0
"""30 simulated days of more history than there is room for: the directory never exceeds its limit, detail goes before history."""
import os
import shutil
import subprocess
import tempfile
import threading
import time

from . import writer

LIMIT = 200 << 20
DAYS = 30
CORES = 8
WINDOWS_OF_HOUR = 360


class Watcher(threading.Thread):
    """The most that the files of a directory took at once."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.directory, self.most, self.looks, self.over = directory, 0, 0, False

    def run(self):
        while not self.over:
            size = 0
            try:
                with os.scandir(self.directory) as entries:
                    for entry in entries:
                        try:
                            size += entry.stat().st_blocks * 512
                        except FileNotFoundError:
                            pass
            except FileNotFoundError:
                pass
            self.most = max(self.most, size)
            self.looks += 1
            time.sleep(0.002)


def check(table, days=DAYS):
    writer.build()
    base = tempfile.mkdtemp(prefix="hearth-accept-")
    watcher = Watcher(base + "/history")
    watcher.start()
    try:
        done = subprocess.run(writer.command(base + "/history", "--limit", str(LIMIT), "--all", "--report", cores=CORES, busy=100, days=days),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True)
    finally:
        watcher.over = True
        watcher.join()
        shutil.rmtree(base)
    hours = [tuple(int(x) for x in line.split()[1:]) for line in done.stdout.splitlines() if line.startswith("hour ")]
    written = sum(writer.reported(done.stdout).values())
    table.row(f"{days} simulated days under --disk 200M: size on disk", f"never above {LIMIT} bytes",
              f"at most {watcher.most} in {watcher.looks} looks; {written} samples", 0 < watcher.most <= LIMIT)
    whole = [h for h in hours if h[1] == WINDOWS_OF_HOUR]
    table.row("the newest hour is there at full detail", f"{WINDOWS_OF_HOUR} windows at the end of each hour",
              f"{len(whole)} of {len(hours)} hours", hours and len(whole) >= len(hours) - 1)  # the last hour is not over
    grown = hours[-1][2] if hours else 0
    table.row("the limit was reached, so that the rows above say something", "> 90 % of it", f"{grown * 100 // LIMIT} %", grown > LIMIT * 0.9)
