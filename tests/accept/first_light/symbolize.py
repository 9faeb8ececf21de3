# SPDX-License-Identifier: Apache-2.0
"""hearth symbolize against llvm-symbolizer on what Debian installs; all other kinds of files are the script's own."""
import os
import sys

from support.tool import ROOT, run

SCRIPT = os.path.join(ROOT, "tests", "accept", "symbolize_vs_llvm.py")


def check(table):
    if not os.path.exists(SCRIPT):
        table.row("symbolize against llvm-symbolizer", ">= 99 % agree", "tests/accept/symbolize_vs_llvm.py is missing", False)
        return
    done = run([sys.executable, SCRIPT, "--rows", "libc", "libjvm"], timeout=600)
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.count(" | ") == 3]
    for item, target, measured, verdict in rows:
        table.row(item, target, measured, verdict.strip() == "pass")
    for line in done.stdout.splitlines():
        if line.count(" | ") != 3:
            print("  " + line)
    if not rows or done.returncode not in (0, 1):
        table.row("symbolize against llvm-symbolizer", "ends well", f"status {done.returncode}: {done.stderr.strip()[-200:]}", False)
