# SPDX-License-Identifier: Apache-2.0
"""Both programs of the unwinder on this kernel, the one for kernels without bpf_loop() forced."""
import sampling

from .live import complete_share
from .workloads import Workloads

SECONDS = 6
DEPTHS = {"program for 5.17 and later": ([], 400), "program for 5.10 to 5.16, forced": (["-b"], 127)}


def check(table):
    work = Workloads()
    try:
        for title, (arguments, depth) in DEPTHS.items():
            with sampling.Profiler("-F", "99", *arguments) as p:
                work.recursion(SECONDS, depth).run()
            stats = p.last["stats"]
            mine = [s for s in p.samples if s["labels"].get("comm") == "deep"]
            share, text = complete_share(mine)
            deepest = max((len(s["stack"]) for s in mine), default=0)
            table.row(f"variants: {title}: complete stacks of {depth} frames", ">= 99 %", f"{text}; deepest {deepest} frames",
                      share >= 0.99 and deepest >= depth and len(mine) > 100)
            table.row(f"variants: {title}: the verifier's count", "known", f"{stats['verified']} instructions", stats["verified"] > 0)
    finally:
        work.close()
