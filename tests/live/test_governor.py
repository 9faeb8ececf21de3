# SPDX-License-Identifier: Apache-2.0
"""
The budget of CPU time: fewer samples are taken, and what they add up to stays what the kernel's accounting says.
"""
import math
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import programs  # noqa: E402
from support.server import Server, sum_of  # noqa: E402

HZ = 4000
PORT = 7996


class Governor(unittest.TestCase):
    def test_thinned_samples_add_up(self):
        program = programs.build("seventy30", output="governed")
        with Server(PORT, "--frequency", str(HZ), "--cpu-budget", "1%") as server:
            process = subprocess.Popen([program, "10"], stdout=subprocess.DEVNULL)
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            used = usage.ru_utime + usage.ru_stime
            counts = server.folded(from_="now-10m", query='{comm="governed"}')
            metrics = server.metrics()
        self.assertGreater(sum_of(metrics, "hearth_sampling_thinning"), 1)
        self.assertEqual(sum_of(metrics, "hearth_samples_lost_total"), 0)
        seen = sum(n for _, n in counts) / HZ
        # Three standard deviations, if all of the time was sampled as thinly as it was in the end.
        error = max(0.03, 3 / math.sqrt(seen * HZ / sum_of(metrics, "hearth_sampling_thinning")))
        self.assertTrue(abs(seen / used - 1) <= error, f"{seen:.2f} s seen of {used:.2f} s used, {error:.3f} allowed")
        seventy = sum(n for frames, n in counts if "burn_seventy" in frames) / HZ
        self.assertTrue(abs(seventy / used - 0.7) <= error, f"{seventy:.2f} s of {used:.2f} s in burn_seventy, {error:.3f} allowed")


if __name__ == "__main__":
    unittest.main()
