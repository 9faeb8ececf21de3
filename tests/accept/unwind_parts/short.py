# SPDX-License-Identifier: Apache-2.0
"""Processes that live for 20 ms, and a parallel build: how much of their CPU time comes with complete, named stacks."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import sampling
from support.server import parse_folded
from support.tool import ROOT, hearth

HZ = 99
RUNS = 2000
DISTINCT = 100

# Runs a command and writes the CPU time of what it ran to a file.
WRAPPER = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump(used.ru_utime + used.ru_stime, open(sys.argv[1], "w"))
"""


def is_named(frames):
    """All frames have a name, and there is no notice among them."""
    return not any(f.startswith("[") for f in frames)


def record(directory, command, cwd=None):
    """(rusage in s, seen in s, with complete and named stacks in s, the commonest faults)"""
    used, out = os.path.join(directory, "used"), os.path.join(directory, "folded")
    done = hearth("record", "-F", str(HZ), "--format", "folded", "-o", out, "--", sys.executable, "-c", WRAPPER, used, *command, timeout=900, cwd=cwd or ROOT)
    if done.returncode:
        raise RuntimeError(f"hearth record: {done.stderr[-300:]}")
    with open(out, encoding="utf-8", errors="replace") as f:
        stacks = [(frames[1:], n) for frames, n in parse_folded(f.read()) if frames[0] != os.path.basename(sys.executable)[:15]]
    faults = {}
    for frames, n in stacks:
        bad = [f for f in frames if f.startswith("[")]
        if bad:
            faults[bad[-1]] = faults.get(bad[-1], 0) + n
    good = sum(n for frames, n in stacks if is_named(frames))
    worst = ", ".join(f"{n} {k}" for k, n in sorted(faults.items(), key=lambda x: -x[1])[:3])
    with open(used, encoding="ascii") as f:
        return json.load(f), sum(n for _, n in stacks) / HZ, good / HZ, worst


def row(table, item, result):
    used, seen, good, worst = result
    table.row(item, ">= 95 % of rusage", f"{good / used * 100:.1f} % of {used:.1f} s ({seen / used * 100:.1f} % seen at all)" + (f"; {worst}" if worst else ""),
              0.95 <= good / used <= 1.05)


def loops(table, directory):
    burn = sampling.make_burn(directory)
    command = ["sh", "-c", f"for i in $(seq {RUNS}); do {burn} 20; done"]
    row(table, f"short: {RUNS} x burn 20 ms, fresh executable", record(directory, command))
    row(table, f"short: {RUNS} x burn 20 ms, seen before", record(directory, command))
    for i in range(DISTINCT):
        sampling.make_burn(directory, f"fresh{i}")
    command = ["sh", "-c", f"for i in $(seq 0 {DISTINCT - 1}); do for k in 1 2 3 4 5; do {directory}/fresh$i 20; done; done"]
    row(table, f"short: {DISTINCT} fresh executables, 5 x 20 ms each", record(directory, command))


def build(table, directory):
    tree = os.path.join(directory, "project")
    os.makedirs(tree)
    for name in ("base", "bpf", "symbolizer", "Makefile"):
        source = os.path.join(ROOT, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(tree, name))
    files = " ".join(sorted(f"{d}/{f}" for d in ("base", "symbolizer") for f in os.listdir(os.path.join(tree, d)) if f.endswith(".c")))
    with open(os.path.join(tree, "build.mk"), "w", encoding="ascii") as f:
        f.write(f"S := {files}\nall: $(S:.c=.o)\n%.o: %.c\n\tgcc -O2 -g -D_GNU_SOURCE -std=gnu17 -I. -c -o $@ $<\n")
    row(table, "short: make -j2 of a C project", record(directory, ["make", "-s", "-j2", "-f", "build.mk"], cwd=tree))


def check(table):
    with tempfile.TemporaryDirectory(prefix="hearth-short-") as directory:
        loops(table, directory)
        build(table, directory)
