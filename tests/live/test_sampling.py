# SPDX-License-Identifier: Apache-2.0
"""
What the profiler sees of programs whose CPU time is known from elsewhere: from getrusage(2), which they print.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sampling  # noqa: E402


def start(*command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def used_us(process):
    """What a burn program says of itself and of its children, once it ended."""
    output, _ = process.communicate(timeout=120)
    own, children = output.split()
    return int(own), int(children)


class Sampling(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def burn(self, name="burn", **options):
        return sampling.make_burn(self.directory.name, name, **options)

    def assert_share(self, seen_us, used, low, high):
        share = seen_us / used
        self.assertTrue(low <= share <= high, f"{seen_us:.0f} us seen of {used} us used: {share:.3f}")

    def test_cpu_time_agrees_with_rusage(self):
        burn = self.burn()
        with sampling.Profiler("-F", "997") as p:
            children = [start(burn, "2000"), start(burn, "1000"), start(burn, "700", "3")]
            used = sum(used_us(c)[0] for c in children)
        self.assert_share(p.cpu_us(exe=burn), used, 0.97, 1.03)
        self.assertEqual(sum(p.last["stats"]["lost"]), 0)
        self.assertEqual(p.last["stats"]["sampled_cpus"], os.cpu_count())

    def test_labels_and_stacks_are_right(self):
        burn = self.burn("burn labels")
        with sampling.Profiler("-F", "499") as p:
            child = start(burn, "300", "2")
            used_us(child)
        samples = p.select(comm="burn labels")
        self.assertGreater(len(samples), 100)
        self.assertEqual({s["labels"]["pid"] for s in samples}, {str(child.pid)})
        self.assertEqual({s["labels"]["exe"] for s in samples}, {burn})
        threads = {s["labels"]["thread"] for s in samples}
        self.assertLessEqual({"burner-0", "burner-1"}, threads)
        self.assertEqual(len({s["labels"]["tid"] for s in samples if s["labels"]["thread"] == "burner-0"}), 1)

        # Leaves in user mode lie in burn_cpu(), by the symbol table that nm reads.
        [(low, high)] = [(a, b) for a, b, name in sampling.functions(burn) if name == "burn_cpu"]
        leaves = [s["stack"][0] for s in samples if s["stack"] and s["stack"][0].startswith("burn labels+")]
        inside = [f for f in leaves if low <= int(f.rsplit("+", 1)[1], 16) < high]
        self.assertGreater(len(leaves), 0.8 * len(samples))
        self.assertGreater(len(inside), 0.95 * len(leaves))

    def test_processes_of_20_ms_are_attributed(self):
        for build_id in (True, False):
            with self.subTest(build_id=build_id):
                burn = self.burn(f"burn{build_id:d}", build_id=build_id)
                with sampling.Profiler("-F", "997") as p:
                    loop = start(burn, "--loop", "100", "20")
                    own, children = used_us(loop)
                comm = os.path.basename(burn)
                self.assert_share(p.cpu_us(comm=comm, exe=burn), own + children, 0.95, 1.05)
                # The leaf is known, too, though the process is gone long before anybody looks.
                leaves = [s["stack"][0] for s in p.select(comm=comm) if s["stack"]]
                unknown = [f for f in leaves if f.startswith(("[unknown]", "[anon]"))]
                self.assertLess(len(unknown), 0.01 * len(leaves))
                in_burn = [f for f in leaves if f.startswith(comm + "+")]
                self.assertGreater(len(in_burn), 0.7 * len(leaves))

    def test_a_deleted_binary_is_known(self):
        burn = self.burn("burn-gone")
        with sampling.Profiler() as p:
            child = start(burn, "800")
            while os.path.realpath(f"/proc/{child.pid}/exe") != burn:
                time.sleep(0.001)
            os.unlink(burn)
            used_us(child)
        leaves = [s["stack"][0] for s in p.select(comm="burn-gone") if s["stack"]]
        self.assertGreater(len([f for f in leaves if f.startswith("burn-gone+")]), 0.8 * len(leaves))

    def test_only_wanted_processes_and_what_they_fork(self):
        burn, other = self.burn("wanted"), self.burn("other")
        # The shell waits for a line, so that it is known before it forks anything.
        shell = subprocess.Popen(["sh", "-c", f"read line; '{burn}' --loop 40 10; '{burn}' 300"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with sampling.Profiler("-F", "499", "-p", str(shell.pid)) as p:
            noise = start(other, "500")
            output, _ = shell.communicate("go\n", timeout=60)
            used_us(noise)
        used = sum(int(n) for n in output.split())
        self.assert_share(p.cpu_us(exe=burn), used, 0.95, 1.05)
        self.assertEqual({s["labels"]["comm"] for s in p.samples} - {"wanted", "sh"}, set())

    def test_processes_that_ran_before_are_known(self):
        burn = self.burn("burn-early")
        child = start(burn, "1000", "2")
        time.sleep(0.1)
        with sampling.Profiler() as p:
            used_us(child)
        samples = p.select(comm="burn-early", exe=burn, pid=str(child.pid))
        self.assertGreater(len(samples), 20)
        leaves = [s["stack"][0] for s in samples if s["stack"]]
        self.assertGreater(len([f for f in leaves if f.startswith("burn-early+")]), 0.8 * len(leaves))

    def test_idle_is_not_sampled(self):
        with sampling.Profiler() as p:
            time.sleep(1)
        self.assertEqual([s for s in p.samples if s["labels"]["pid"] == "0"], [])
        self.assertEqual([s for s in p.samples if s["labels"]["comm"].startswith("swapper")], [])

    def test_samples_lie_in_the_time_of_the_run(self):
        before = time.time_ns()
        with sampling.Profiler("-F", "499") as p:
            used_us(start(self.burn(), "300"))
        after = time.time_ns()
        times = [s["wall_ns"] for s in p.samples]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(times[0], before)
        self.assertLessEqual(times[-1], after)


class Ending(unittest.TestCase):
    def programs(self):
        listing = subprocess.run(["bpftool", "-j", "prog", "show"], check=True, capture_output=True, text=True).stdout
        return {p["id"] for p in json.loads(listing) if p.get("name") == "sample_cpu"}

    def test_nothing_is_left_behind(self):
        before = self.programs()
        with sampling.Profiler() as p:
            during = self.programs()
            self.assertEqual(len(during - before), 1)
            time.sleep(0.3)
            p.stop()
            # The process lives on, the profiler in it is destroyed.
            deadline = time.monotonic() + 5
            while self.programs() & (during - before) and time.monotonic() < deadline:
                time.sleep(0.05)  # the kernel frees programs a moment after their last reference
            self.assertEqual(self.programs() & (during - before), set())
            self.assertEqual(p.after_stop, [])
            links = [os.readlink(f"/proc/{p.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{p.pid}/fd")]
            self.assertEqual([link for link in links if "perf_event" in link or "bpf" in link], [])
        self.assertEqual(p.last["files_before"], p.last["files_after"])


if __name__ == "__main__":
    unittest.main()
