#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What unwinding costs at 99 Hz by depth of the stack: Hearth by tables, on programs without frame pointers; bpftrace by the kernel's
frame-pointer helper, on the same programs built with them; and perf record, which copies stacks and unwinds them later.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

import sampling

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import table  # noqa: E402
from support.server import Server  # noqa: E402
from support.tool import ROOT  # noqa: E402

PORT = 7996
SOURCE = os.path.join(ROOT, "tests", "accept", "unwind_parts", "deep.c")
DEPTHS = (10, 30, 100)
WARM_S = 3
MEASURE_S = 6


class Load:
    """One process a CPU, so many frames deep."""

    def __init__(self, directory, depth, frame_pointers):
        self.program = os.path.join(directory, "deepfp" if frame_pointers else "deep")
        flag = "-fno-omit-frame-pointer" if frame_pointers else "-fomit-frame-pointer"
        subprocess.run(["gcc", "-O2", flag, "-o", self.program, SOURCE], check=True)
        self.depth = depth
        self.processes = []

    def __enter__(self):
        self.processes = [subprocess.Popen([self.program, "1000", str(self.depth)]) for _ in range(os.cpu_count())]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def measure(pid):
    """(BPF ns a sample or None, ms of daemon CPU a second and CPU)"""
    time.sleep(WARM_S)
    ns, runs = sampling.bpf_programs(sampling.tree_of(pid))
    cpu, start = sampling.cpu_seconds(pid), time.monotonic()
    time.sleep(MEASURE_S)
    took = time.monotonic() - start
    used = sampling.cpu_seconds(pid) - cpu
    ns_after, runs_after = sampling.bpf_programs(sampling.tree_of(pid))
    runs = runs_after - runs
    return (ns_after - ns) / runs if runs else None, used * 1000 / took / os.cpu_count()


def hearth():
    with Server(PORT) as server:
        time.sleep(WARM_S)
        before = server.metrics()["hearth_stash_bytes_total"]
        figures = measure(server.process.pid)
        bytes_ = server.metrics()["hearth_stash_bytes_total"] - before
        return (*figures, bytes_ / (WARM_S + MEASURE_S))


def bpftrace():
    process = subprocess.Popen(["bpftrace", "-e", f"profile:hz:{sampling.HZ} {{ @[kstack, ustack, comm] = count(); }}"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return (*measure(process.pid), None)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def perf():
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "perf.data")
        process = subprocess.Popen(["perf", "record", "-q", "--no-bpf-event", "--no-buildid", "-e", "cpu-clock", "-F", str(sampling.HZ), "-a", "--call-graph", "dwarf",
                                    "-o", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            figures = measure(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
        return (*figures, os.path.getsize(path) / (WARM_S + MEASURE_S))


def main():
    rows = []
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as directory, sampling.BpfStatistics():
        for depth in DEPTHS:
            for name, tool, frame_pointers in (("hearth serve, tables", hearth, False), ("bpftrace, frame-pointer helper", bpftrace, True),
                                               ("perf record --call-graph dwarf", perf, False)):
                with Load(directory, depth, frame_pointers):
                    ns, cpu, written = tool()
                rows.append((f"{depth} frames: {name}", f"{ns:,.0f} ns" if ns else "-", f"{cpu:.1f} ms/s", f"{written / 1024:,.0f} KiB/s" if written is not None else "-"))
    table.show(f"{sampling.HZ} Hz on {os.cpu_count()} busy CPUs, {MEASURE_S} s each", ("", "BPF per sample", "CPU of the tool per busy CPU", "stacks copied"), rows)


if __name__ == "__main__":
    main()
