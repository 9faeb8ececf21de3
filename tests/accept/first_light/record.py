# SPDX-License-Identifier: Apache-2.0
"""hearth record of a command with children."""
from support import programs
from support.server import parse_folded
from support.tool import hearth


def check(table):
    burner = programs.build("seventy30")
    script = f"{burner} 1 >/dev/null & (python3 -c 'import time\nwhile time.process_time() < 1: pass'); wait; exit 7"
    done = hearth("record", "-o", "-", "--format", "folded", "--", "sh", "-c", script)
    counts = {}
    names = set()
    for frames, count in parse_folded(done.stdout):
        counts[frames[0]] = counts.get(frames[0], 0) + count
        names.update(frames)
    shown = ", ".join(f"{k} {v}" for k, v in sorted(counts.items()))
    table.row("record: the children are in it", "seventy30 and python3, 80..130 each", shown,
              all(80 <= counts.get(c, 0) <= 130 for c in ("seventy30", "python3")))
    table.row("record: nothing else is in it", "sh, seventy30, python3", shown, set(counts) <= {"sh", "seventy30", "python3"})
    table.row("record: with names", "burn_seventy", "there" if "burn_seventy" in names else "missing", "burn_seventy" in names)
    table.row("record: exit status passed through", "7", done.returncode, done.returncode == 7)
    killed = hearth("record", "-o", "/dev/null", "--", "sh", "-c", "kill -TERM $$").returncode
    table.row("record: a killed command", "143", killed, killed == 143)
