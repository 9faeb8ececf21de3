#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What names cost: the making of a symbol file out of DWARF, and the lookup of random code addresses, each as a whole process.
Beside hearth the symbolizers of LLVM (from DWARF and from GSYM), binutils and elfutils on the same addresses.
"""
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import table  # noqa: E402
from support.tool import HEARTH, run  # noqa: E402

BINARIES = {
    "libjvm": "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so",
    "libc": "/lib/x86_64-linux-gnu/libc.so.6",
}
ADDRESSES = 10000
RUNS = 5
LIMIT_S = 120  # for those that go through all of DWARF for each address


def debug_file(path):
    name = re.search(r"Build ID: ([0-9a-f]+)", run(["readelf", "-n", path]).stdout).group(1)
    return f"/usr/lib/debug/.build-id/{name[:2]}/{name[2:]}.debug"


def random_addresses(path, count):
    for line in run(["readelf", "-SW", path]).stdout.splitlines():
        fields = line[line.find("]") + 1:].split()
        if fields and fields[0] == ".text":
            start, size = int(fields[2], 16), int(fields[4], 16)
    picker = random.Random(7)
    return [start + picker.randrange(size) for _ in range(count)]


def tool(*names):
    return next((found for found in map(shutil.which, names) if found), None)


class Cost:
    """Of one process and the children it waited for."""

    def __init__(self, command, text=""):
        self.command = command
        with tempfile.TemporaryFile() as given:
            given.write(text.encode())
            given.seek(0)
            start = time.monotonic()
            process = subprocess.Popen(command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            timer = threading.Timer(LIMIT_S, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
            timer.cancel()
            self.wall = time.monotonic() - start
        self.finished = status == 0
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss * 1024

    def cells(self):
        wall = f"{self.wall * 1e3:,.0f} ms" if self.finished else f"> {self.wall:.0f} s"
        return wall, f"{self.cpu * 1e3:,.0f} ms", table.mib(self.memory)


def median_of(command, text=""):
    """The run of median time; a slow one is not repeated."""
    costs = [Cost(command, text)]
    while costs[0].wall < 2 and len(costs) < RUNS:
        costs.append(Cost(command, text))
    return sorted(costs, key=lambda c: c.wall)[len(costs) // 2]


def show_made(name, path, scratch):
    """@ret: where the results are: (hearth's cache, GSYM file or None)."""
    rows = []
    cache = os.path.join(scratch, "cache")

    def hearth():
        shutil.rmtree(cache, ignore_errors=True)
        os.mkdir(cache)
        return Cost([HEARTH, "symbolize", "--binary", path, "--cache-dir", cache, "0x0"])

    cost = sorted((hearth() for _ in range(3)), key=lambda c: c.wall)[1]
    size = sum(os.path.getsize(os.path.join(folder, f)) for folder, _, files in os.walk(cache) for f in files)
    rows.append(("hearth symbol file", *cost.cells(), table.mib(size), "1.0"))
    gsym, maker = os.path.join(scratch, "out.gsym"), tool("llvm-gsymutil", "llvm-gsymutil-14")
    if maker:
        other = Cost([maker, f"--convert={debug_file(path)}", f"--out-file={gsym}", "--quiet", "--num-threads=1"])
        size = os.path.getsize(gsym) if os.path.exists(gsym) else 0
        rows.append(("llvm-gsymutil --convert, 1 thread", *other.cells(), table.mib(size), f"{other.wall / cost.wall:.1f}"))
    table.show(f"{name}: made once from DWARF", ("", "time", "CPU", "peak memory", "on disk", "time / hearth"), rows)
    return cache, gsym if os.path.exists(gsym) else None


def show_looked_up(name, path, cache, gsym):
    addresses = random_addresses(path, ADDRESSES)
    lines = "".join(f"{a:#x}\n" for a in addresses)
    debug = debug_file(path)
    cached = median_of([HEARTH, "symbolize", "--binary", path, "--cache-dir", cache], lines)
    from_dwarf = ["sh", "-c", 'rm -rf "$1" && mkdir "$1" && exec "$0" symbolize --binary "$2" --cache-dir "$1"', HEARTH, cache, path]
    peers = [("hearth, symbol file cached", cached), ("hearth, nothing cached", median_of(from_dwarf, lines))]
    if tool("llvm-symbolizer"):
        peers.append(("llvm-symbolizer --inlines", median_of(["llvm-symbolizer", "--inlines", f"--obj={path}"], lines)))
    reader = tool("llvm-gsymutil", "llvm-gsymutil-14")
    if reader and gsym:
        asked = "".join(f"{a:#x} {gsym}\n" for a in addresses)
        peers.append(("llvm-gsymutil, GSYM cached", median_of([reader, "--addresses-from-stdin"], asked)))
    if tool("addr2line"):
        peers.append(("addr2line -Cfi", median_of(["addr2line", "-Cfi", "-e", debug], lines)))
    if tool("eu-addr2line"):
        peers.append(("eu-addr2line -Cfi", median_of(["eu-addr2line", "-Cfi", "-e", path], lines)))
    rows = [(label, *cost.cells(), f"{'' if cost.finished else '> '}{cost.wall / cached.wall:,.1f}") for label, cost in peers]
    table.show(f"{name}: {ADDRESSES:,} random addresses, whole process", ("", "time", "CPU", "peak memory", "time / hearth"), rows)


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, path in BINARIES.items():
        with tempfile.TemporaryDirectory(prefix="hearth-bench-") as scratch:
            show_looked_up(name, path, *show_made(name, path, scratch))


if __name__ == "__main__":
    main()
