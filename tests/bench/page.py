#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The page in Chromium: first paint, search, zoom and hover of a flame graph, beside d3-flame-graph and speedscope, all with the
same synthetic tree. What each figure is: tests/browser/measure.mjs.
"""
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from support import table  # noqa: E402

LIMIT_S = 280
FIGURES = ("paint", "cold", "search", "zoom", "hover")


def measure(frames):
    """{viewer: {figure: median in ms}}"""
    done = subprocess.run(["node", os.path.join(HERE, "page.mjs"), str(frames)], stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True)
    runs = {}
    for line in done.stdout.splitlines():
        viewer, _, *figures = line.split()
        runs.setdefault(viewer, []).append([float(x) for x in figures])
    return {v: dict(zip(FIGURES, (statistics.median(column) for column in zip(*rows)))) for v, rows in runs.items()}


def text(ms):
    return "-" if ms != ms else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def main():
    for frames in (10000, 100000):
        found = measure(frames)
        table.show(f"{frames:,} frames, milliseconds", ["", "first paint", "cold", "search", "zoom", "hover"],
                   [[viewer, *(text(m[f]) for f in FIGURES)] for viewer, m in found.items()])


if __name__ == "__main__":
    main()
