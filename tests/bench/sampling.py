#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What sampling a busy machine at 99 Hz costs: time in the kernel per sample, CPU and memory of the daemon, time to the first
named stack. Beside it perf record and bpftrace under the same load: one 30 frames deep process a CPU, half of the runs
with and half without frame pointers. The names of what runs are read once and kept; what that costs is a table of its own
and not part of the figures for sampling.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import bpf, programs, table  # noqa: E402
from support.server import Server, sum_of  # noqa: E402
from support.tool import run  # noqa: E402

PORT = 7995
HZ = 99
WARM_S = 4  # tables are loaded when a stack first touches them
MEASURE_S = 12
SETTLED_S = 3  # without a worker
SETTLE_LIMIT_S = 180
STATS = "/proc/sys/kernel/bpf_stats_enabled"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class BpfStatistics:
    """kernel.bpf_stats_enabled for a while."""

    def __enter__(self):
        with open(STATS, encoding="ascii") as f:
            self.before = f.read()
        self.write("1")

    def __exit__(self, *_):
        self.write(self.before)

    @staticmethod
    def write(text):
        with open(STATS, "w", encoding="ascii") as f:
            f.write(text)


class Load:
    """A 30 frames deep process on every CPU."""

    def __init__(self, frame_pointers):
        name = "deep30fp" if frame_pointers else "deep30"
        flags = ["-mno-omit-leaf-frame-pointer"] if frame_pointers else ["-fomit-frame-pointer"]
        self.comm = name
        self.program = programs.build("deep30", *flags, output=name)
        self.processes = []

    def __enter__(self):
        self.processes = [subprocess.Popen([self.program, "1000"]) for _ in range(os.cpu_count())]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def tree_of(pid):
    """The process and its descendants."""
    found = [pid]
    for p in found:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as f:
                    found += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    total = 0
    for p in tree_of(pid):
        try:
            with open(f"/proc/{p}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += sum(int(x) for x in fields[11:15])  # children that have ended included
        except OSError:
            pass
    return total / CLOCK_TICKS


def memory_bytes(pid):
    """Proportional share of the resident memory, descendants included."""
    total = 0
    for p in tree_of(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as f:
                total += int(re.search(r"^Pss:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024
        except (OSError, AttributeError):
            pass
    return total


def bpf_programs(pids):
    """(nanoseconds, runs) of the perf_event programs."""
    found = [bpf.show(kind, number) for kind, number in bpf.held_by(pids) if kind == "prog"]
    found = [p for p in found if p.get("type") == "perf_event"]
    return sum(p.get("run_time_ns", 0) for p in found), sum(p.get("run_cnt", 0) for p in found)


def bpf_memory(pids):
    return sum(bpf.show(kind, number).get("bytes_memlock", 0) for kind, number in bpf.held_by(pids) if kind == "map")


def measure(pid):
    """Figures of a profiler that runs already, over MEASURE_S."""
    time.sleep(WARM_S)
    pids = tree_of(pid)
    ns, runs = bpf_programs(pids)
    cpu, start = cpu_seconds(pid), time.monotonic()
    time.sleep(MEASURE_S)
    seconds = time.monotonic() - start
    used = cpu_seconds(pid) - cpu
    ns_after, runs_after = bpf_programs(tree_of(pid))
    ns, runs = ns_after - ns, runs_after - runs
    busy = os.cpu_count()
    return {
        "ns": ns / runs if runs else None,
        "daemon": used / seconds / busy * 100,
        "all": (used + ns / 1e9) / seconds / busy * 100,
        "memory": memory_bytes(pid) + bpf_memory(tree_of(pid)),
    }


def whole_share(stacks, comm):
    """Share of the samples of a program that reach down to main through the whole stack."""
    mine = [(f, n) for f, n in stacks if f[0] == comm]
    whole = sum(n for f, n in mine if "main" in f and f.count("descend") == 28)
    return whole / max(sum(n for _, n in mine), 1) * 100


def settle(data):
    """The first run on a machine: until all that runs has its names. Returns a row."""
    with Server(PORT, "--data-dir", data) as server:
        for frame_pointers in (True, False):
            with Load(frame_pointers):
                time.sleep(1)
        quiet_since = time.monotonic()
        while time.monotonic() < min(quiet_since + SETTLED_S, server.started_at + SETTLE_LIMIT_S):
            time.sleep(0.1)
            if len(tree_of(server.process.pid)) > 2:  # besides the daemon and the server that forks workers
                quiet_since = time.monotonic()
        seconds = quiet_since - server.started_at
        cpu = cpu_seconds(server.process.pid)
    files = [os.path.join(folder, f) for folder, _, names in os.walk(data) for f in names if "history" not in folder]
    return f"{seconds:.1f} s", f"{cpu:.2f} s", len(files), table.mib(sum(map(os.path.getsize, files)))


def hearth(load, data):
    with Server(PORT, "--data-dir", data) as server:
        figures = measure(server.process.pid)
        metrics = server.metrics()
        end = time.time()
        for _ in range(10):  # names come when their turn comes on a machine this busy
            stacks = server.folded(from_=f"{end - MEASURE_S:.3f}", to=f"{end:.3f}", query=f'{{comm="{load.comm}"}}')
            figures["whole"] = whole_share(stacks, load.comm)
            if any("descend" in f for f, _ in stacks):
                break
            time.sleep(2)
        figures["lost"] = sum_of(metrics, "hearth_samples_lost_total")
    return figures


def perf(load, call_graph):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "perf.data")
        process = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "-a", "--call-graph", call_graph, "-o", path],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            figures = measure(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
        figures["written"] = os.path.getsize(path)
        script = run(["perf", "script", "-i", path, "--comm", load.comm, "-F", "comm,ip,sym"], timeout=180).stdout
    stacks = []
    for block in script.split("\n\n"):
        lines = block.strip().splitlines()
        if lines:
            stacks.append(([lines[0].strip(), *[line.split(None, 1)[1] for line in reversed(lines[1:]) if len(line.split(None, 1)) == 2]], 1))
    figures["whole"] = whole_share(stacks, load.comm)
    return figures


def bpftrace(load):
    process = subprocess.Popen(["bpftrace", "-e", f"profile:hz:{HZ} {{ @[kstack, ustack, comm] = count(); }}"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    try:
        figures = measure(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    stacks = []
    for match in re.finditer(r"^@\[(.*?), (\S+)\]: (\d+)$", out, re.M | re.S):
        frames = [line.strip().split("+")[0] for line in match.group(1).splitlines() if line.strip()]
        stacks.append(([match.group(2), *reversed(frames)], int(match.group(3))))
    figures["whole"] = whole_share(stacks, load.comm)
    return figures


def row(name, f):
    number = "{:,.0f} ns".format
    return (name, number(f["ns"]) if f["ns"] else "-", f"{f['daemon']:.2f} %", f"{f['all']:.2f} %" if f["ns"] else "-",
            table.mib(f["memory"]), f"{f['whole']:.1f} %", table.mib(f["written"]) if "written" in f else "-",
            f"{f['lost']:.0f}" if "lost" in f else "-")


def cost():
    rows = []
    with tempfile.TemporaryDirectory() as data, BpfStatistics():
        table.show("all that runs named once, nothing cached", ("time", "CPU, workers included", "files", "on disk"), [settle(data)])
        for frame_pointers in (True, False):
            suffix = "frame pointers" if frame_pointers else "none"
            with Load(frame_pointers) as load:
                rows.append(row(f"hearth serve, {suffix}", hearth(load, data)))
                if shutil.which("perf"):
                    graph = "fp" if frame_pointers else "dwarf"
                    rows.append(row(f"perf record --call-graph {graph}, {suffix}", perf(load, graph)))
                if shutil.which("bpftrace"):
                    rows.append(row(f"bpftrace ustack, {suffix}", bpftrace(load)))
    table.show(f"{HZ} Hz on {os.cpu_count()} busy CPUs, {MEASURE_S} s each, stacks of 30 native frames",
               ("", "BPF per sample", "daemon CPU per busy CPU", "with BPF", "memory with BPF maps", "whole stacks", "written", "lost"), rows)


def first_named_stack():
    def seconds_of_hearth(server):
        while time.monotonic() < server.started_at + 30:
            try:
                if any("burn_below" in f for f, _ in server.folded(from_="now-1m", query='{comm="deep30fp"}')):
                    return time.monotonic() - server.started_at
            except (OSError, RuntimeError):
                pass
            time.sleep(0.01)
        return float("nan")

    rows = []
    with Load(True), tempfile.TemporaryDirectory() as data:
        for name in ("hearth serve, nothing cached", "hearth serve, symbols cached"):
            server = Server(PORT, "--data-dir", data)
            server.start(wait=False)
            try:
                rows.append((name, f"{seconds_of_hearth(server):.2f} s"))
            finally:
                server.stop()
        if shutil.which("perf"):
            start = time.monotonic()
            path = os.path.join(data, "perf.data")
            run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "-a", "-g", "-o", path, "sleep", "0.1"])
            found = "burn_below" in run(["perf", "script", "-i", path]).stdout
            rows.append(("perf record -a -g for 0.1 s, perf script", f"{time.monotonic() - start:.2f} s" if found else "no name"))
    table.show("start to the first stack with names", ("", "time"), rows)


if __name__ == "__main__":
    cost()
    first_named_stack()
