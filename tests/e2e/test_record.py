#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hearth record: what is in the profile, whose exit status it has, and what it says when it cannot."""
import collections
import gzip
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import programs  # noqa: E402
from support.server import parse_folded  # noqa: E402
from support.tool import HEARTH, NOBODY, hearth, in_mount_namespace, run  # noqa: E402

FIRST = ["chrt", "--fifo", "10"]  # whoever measures CPU time is not to be pushed aside by other tests
HZ = 99


def by_comm(stacks):
    counts = collections.Counter()
    for frames, count in stacks:
        counts[frames[0]] += count
    return counts


def stolen_seconds():
    """CPU time the hypervisor took: a process is charged for it, but no timer ticks in it."""
    with open("/proc/stat", encoding="ascii") as f:
        return int(f.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


class Recording(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.burner = programs.build("seventy30")

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="hearth-record-")
        self.addCleanup(shutil.rmtree, self.scratch)

    def path(self, name):
        return os.path.join(self.scratch, name)

    def folded(self, *arguments, status=0):
        done = hearth("record", "-o", "-", "--format", "folded", *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        return parse_folded(done.stdout)


class Commands(Recording):
    def test_cpu_time_is_what_the_kernel_accounted(self):
        for frequency in (HZ, 999):
            with self.subTest(frequency=frequency):
                path = self.path("folded")
                before = stolen_seconds()
                done = hearth("record", "-F", str(frequency), "-o", path, "--format", "folded", "--", *FIRST, self.burner, "3")
                stolen = stolen_seconds() - before
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                used = float(done.stdout)
                with open(path, encoding="utf-8") as f:
                    stacks = parse_folded(f.read())
                sampled = sum(count for _, count in stacks) / frequency
                self.assertAlmostEqual(sampled, used, delta=used * 0.02 + 2 / frequency + stolen)
                if frequency == HZ:
                    continue  # 300 samples: a standard error of 2.7 % says nothing about shares
                shares = collections.Counter()
                for frames, count in stacks:
                    for name in {re.sub(r"_\[[kij]\]$", "", f) for f in frames}:
                        shares[name] += count
                total = sum(count for _, count in stacks)
                self.assertAlmostEqual(shares["burn_seventy"] / total, 0.7, delta=0.03)
                self.assertAlmostEqual(shares["burn_thirty"] / total, 0.3, delta=0.03)
                self.assertGreater(shares["run_seventy"], 0, "the inlined caller")
                self.assertGreater(shares["mix"], 0, "the inlined callee")

    def test_children_and_their_children_are_in_it(self):
        script = f"({self.burner} 0.5 & wait) > /dev/null; python3 -c 'import time\nwhile time.process_time() < 0.5: pass'; exit 7"
        counts = by_comm(self.folded("--", "sh", "-c", script, status=7))
        self.assertGreater(counts["seventy30"], 0.3 * HZ)
        self.assertGreater(counts["python3"], 0.3 * HZ)

    def test_nothing_else_is_in_it(self):
        other = subprocess.Popen([self.burner, "3"], stdout=subprocess.DEVNULL)
        try:
            script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
            counts = by_comm(self.folded("--", "sh", "-c", script))
        finally:
            other.kill()
            other.wait()
        self.assertEqual(set(counts), {"sh"})

    def test_the_exit_status_is_the_commands(self):
        for script, status in (("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)):
            with self.subTest(script=script):
                self.assertEqual(hearth("record", "-o", "/dev/null", "--", "sh", "-c", script).returncode, status)

    def test_standard_streams_are_the_commands(self):
        done = hearth("record", "-o", self.path("x"), "--", "sh", "-c", "cat; echo out; echo err >&2", input="in\n", stdin=None)
        self.assertEqual((done.returncode, done.stdout), (0, "in\nout\n"))
        self.assertTrue(done.stderr.startswith("err\n"))

    def test_what_cannot_be_run(self):
        for command, status, why in (("/no/such/command", 127, "No such file"), ("no-such-command", 127, "No such file"),
                                     ("/etc/passwd", 126, "Permission denied")):
            with self.subTest(command=command):
                done = hearth("record", "-o", self.path("x"), "--", command)
                self.assertEqual(done.returncode, status)
                self.assertRegex(done.stderr, f"^hearth: cannot run '{command}': {why}.*\n$")
                self.assertEqual(os.listdir(self.scratch), [])

    def test_no_cpu_time_is_a_valid_profile_with_a_hint(self):
        path = self.path("empty.pb.gz")
        done = hearth("record", "-o", path, "--", "sleep", "0.1")
        self.assertEqual(done.returncode, 0)
        with gzip.open(path) as f:
            self.assertGreater(len(f.read()), 0)
        if "no samples" not in done.stderr:  # starting a program takes CPU time too
            self.assertEqual(done.stderr, "")
        tool = run(["go", "tool", "pprof", "-raw", path])
        self.assertEqual(tool.returncode, 0, tool.stderr)

    def test_a_time_limit_ends_the_recording_not_the_command(self):
        path = self.path("folded")
        done = hearth("record", "-d", "1", "-o", path, "--format", "folded", "--", *FIRST, self.burner, "3")
        self.assertEqual(done.returncode, 0)
        self.assertGreater(float(done.stdout), 2.9)
        with open(path, encoding="utf-8") as f:
            sampled = by_comm(parse_folded(f.read()))["seventy30"]
        self.assertGreater(sampled, 0.6 * HZ)
        self.assertLess(sampled, 1.3 * HZ)


class Signals(Recording):
    def start(self, *arguments, **options):
        process = subprocess.Popen([HEARTH, "record", "-o", self.path("folded"), "--format", "folded", *arguments],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def sampled(self):
        with open(self.path("folded"), encoding="utf-8") as f:
            return sum(count for _, count in parse_folded(f.read()))

    def test_an_interrupt_ends_the_recording_of_the_machine_and_writes(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([self.burner, "3"], stdout=subprocess.DEVNULL):
                process = self.start("-d", "60")
                time.sleep(3)
                process.send_signal(number)
                self.assertEqual(process.wait(20), 0)
                self.assertGreater(self.sampled(), 20)

    def test_a_signal_for_us_reaches_the_command(self):
        process = self.start("--", "sh", "-c", f"echo ready; exec {' '.join(FIRST)} {self.burner} 60")
        process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 143)
        self.assertGreater(self.sampled(), 20)

    def test_a_command_that_ignores_the_signal_is_waited_for(self):
        script = f"trap '' INT; echo ready; {' '.join(FIRST)} {self.burner} 0.5; sleep 4; exit 9"
        process = self.start("--", "sh", "-c", script)
        process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 9)
        self.assertGreater(self.sampled(), 20)

    def test_an_interrupt_from_the_terminal_reaches_the_command_once(self):
        script = f"count=0; trap 'count=$((count+1))' INT; echo ready; {' '.join(FIRST)} {self.burner} 2; sleep 1; echo count=$count; exit $count"
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(HEARTH, ["hearth", "record", "-o", self.path("folded"), "--format", "folded", "--", "bash", "-c", script])
        shown = b""
        while b"ready" not in shown:
            shown += os.read(terminal, 4096)
        time.sleep(1)
        os.write(terminal, b"\x03")
        try:
            while chunk := os.read(terminal, 4096):
                shown += chunk
        except OSError:
            pass  # how a terminal says that it is over
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertIn(b"count=1", shown)
        self.assertEqual(os.waitstatus_to_exitcode(status), 1)
        self.assertIn(b"recording", shown, "progress on a terminal")
        self.assertGreater(self.sampled(), 10)


class Processes(Recording):
    def test_only_the_processes_named_and_until_they_end(self):
        with subprocess.Popen([self.burner, "1.5"], stdout=subprocess.DEVNULL) as wanted, \
                subprocess.Popen([self.burner, "1.5"], stdout=subprocess.DEVNULL), \
                subprocess.Popen(["python3", "-c", "import time\nwhile time.process_time() < 1.5: pass"]) as also:
            start = time.monotonic()
            counts = by_comm(self.folded("-p", str(wanted.pid), "-p", f"{also.pid},{wanted.pid}", "-d", "60"))
            self.assertLess(time.monotonic() - start, 30)
        self.assertEqual(set(counts), {"seventy30", "python3"})
        self.assertLess(counts["seventy30"], 1.6 * HZ, "one of the two, 1.5 s")

    def test_a_process_that_is_not_there(self):
        done = hearth("record", "-p", "4194303", "-o", self.path("x"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^hearth: no process 4194303: .*\n$")
        self.assertEqual(os.listdir(self.scratch), [])


class Formats(Recording):
    def record(self, name, *arguments):
        path = self.path(name)
        done = hearth("record", "-o", path, *arguments, "--", self.burner, "0.5")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return path

    def test_pprof_is_read_by_go(self):
        tool = run(["go", "tool", "pprof", "-top", self.record("x.pb.gz")])
        self.assertEqual(tool.returncode, 0, tool.stderr)
        self.assertRegex(tool.stdout, r"\d%\s+burn_seventy")
        tags = run(["go", "tool", "pprof", "-tags", self.path("x.pb.gz")])
        self.assertRegex(tags.stdout, r"comm: Total .*\n.*seventy30")

    def test_speedscope_has_its_samples(self):
        with open(self.record("x.json", "--format", "speedscope"), encoding="utf-8") as f:
            document = json.load(f)
        profile = document["profiles"][0]
        self.assertEqual(len(profile["samples"]), len(profile["weights"]))
        self.assertAlmostEqual(sum(profile["weights"]) / 1e9, 0.5, delta=0.2)
        self.assertIn("burn_seventy", [frame["name"] for frame in document["shared"]["frames"]])

    def test_html_is_one_file(self):
        with open(self.record("x.html", "--format", "html"), encoding="utf-8") as f:
            page = f.read()
        self.assertTrue("burn_seventy" in page, "the profile is in the page")
        self.assertRegex(page, r"(?i)^\s*<!doctype html>")
        self.assertNotRegex(page, r"(?i)<(script|link|img)[^>]+(src|href)=[\"']?(?!data:)[^\"'>]*\.(js|css|png)")

    def test_the_default_file_follows_the_format(self):
        for arguments, name in (([], "hearth.pb.gz"), (["--format", "folded"], "hearth.folded"),
                                (["--format", "html"], "hearth.html"), (["--format", "speedscope"], "hearth.speedscope.json")):
            hearth("record", "-d", "10ms", *arguments, cwd=self.scratch)
            self.assertIn(name, os.listdir(self.scratch))

    def test_an_old_file_is_replaced_or_stays(self):
        path = self.path("old")
        with open(path, "w", encoding="utf-8") as f:
            f.write("precious")
        self.assertEqual(hearth("record", "-o", path, "--", "/no/such/command").returncode, 127)
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), "precious")
        self.record("old", "--format", "folded")
        with open(path, encoding="utf-8") as f:
            self.assertIn("burn_seventy", f.read())


class Refusals(Recording):
    def test_usage(self):
        for arguments, what in (
                (["-F", "0"], "frequency '0' is not a number from 1 to 10000"), (["-F", "abc"], "frequency 'abc'"),
                (["-F", "10001"], "frequency '10001'"), (["-F", "-5"], "frequency '-5'"), (["-d", "abc"], "duration 'abc'"),
                (["-d", "0"], "duration '0'"), (["-d", "-1"], "duration '-1'"), (["-d", "99999999"], "duration '99999999'"),
                (["-p", "x"], "'x' is no process id"), (["-p", "1,"], "'' is no process id"), (["-p", "0"], "'0' is no process id"),
                (["-p", "1", "--", "true"], "-p and a command exclude each other"), (["--format", "xml"], "unknown format 'xml'"),
                (["--bogus"], "unknown option '--bogus'"), (["-o"], "'-o' wants a value"), (["true"], "unexpected argument 'true'"),
                (["--"], "no command after --")):
            with self.subTest(arguments=arguments):
                done = hearth("record", *arguments, cwd=self.scratch)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertTrue(done.stderr.startswith("hearth record: " + what), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
        self.assertEqual(os.listdir(self.scratch), [])
        self.assertEqual(hearth("record", "--help").returncode, 0)

    def test_a_place_that_cannot_be_written_is_known_before_the_command_runs(self):
        mark = self.path("mark")
        for place in ("/nonexistent/x", self.scratch, "/proc/x", ""):
            with self.subTest(place=place):
                done = hearth("record", "-o", place, "--", "touch", mark)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, "^hearth: cannot write '.*': .*; choose another file with -o\n$")
                self.assertFalse(os.path.exists(mark))

    def test_a_full_disk(self):
        done = hearth("record", "-o", "/dev/full", "--format", "html", "--", "true")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^hearth: cannot write '/dev/full': No space left on device.*\n$")

    def test_no_privileges(self):
        done = run([*NOBODY, HEARTH, "record", "-d", "1", "-o", "-", "--format", "folded"])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "^hearth: .*(root|CAP_BPF|setcap).*\n$")

    def test_a_kernel_without_types(self):
        done = in_mount_namespace("mount -t tmpfs none /sys/kernel/btf",
                                  [HEARTH, "record", "-d", "1", "-o", "-", "--format", "folded"])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "^hearth: .*BTF.*\n$")


if __name__ == "__main__":
    unittest.main()
