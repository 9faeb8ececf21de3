# SPDX-License-Identifier: Apache-2.0
"""Stacks of real programs: how many are complete, and whether perf sees the same ones in the same run."""
import collections
import time

import sampling

from .perf_stacks import Perf
from .workloads import PROGRAMS, Workloads

SECONDS = 10
COMPLETE = 0
COMPARE_HZ = 199
TOP = 50
# perf copies one stack: of a signal handler on a stack of its own, it does not see what was interrupted.
PERF_REACHES = {"signals": 4}


def why(sample):
    """The notice at the root end of an incomplete stack."""
    markers = [f for f in sample["stack"] if f.startswith("[") and ("truncated" in f or "failed" in f)]
    return markers[-1] if markers else "?"


def complete_share(samples):
    bad = collections.Counter(why(s) for s in samples if s["verdict"] != COMPLETE)
    share = 1 - sum(bad.values()) / max(len(samples), 1)
    text = ", ".join(f"{n} {w}" for w, n in bad.most_common(3))
    return share, f"{share * 100:.2f} % of {len(samples)}" + (f": {text}" if text else "")


def user_frames(sample):
    """Without kernel frames, which have a name of their own, and notices."""
    return [f for f in sample["stack"] if "+" in f and not f.startswith("[stack ")]


def callers(frames, most=None):
    """A stack by the places it was called from; of the leaf, which moves, only the file."""
    return (frames[0].rpartition("+")[0], *frames[1:most]) if frames else ()


def shares(stacks):
    counts = collections.Counter(stacks)
    return {stack: n / max(len(stacks), 1) for stack, n in counts.items()}


def compare(table, title, ours, theirs):
    mine, peer = shares(ours), shares(theirs)
    top = {s for side in (mine, peer) for s in sorted(side, key=side.get, reverse=True)[:TOP]}
    apart = {s: mine.get(s, 0) - peer.get(s, 0) for s in top}
    worst = max(apart, key=lambda s: abs(apart[s]), default=())
    difference = abs(apart.get(worst, 1))
    table.row(f"live: {title}: top {TOP} stacks against perf", "<= 3 points apart",
              f"{difference * 100:.1f} points, {len(top)} stacks of {len(ours)} and {len(theirs)} samples; widest: {len(worst)} frames from {worst[:1]}",
              difference <= 0.03 and len(ours) >= 500)
    return apart, mine, peer


def check_against_perf(table, title, comms, start, directory):
    with sampling.Profiler("-F", str(COMPARE_HZ)) as p:
        running = start(SECONDS)
        with Perf(directory + "/perf.data", COMPARE_HZ) as perf:
            running.run()
    most = PERF_REACHES.get(comms[0])
    ours = [callers(user_frames(s), most) for s in p.samples if s["labels"].get("comm") in comms]
    theirs = [callers(s, most) for s in perf.stacks(comms)]
    return compare(table, title + (f", innermost {most} frames" if most else ""), [s for s in ours if s], [s for s in theirs if s])


def check(table, only=None):
    work = Workloads()
    try:
        for title, name, comms in PROGRAMS:
            if only and name not in only:
                continue
            warm = getattr(work, name)(0.1)  # builds what is missing
            warm.run()
            with sampling.Profiler("-F", "99") as p:
                running = getattr(work, name)(SECONDS)
                running.run()
            mine = [s for s in p.samples if s["labels"].get("comm") in comms]
            share, text = complete_share(mine)
            table.row(f"live: {title}: complete stacks", ">= 99.5 %", text, share >= 0.995 and len(mine) >= 200)
            check_against_perf(table, title, comms, getattr(work, name), work.directory)
    finally:
        work.close()
