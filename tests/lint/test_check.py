#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the test runner must count as failed, and how it counts."""
import ctypes
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True


def load_runner():
    path = os.path.join(HERE, "..", "check")
    loader = importlib.machinery.SourceFileLoader("check_runner", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_runner", loader))
    loader.exec_module(module)
    return module


check = load_runner()


class Counting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ctypes.CDLL(None).prctl(check.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def outcome(self, script, limit_s=20):
        result, _ = check.run(["bash", "-c", script], limit_s)
        return result.passed, result.failed, " ".join(result.notes)

    def test_tap_lines_are_counted(self):
        self.assertEqual(self.outcome("echo '1..2'; echo 'ok 1 - a'; echo 'ok 2 - b'"), (2, 0, ""))
        self.assertEqual(self.outcome("echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1"), (1, 1, ""))
        self.assertEqual(self.outcome("echo 'ok 1 - a'; echo '    ok 1 - inner'"), (1, 0, ""))

    def test_a_skipped_case_has_failed(self):
        self.assertEqual(self.outcome("echo 'ok 1 - a # SKIP no root'")[:2], (0, 1))
        self.assertEqual(self.outcome("echo 'Ran 3 tests in 1.0s'; echo; echo 'OK (skipped=1)'")[:2], (2, 1))

    def test_unittest_results_are_counted(self):
        self.assertEqual(self.outcome("echo 'Ran 5 tests in 1.0s'; echo; echo OK"), (5, 0, ""))
        self.assertEqual(self.outcome("echo 'Ran 5 tests in 1.0s'; echo; echo 'FAILED (failures=1, errors=2)'; exit 1"), (2, 3, ""))

    def test_a_good_word_does_not_hide_a_bad_end(self):
        self.assertEqual(self.outcome("echo 'ok 1 - a'; exit 3"), (1, 1, "exit status 3"))
        self.assertEqual(self.outcome("echo 'ok 1 - a'; kill -SEGV $$"), (1, 1, "killed by SIGSEGV"))
        self.assertEqual(self.outcome("echo 'Ran 2 tests in 0.1s'; echo; echo OK; exit 1"), (2, 1, "exit status 1"))

    def test_silence_is_a_failure(self):
        self.assertEqual(self.outcome("true"), (0, 1, "ran no test case, exit status 0"))
        self.assertEqual(self.outcome("echo 'Ran 0 tests in 0.0s'; echo; echo OK")[:2], (0, 1))

    def test_time_runs_out(self):
        passed, failed, why = self.outcome("echo 'ok 1 - a'; sleep 60", 1)
        self.assertEqual((passed, failed), (1, 1))
        self.assertIn("out of time", why)

    def test_processes_left_behind_are_found_and_ended(self):
        for start in ("sleep 61 > /dev/null 2>&1 &", "setsid sleep 61 > /dev/null 2>&1 &"):
            with self.subTest(start=start), tempfile.NamedTemporaryFile("r") as pid_file:
                passed, failed, why = self.outcome(f"{start} echo $! > {pid_file.name}; echo 'ok 1 - a'")
                self.assertEqual((passed, failed), (1, 1))
                self.assertIn("left 1 processes behind: sleep", why)
                self.assertFalse(os.path.exists(f"/proc/{pid_file.read().strip()}"))

    def test_every_stage_exists_and_an_unknown_one_is_refused(self):
        self.assertEqual(check.main(["no-such-stage"]), 2)


if __name__ == "__main__":
    unittest.main()
