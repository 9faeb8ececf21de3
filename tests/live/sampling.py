# SPDX-License-Identifier: Apache-2.0
"""The profiler at work, for the live tests: window-dump and programs that burn CPU time."""
import json
import os
import secrets
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DUMP = os.path.join(ROOT, "build", "host", "window-dump")
BURN_SOURCE = os.path.join(ROOT, "tests", "live", "burn.c")


def make_burn(directory, name="burn", build_id=True):
    """A burn program that nobody has seen before: with a build id of its own, or with none."""
    path = os.path.join(directory, name)
    build_id = "0x" + secrets.token_hex(20) if build_id else "none"
    subprocess.run(["gcc", "-O2", "-fno-omit-frame-pointer", "-pthread", f"-Wl,--build-id={build_id}", "-o", path,
                    BURN_SOURCE], check=True)
    return path


def functions(path):
    """[(start, end, name)] of the functions in the symbol table, as nm reads it."""
    lines = subprocess.run(["nm", "-S", path], check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split() for line in lines]
    return [(int(r[0], 16), int(r[0], 16) + int(r[1], 16), r[3]) for r in rows if len(r) == 4 and r[2] in "tT"]


class Profiler:
    """window-dump while the block runs; afterwards samples, stats and what it left behind."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.samples, self.after_stop, self.last = [], [], {}
        self.pid = 0

    def __enter__(self):
        self.process = subprocess.Popen([DUMP, *self.arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.process.kill()
            self.process.communicate()
            raise RuntimeError("window-dump did not start: it wants root, BTF and perf events")
        return self

    def stop(self):
        """Stop sampling and read everything; the process waits, with the profiler destroyed."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        into = self.samples
        for line in self.process.stdout:
            if line == "stopped\n":
                into = self.after_stop
                continue
            record = json.loads(line)
            if "stats" in record:
                self.last = record
                break
            into.append(record)

    def __exit__(self, *exception):
        if not self.last and not exception[0]:
            self.stop()
        self.process.stdin.write("\n")
        self.process.communicate(timeout=30)

    def cpu_us(self, **labels):
        """CPU time of the samples with these labels, in microseconds."""
        return sum(s["weight"] * s["period_ns"] for s in self.select(**labels)) / 1000

    def select(self, **labels):
        return [s for s in self.samples if all(s["labels"].get(k) == v for k, v in labels.items())]
