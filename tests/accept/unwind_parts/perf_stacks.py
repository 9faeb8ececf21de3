# SPDX-License-Identifier: Apache-2.0
"""User stacks as perf record --call-graph dwarf sees them, in the form that the live tests have Hearth's in."""
import functools
import mmap
import os
import re
import signal
import struct
import subprocess
import time

from support.tool import run

STACK_BYTES = 65528
RECORD_THROTTLE, RECORD_MMAP2, RECORD_KSYMBOL, RECORD_BPF_EVENT = 5, 10, 17, 18
MISC_BUILD_ID = 1 << 14
FRAME = re.compile(r"^\s+([0-9a-f]+) .*\s\(([^()]*(?: \(deleted\))?)\)$")
HEAD = re.compile(r"^(.{1,15}?)\s+(\d+)\s*$")


@functools.lru_cache(None)
def segments(path):
    """[(offset, end, vaddr - offset)] of a file's loaded segments."""
    try:
        with open(path, "rb") as f:
            head = f.read(64)
            table, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
            f.seek(table)
            rows = [struct.unpack_from("<IIQQQQ", f.read(size)) for _ in range(count)]
    except (OSError, struct.error):
        return []
    return [(offset, offset + bytes_, vaddr - offset) for kind, _, offset, vaddr, _, bytes_ in rows if kind == 1]


def place(offset, path):
    """'file+vaddr', as window-dump prints it; perf prints offsets in files."""
    if not path.startswith("/") or path.startswith("//"):
        return f"{'[vdso]' if path == '[vdso]' else '[anon]'}+{offset:x}"
    bias = next((bias for low, high, bias in segments(path) if low <= offset < high), 0)
    return f"{os.path.basename(path)}+{offset + bias:x}"


def parse(lines, comms):
    """Yields the user frames of each sample of these programs, leaf first."""
    sample = None
    for line in lines:
        if m := FRAME.match(line):
            if sample is not None and int(m[1], 16) < 1 << 47:
                sample.append(place(int(m[1], 16), m[2]))
        elif sample is not None and not line.strip():
            yield sample
            sample = None
        elif m := HEAD.match(line):
            sample = [] if m[1].strip() in comms else None
    if sample is not None:
        yield sample


def repair(path):
    """
    Where another event on the CPU asks for build ids, the kernel marks perf's mapping records as if they held one
    (perf_event_mmap_output() sets the bit in a header that all events share), and perf 6.1 crashes on them. It also stops
    at records of BPF programs; they become some that it passes over.
    """
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as data:
        at, size = struct.unpack_from("<QQ", data, 40)
        end = at + size
        while at + 8 <= end:
            kind, misc, length = struct.unpack_from("<IHH", data, at)
            if kind == RECORD_MMAP2:
                struct.pack_into("<H", data, at + 4, misc & ~MISC_BUILD_ID)
            elif kind in (RECORD_KSYMBOL, RECORD_BPF_EVENT):
                struct.pack_into("<I", data, at, RECORD_THROTTLE)
            at += max(length, 8)


class Perf:
    """perf record of the whole machine while the block runs."""

    def __init__(self, path, hz, call_graph=f"dwarf,{STACK_BYTES}"):
        self.path, self.hz, self.call_graph = path, hz, call_graph

    def __enter__(self):
        self.process = subprocess.Popen(
            ["perf", "record", "-q", "--no-bpf-event", "--no-buildid", "--no-buildid-cache", "-e", "cpu-clock", "-F", str(self.hz), "-a", "-m", "128M", "--call-graph", self.call_graph, "-o", self.path],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self.has_events() and time.monotonic() < until:
            time.sleep(0.05)
        return self

    def has_events(self):
        """Whether it samples already: events come first, then they are mapped, then they are written."""
        try:
            with open(f"/proc/{self.process.pid}/maps", encoding="utf-8", errors="replace") as f:
                return f.read().count("[perf_event]") >= os.cpu_count() and os.path.getsize(self.path) > 1 << 20
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        if self.process.returncode not in (0, -signal.SIGINT):
            raise RuntimeError(f"perf record ended with {self.process.returncode}")

    def stacks(self, comms):
        repair(self.path)
        done = run(["perf", "--buildid-dir", os.path.dirname(self.path), "script", "-i", self.path, "--no-inline", "--max-stack", "1024", "-F", "comm,pid,ip,sym,dso"], timeout=500)
        if done.returncode:
            raise RuntimeError("perf script: " + done.stderr[-300:])
        return list(parse(done.stdout.splitlines(), comms))
