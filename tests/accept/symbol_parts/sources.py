# SPDX-License-Identifier: Apache-2.0
"""Sources of names beside DWARF and symbol tables, each held against a judge of its own: see the tests."""
import os
import re
import sys

from support.tool import ROOT, run


def tests(table, item, target, name):
    """A row from a test program in tests/e2e."""
    done = run([sys.executable, os.path.join(ROOT, "tests", "e2e", name)], timeout=600)
    ran = re.search(r"Ran (\d+) tests?", done.stderr)
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "nothing"
    table.row(item, target, f"{ran.group(1) if ran else 0} checks, {last}", done.returncode == 0 and bool(ran) and int(ran.group(1)) > 0)


def check_go(table):
    tests(table, "stripped Go program: functions, lines, inlined calls", "as go tool addr2line and the DWARF that was stripped",
          "test_symbolize_go.py")


def check_plt(table):
    tests(table, "entries of the procedure linkage table, six layouts", "foo@plt as objdump says", "test_symbolize_plt.py")


def check_jit(table):
    tests(table, "node --perf-basic-prof and a jitdump, in and out of a chroot with own pids", "frames named, others' files refused",
          "test_jit.py")
