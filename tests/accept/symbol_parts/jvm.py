# SPDX-License-Identifier: Apache-2.0
"""libjvm with the debug information of openjdk-17-dbg: what its symbol file costs to make, to keep and to ask."""
import os
import random
import subprocess
import sys
import tempfile

from support.tool import HEARTH

LIBJVM = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so"
COUNT = 10000


def text_of(path):
    table = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in table.splitlines():
        fields = line[line.find("]") + 1:].split()
        if fields and fields[0] == ".text":
            return int(fields[2], 16), int(fields[4], 16)
    raise RuntimeError(f"no .text in {path}")


def measure(command, text):
    """Wall seconds, CPU seconds and peak MB of a process and its children, and what it printed."""
    with tempfile.NamedTemporaryFile("w+") as peak:
        out = subprocess.run([sys.executable, "-c", WRAPPER, peak.name, *command], input=text, stdout=subprocess.PIPE,
                             text=True, check=True).stdout
        wall_s, cpu_s, peak_kb = (float(x) for x in peak.read().split())
    return wall_s, cpu_s, peak_kb / 1024, out


# Python's own start is not to count: the clock runs around the command only.
WRAPPER = """
import resource, subprocess, sys, time
begin = time.monotonic()
status = subprocess.run(sys.argv[2:]).returncode
wall = time.monotonic() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as f:
    f.write(f"{wall} {used.ru_utime + used.ru_stime} {used.ru_maxrss}")
sys.exit(status)
"""


def check(table):
    start, size = text_of(LIBJVM)
    picker = random.Random(17)
    text = "".join(f"{start + picker.randrange(size):#x}\n" for _ in range(COUNT))
    with tempfile.TemporaryDirectory(prefix="hearth-jvm-") as cache:
        command = [HEARTH, "symbolize", "--binary", LIBJVM, "--cache-dir", cache]
        wall_s, cpu_s, peak_mb, cold = measure(command, text)
        table.row("libjvm: symbol file made", "<= 3 s of CPU time", f"{cpu_s:.2f} s ({wall_s:.2f} s wall)", cpu_s <= 3)
        table.row("libjvm: memory of the worker", "<= 400 MB", f"{peak_mb:.0f} MB", peak_mb <= 400)
        bytes_kept = sum(os.path.getsize(os.path.join(cache, f)) for f in os.listdir(cache))
        table.row("libjvm: symbol file", "<= 25 MB", f"{bytes_kept / 1e6:.1f} MB", bytes_kept <= 25e6)
        runs = [measure(command, text) for _ in range(5)]
        wall_s, cpu_s, peak_mb, _ = sorted(runs, key=lambda r: r[0])[2]
        table.row(f"libjvm: {COUNT} addresses, file cached", "<= 50 ms", f"{1000 * wall_s:.0f} ms (median of 5; CPU {1000 * cpu_s:.0f} ms)",
                  wall_s <= 0.05)
        table.row("libjvm: memory for them", "<= 40 MB", f"{peak_mb:.0f} MB", peak_mb <= 40)
        table.row("libjvm: the same answer from the cache", "the same bytes", "the same" if runs[0][3] == cold else "different",
                  runs[0][3] == cold)
