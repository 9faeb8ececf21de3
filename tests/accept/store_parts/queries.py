# SPDX-License-Identifier: Apache-2.0
"""What a long history takes on disk, how long flame graphs over it take, and go tool pprof merging the same time as files."""
from store_history import measure, peer
from store_history.history import History
from support.server import Server

from . import PORT

DISK_MOST_MB = 2
MEMORY_MOST_MB = 64
REPETITIONS = 40
GROWTH_MOST = 30  # times longer range
CASES = (("15 min", measure.MINUTE * 15, 50), ("24 h", measure.DAY, 100), ("30 d", measure.DAY * 30, 300))
SELECTORS = ("", '{comm="cc1"}', '{unit=~"(git|python3).*"}')


def check(table):
    with History(PORT) as history:
        disk(table, history)
        with Server(PORT, "--no-sampling", "--disk", "1T", "--data-dir", history.directory) as server:
            measure.warm_up(server, history.end, [length for _, length, _ in CASES])
            p50 = flame_graphs(table, history, server)
            growth(table, history, server)
            peers(table, history, server, p50)
        memory(table, history)


def disk(table, history):
    day = history.last_day()
    total = sum(day.values()) / 1e6
    parts = ", ".join(f"{tier} {size / 1e6:.2f}" for tier, size in sorted(day.items()))
    table.row(f"disk per core and day, {history.cores} cores {history.busy} % busy at 19 Hz, times kept", f"<= {DISK_MOST_MB} MB",
              f"{total:.2f} MB ({parts})", total <= DISK_MOST_MB)


def flame_graphs(table, history, server):
    p50 = {}
    for name, length, limit in CASES:
        for selector in SELECTORS:
            r = measure.flame_graphs(server, history.end, length, selector, REPETITIONS)
            p50.setdefault(name, r["p50_ms"])
            table.row(f"flame graph of {name}, {selector or 'everything'}", f"p95 <= {limit} ms",
                      f"p50 {r['p50_ms']:.0f} p95 {r['p95_ms']:.0f} ms; {r['samples']} samples, {r['nodes']} nodes", r["p95_ms"] <= limit)
    return p50


def memory(table, history):
    """Of servers that were just started: nothing is cached, symbol files are there."""
    most = measure.cold_memory_mb(Server, PORT, history, [length for _, length, _ in CASES])
    table.row("memory of a first query, above what the server held before it", f"<= {MEMORY_MOST_MB} MB", f"{most:.0f} MB at most",
              0 < most <= MEMORY_MOST_MB)


def growth(table, history, server):
    days = (1, 2, 5, 10, 20, 30)
    times = [measure.flame_graphs(server, history.end, d * measure.DAY, "", 7)["p50_ms"] for d in days]
    table.row("growth from 1 to 30 days", f"far below the {GROWTH_MOST} times of the range",
              ", ".join(f"{d} d {ms:.0f} ms" for d, ms in zip(days, times)), times[-1] < times[0] * GROWTH_MOST / 5)


def peers(table, history, server, p50):
    for name, length, _ in CASES:
        files, size, seconds = peer.merge(server, history.end, length)
        table.row(f"{name} merged by go tool pprof from files", "slower than a flame graph of it",
                  f"{seconds * 1000:.0f} ms for {files} files of {size / 1e6:.1f} MB, Hearth {p50[name]:.0f} ms", seconds * 1000 > p50[name])
