# SPDX-License-Identifier: Apache-2.0
"""The same chains as llvm-symbolizer, on every kind of file that symbolize_vs_llvm.py knows; its rows are shown as they are."""
import os
import sys

from support.tool import ROOT, run

SCRIPT = os.path.join(ROOT, "tests", "accept", "symbolize_vs_llvm.py")
LIMIT_S = 3600


def check(table):
    done = run([sys.executable, SCRIPT, "--rows"], timeout=LIMIT_S)
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.count(" | ") == 3]
    for item, target, measured, verdict in rows:
        table.row(item, target, measured, verdict.strip() == "pass")
    if not rows or done.returncode not in (0, 1):
        table.row("symbolize against llvm-symbolizer", "ends well", f"status {done.returncode}: {done.stderr.strip()[-200:]}", False)
