#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The store: what a host's history takes on disk, and what queries over it take.

HEARTH_BENCH_HOURS sets how long the history is (default 2; 720 are 30 days).
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOURS = os.environ.get("HEARTH_BENCH_HOURS", "2")


def main():
    subprocess.run(["make", "-s", "build/bench/store"], cwd=ROOT, check=True)
    for cores, busy in (("64", "100"), ("64", "30"), ("4", "30")):
        print(f"{cores} cores, {busy} % busy, 19 Hz, {HOURS} h", flush=True)
        with tempfile.TemporaryDirectory(prefix="hearth-bench-") as directory:
            subprocess.run([os.path.join(ROOT, "build/bench/store"), directory, cores, HOURS, busy], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
