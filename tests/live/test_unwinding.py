# SPDX-License-Identifier: Apache-2.0
"""
Both programs of the unwinder on the kernel at hand: the one that loops by bpf_loop(), and the one for kernels without it, which
an option forces.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sampling  # noqa: E402

DEEP = os.path.join(sampling.ROOT, "tests", "accept", "unwind_parts", "deep.c")
FRAMES = 127
SECONDS = 2


def program_names(pid):
    """Names of the perf_event programs that a process holds."""
    names = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as f:
                found = re.search(r"^prog_id:\s+(\d+)$", f.read(), re.M)
        except OSError:
            continue
        if found:
            shown = subprocess.run(["bpftool", "prog", "show", "id", found[1]], capture_output=True, text=True, check=True).stdout
            names.update(re.findall(r"^\d+: perf_event +name (\S+)", shown))
    return names


class Variants(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.deep = os.path.join(self.directory.name, "deep")
        subprocess.run(["gcc", "-O2", "-fomit-frame-pointer", "-o", self.deep, DEEP], check=True)

    def sample(self, *arguments):
        with sampling.Profiler("-F", "199", *arguments) as p:
            names = program_names(p.pid)
            subprocess.run([self.deep, str(SECONDS), str(FRAMES)], check=True)
        [(low, high)] = [(a, b) for a, b, name in sampling.functions(self.deep) if name == "descend"]
        mine = p.select(comm="deep", exe=self.deep)
        whole = 0
        for sample in mine:
            frames = [f for f in sample["stack"] if f.startswith("deep+")]
            inside = sum(low <= int(f.rsplit("+", 1)[1], 16) < high for f in frames)
            whole += inside >= FRAMES and sample["verdict"] == 0
        self.assertGreater(len(mine), 50)
        # The rest is the start of the program, and the way down to where the time is burned.
        self.assertGreater(whole, 0.9 * len(mine))
        self.assertGreater(p.last["stats"]["verified"], 1000)
        kernel_side = p.last["stats"]["ends"]
        self.assertGreater(kernel_side[1], 0.5 * len(mine))  # complete in the kernel, not only by stashes
        return names

    def test_by_bpf_loop(self):
        self.assertEqual(self.sample(), {"sample_cpu"})

    def test_bounded(self):
        self.assertEqual(self.sample("-b"), {"sample_cpu_bounded"})


if __name__ == "__main__":
    unittest.main()
