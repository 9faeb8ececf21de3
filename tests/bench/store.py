#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The store: what a host's history takes on disk, what queries over it take, and go tool pprof merging the same as files.

The history is made of a recording of this machine; see store_history/history.py for what can be set.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.dirname(os.path.abspath(__file__))]
sys.dont_write_bytecode = True

from store_history import measure, peer  # noqa: E402
from store_history.history import History  # noqa: E402
from support.server import Server  # noqa: E402

PORT = 8159
SELECTORS = ("", '{comm="cc1"}', '{unit=~"(git|python3).*"}')
LENGTHS = {"15 min": measure.MINUTE * 15, "24 h": measure.DAY, "30 d": measure.DAY * 30}
GROWTH_DAYS = (1, 2, 5, 10, 20, 30)
REPETITIONS = 40
BAR = 50


def show_disk(history):
    facts, day = history.facts, history.last_day()
    print(f"{history.cores} cores, {history.busy} % busy, 19 Hz, {history.days} days: {facts['recorded_programs']:.0f} programs, "
          f"{facts['recorded_stacks']:.0f} stacks recorded; a CPU stays with a thread in {facts['recorded_staying_percent']:.0f} %")
    print(f"  {'on disk, a core and day':<30} {sum(day.values()) / 1e6:8.2f} MB "
          f"({', '.join(f'{tier} {size / 1e6:.2f}' for tier, size in sorted(day.items()))})")
    print(f"  {'to write, sums and sealing':<30} {facts['write_ms_per_window']:8.2f} ms a window of "
          f"{facts['samples'] / facts['windows']:.0f} samples")


def show_queries(history, server):
    print(f"  {'flame graph over HTTP':<12} {'selector':<28} {'first':>8} {'p50':>8} {'p95':>8} {'memory':>9}  samples, nodes")
    for name, length in LENGTHS.items():
        for selector in SELECTORS if length <= history.days * measure.DAY else ():
            r = measure.flame_graphs(server, history.end, length, selector, REPETITIONS)
            print(f"  {name:<12} {selector or 'everything':<28} {r['first_ms']:6.0f}ms {r['p50_ms']:6.1f}ms {r['p95_ms']:6.1f}ms "
                  f"{r['memory_mb']:6.1f} MB  {r['samples']}, {r['nodes']}", flush=True)


def show_growth(history, server):
    lengths = [d for d in GROWTH_DAYS if d <= history.days]
    times = [measure.flame_graphs(server, history.end, d * measure.DAY, "", 10)["p50_ms"] for d in lengths]
    print("  growth with the range, p50")
    for days, ms in zip(lengths, times):
        print(f"  {days:>4} d {ms:7.1f} ms {'#' * round(ms / max(times) * BAR)}", flush=True)


def show_peer(history, server):
    print("  go tool pprof merging the same time as files")
    for name, length in LENGTHS.items():
        if length <= history.days * measure.DAY:
            files, size, seconds = peer.merge(server, history.end, length)
            print(f"  {name:<12} {files} files, {size / 1e6:.1f} MB: {seconds * 1000:.0f} ms", flush=True)


def main():
    with History(PORT) as history:
        show_disk(history)
        with Server(PORT, "--no-sampling", "--disk", "1T", "--data-dir", history.directory) as server:
            measure.warm_up(server, history.end, [x for x in LENGTHS.values() if x <= history.days * measure.DAY])
            show_queries(history, server)
            show_growth(history, server)
            show_peer(history, server)
    with History(PORT, cores=64, busy=30, days=1) as history:
        show_disk(history)
    return 0


if __name__ == "__main__":
    sys.exit(main())
