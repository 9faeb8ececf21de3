# SPDX-License-Identifier: Apache-2.0
"""200 executables in turn while all BPF memory is 4 MiB: the cap holds, and the stash keeps stacks complete."""
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time

from support import bpf
from support.server import Server, sum_of

PORT = 8121
EXECUTABLES = 200
RUN_MS = 150
LIMIT = 4 << 20
CGROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
HERE = os.path.dirname(os.path.abspath(__file__))


class MemoryGroup:
    """A memory cgroup for the server, where there is the controller."""

    def __init__(self, pid):
        self.path = None
        for root, usage in zip(CGROUPS, ("memory.usage_in_bytes", "memory.current")):
            path = f"{root}/hearth-accept-{pid}"
            try:
                os.mkdir(path)
                if not os.path.exists(f"{path}/{usage}"):
                    os.rmdir(path)
                    continue
                self.path, self.usage = path, f"{path}/{usage}"
                with open(f"{path}/cgroup.procs", "w", encoding="ascii") as f:
                    f.write(str(pid))
                return
            except OSError:
                continue

    def bytes(self):
        if not self.path:
            return None
        with open(self.usage, encoding="ascii") as f:
            usage = int(f.read())
        with open(f"{self.path}/memory.stat", encoding="ascii") as f:
            stat = dict(line.split() for line in f)
        return usage - int(stat.get("total_cache", stat.get("file", 0)))

    def remove(self):
        if self.path:
            os.rmdir(self.path)


class Watch(threading.Thread):
    """The most that the maps and the control group held."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.maps, self.group, self.stop = pid, 0, MemoryGroup(pid), threading.Event()
        self.most_in_group = 0

    def run(self):
        while not self.stop.wait(0.5):
            shown = [bpf.show(kind, number) for kind, number in bpf.held_by([self.pid]) if kind == "map"]
            self.maps = max(self.maps, sum(m.get("bytes_memlock", 0) for m in shown))
            self.most_in_group = max(self.most_in_group, self.group.bytes() or 0)


def make_programs(directory):
    """Copies of one program, each with a build id of its own."""
    first = os.path.join(directory, "many")
    subprocess.run(["gcc", "-O2", "-fomit-frame-pointer", "-Wl,--build-id=0x" + "11" * 20, "-o", first, os.path.join(HERE, "many.c")], check=True)
    with open(first, "rb") as f:
        image = f.read()
    assert image.count(b"\x11" * 20) == 1
    paths = []
    for i in range(EXECUTABLES):
        paths.append(os.path.join(directory, f"many{i}"))
        with open(paths[-1], "wb") as f:
            f.write(image.replace(b"\x11" * 20, secrets.token_bytes(20)))
        shutil.copymode(first, paths[-1])
    return paths


def check(table):
    with tempfile.TemporaryDirectory(prefix="hearth-memory-") as directory, Server(PORT, "--bpf-memory", "4M") as server:
        paths = make_programs(directory)
        watch = Watch(server.process.pid)
        watch.start()
        began = time.time()
        cpu = server.metrics()["hearth_self_cpu_seconds_total"]
        for path in paths:
            subprocess.run([path, str(RUN_MS)], check=True)
        took = time.time() - began
        time.sleep(1.5)
        watch.stop.set()
        watch.join()
        metrics = server.metrics()
        stacks = [(f, n) for f, n in server.folded(from_=f"{began:.3f}", query='{comm=~"many.*"}')]
        report(table, watch, metrics, stacks, (metrics["hearth_self_cpu_seconds_total"] - cpu) / took, took)
    watch.group.remove()


def report(table, watch, metrics, stacks, cpu_share, took):
    bad = sum(n for f, n in stacks if any(x.startswith("[stack ") or x.startswith("[trunc") for x in f))
    count = sum(n for _, n in stacks)
    share = 1 - bad / max(count, 1)
    table.row(f"memory: {EXECUTABLES} executables in turn, 4 MiB: BPF maps", f"<= {LIMIT} bytes", f"{watch.maps} bytes by bpftool", 0 < watch.maps <= LIMIT)
    table.row("memory: the control group of the daemon, maps included, file cache apart", "<= 64 MiB", f"{watch.most_in_group / 2**20:.1f} MiB" if watch.group.path else "no memory controller",
              0 < watch.most_in_group <= 64 << 20)
    misses = {k.split('"')[1]: int(v) for k, v in metrics.items() if k.startswith("hearth_stash_total")}
    table.row("memory: no sample lost", "0", sum_of(metrics, "hearth_samples_lost_total"), sum_of(metrics, "hearth_samples_lost_total") == 0)
    table.row("memory: the counters tell the misses", "stashes sent and unwound", misses, misses.get("complete", 0) >= EXECUTABLES)
    table.row("memory: complete stacks", ">= 99.5 %", f"{share * 100:.2f} % of {count}", share >= 0.995 and count > EXECUTABLES * RUN_MS * 0.07)
    table.row("memory: what the stash cost", "reported", f"{metrics['hearth_stash_bytes_total'] / took / 1024:.0f} KiB/s, daemon {cpu_share * 100:.1f} % of a CPU", True)
