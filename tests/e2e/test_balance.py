#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/api/v1/balance: attributed CPU time against the kernel's, in all and per cgroup."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402

ROOT = "/sys/fs/cgroup/cpuacct" if os.path.exists("/sys/fs/cgroup/cpuacct") else "/sys/fs/cgroup"


class Balance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cgroup = f"{ROOT}/hearth-test-{os.getpid()}"
        os.mkdir(cls.cgroup)
        script = f"echo $$ > {cls.cgroup}/cgroup.procs; exec {sys.executable} -c 'while True: pass'"
        cls.busy = subprocess.Popen(["sh", "-c", script])
        cls.daemon = None
        try:
            cls.daemon = Daemon()
            time.sleep(13)  # beyond one reading and one window
            cls.answer = cls.daemon.get("/api/v1/balance").json
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.busy.kill()
        cls.busy.wait()
        if cls.daemon:
            cls.daemon.stop()
        time.sleep(0.1)
        os.rmdir(cls.cgroup)

    def own(self, answer):
        return next(c for c in answer["cgroups"] if c["cgroup"] == "/" + os.path.basename(self.cgroup))

    def test_it_reaches_from_the_start_to_now(self):
        self.assertGreater(self.answer["covered_seconds"], 12)
        self.assertLess(time.time() - self.answer["to"], 60)
        self.assertAlmostEqual(self.answer["to"] - self.answer["from"], self.answer["covered_seconds"], places=3)

    def test_the_sums_agree(self):
        a = self.answer
        accounting = a["accounting"]
        kernel = sum(accounting[k] for k in ("user", "nice", "system", "irq", "softirq"))
        self.assertAlmostEqual(a["kernel_cpu_seconds"], kernel, places=3)
        self.assertAlmostEqual(a["missing_cpu_seconds"], kernel - a["attributed_cpu_seconds"], places=3)
        self.assertAlmostEqual(sum(m["cpu_seconds"] for m in a["missing"]), a["missing_cpu_seconds"], places=3)
        self.assertAlmostEqual(sum(c["attributed_cpu_seconds"] for c in a["cgroups"]), a["attributed_cpu_seconds"], places=3)
        cpus = os.cpu_count() * a["covered_seconds"]
        self.assertLess(abs(sum(accounting.values()) - cpus) / cpus, 0.05)
        self.assertAlmostEqual(a["attributed_cpu_seconds"], a["samples"] / 99, delta=0.02 * a["samples"] / 99)

    def test_most_of_the_machines_time_is_attributed(self):
        # Samples are random: half a core for 13 s are 640 of them.
        self.assertGreater(self.answer["ratio"], 0.9)
        self.assertLess(self.answer["ratio"], 1.1)

    def test_a_cgroup_has_its_own_time(self):
        own = self.own(self.answer)
        self.assertGreater(own["kernel_cpu_seconds"], 0.5)
        error = own["sampling_error_cpu_seconds"]
        self.assertLess(abs(own["missing_cpu_seconds"]), 0.05 * own["kernel_cpu_seconds"] + 4 * error)

    def test_history_is_answered_from_rows(self):
        first = self.daemon.get("/api/v1/balance", to=repr(self.answer["from"] + 5)).json
        self.assertAlmostEqual(first["covered_seconds"], 10, delta=1)
        self.assertGreater(self.own(first)["attributed_cpu_seconds"], 0)
        before = self.daemon.get("/api/v1/balance", **{"from": "now-2h", "to": "now-1h"}).json
        self.assertEqual((before["covered_seconds"], before["cgroups"], before["attributed_cpu_seconds"]), (0, [], 0))

    def test_bad_parameters(self):
        self.assertEqual(self.daemon.get("/api/v1/balance", query="{}").status, 400)
        self.assertEqual(self.daemon.get("/api/v1/balance", **{"from": "never"}).status, 400)
        self.assertEqual(len(self.daemon.get("/api/v1/balance", limit=1).json["cgroups"]), 1)


if __name__ == "__main__":
    unittest.main()
