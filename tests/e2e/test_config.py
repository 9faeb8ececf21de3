#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The configuration of `hearth serve`: the YAML file, what it is refused for, what SIGHUP changes while it runs."""
import os
import re
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402
from support.tool import ROOT, hearth  # noqa: E402


class File:
    """A configuration file for the time of a test."""

    def __init__(self, text=""):
        self.directory = tempfile.TemporaryDirectory()
        self.path = self.directory.name + "/hearth.yaml"
        self.write(text)

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()


class Checking(unittest.TestCase):
    def test_a_good_file_is_called_ok(self):
        with File("frequency: 19\nlabels:\n  env: prod\n") as f:
            done = hearth("serve", "--config", f.path, "--check-config")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{f.path}: ok\n", ""))

    def test_an_unknown_key_is_refused_with_its_line(self):
        for action in ((), ("--check-config",), ("--print-config",)):
            with File("frequency: 19\n\nfrequenci: 20\n") as f:
                done = hearth("serve", "--config", f.path, *action, timeout=20)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertIn(f"{f.path}:3: unknown key 'frequenci'; did you mean 'frequency'?", done.stderr)

    def test_a_bad_value_is_refused_with_its_line(self):
        with File("listen: 127.0.0.1:0\nretention: 1s\n") as f:
            done = hearth("serve", "--config", f.path, timeout=20)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"'retention' in {f.path}:2", done.stderr)

    def test_a_file_that_is_not_there(self):
        done = hearth("serve", "--config", "/nonexistent.yaml", timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "hearth: cannot read '/nonexistent.yaml': No such file or directory\n")

    def test_every_flag_is_a_key_and_a_variable(self):
        usage = hearth("serve", "--help").stdout
        rows = re.findall(r"^  --([a-z-]+)(?: \S+)? .*?(?:\(default ([^ ,)]+)\))?$", usage, re.M)
        self.assertGreater(len(rows), 12)
        for name, default in rows:
            if not default or name == "config":
                continue
            with self.subTest(name), File(f'{name}: "{default}"\n') as f:
                self.assertEqual(hearth("serve", "--config", f.path, "--check-config").returncode, 0)
                variable = "HEARTH_" + name.upper().replace("-", "_")
                done = hearth("serve", "--config", f.path, "--print-config", env={**os.environ, variable: default})
                self.assertRegex(done.stdout, rf"(?m)^{name}: .*# {variable}$")

    def test_print_says_where_each_value_comes_from(self):
        with File("frequency: 19\ndisk: 1G\n") as f:
            done = hearth("serve", "--config", f.path, "--disk", "3G", "--print-config",
                          env={**os.environ, "HEARTH_RETENTION": "1h"})
            self.assertIn('frequency: "19"  # line 1 of the file\n', done.stdout)
            self.assertIn('disk: "3G"  # --disk\n', done.stdout)
            self.assertIn('retention: "1h"  # HEARTH_RETENTION\n', done.stdout)
            self.assertIn('listen: "127.0.0.1:7979"  # default\n', done.stdout)

    def test_the_example_names_every_option_and_is_right(self):
        path = os.path.join(ROOT, "deploy", "hearth.yaml")
        self.assertEqual(hearth("serve", "--config", path, "--check-config").returncode, 0)
        with open(path, encoding="utf-8") as f:
            example = f.read()
        printed = hearth("serve", "--config", path, "--print-config", "--retention", "1h", "--label", "a=b").stdout
        keys = re.findall(r"^([a-z-]+):", printed, re.M)
        self.assertGreater(len(keys), 12)
        self.assertEqual([k for k in keys if not re.search(rf"(?m)^#?{k}:", example)], [])
        # Uncommented, it is right as well.
        with File(re.sub(r"(?m)^#(?=[a-z-]+:|  [a-z]+:)", "", example)) as f:
            done = hearth("serve", "--config", f.path, "--check-config")
            self.assertEqual((done.returncode, done.stderr), (0, ""))


class Running(unittest.TestCase):
    def test_the_file_counts(self):
        with File("frequency: 49\nbpf-memory: 32M\n") as f, Daemon("--config", f.path) as d:
            status = d.get("/api/v1/status").json
            self.assertEqual(status["sampler"]["frequency_hz"], 49)
            self.assertEqual(status["budgets"]["bpf_memory"]["limit_bytes"], 32 << 20)
            self.assertEqual(status["queries"]["limit_bytes"], 256 << 20)
            ends = status["sampler"]["unwinding"]["ends"]
            metrics = d.metrics()
            self.assertGreater(len(ends), 5)
            self.assertEqual([e for e in ends if f'hearth_unwind_ends_total{{end="{e}"}}' not in metrics], [])
            self.assertLessEqual({"sent", "limited", "lost"}, set(status["sampler"]["unwinding"]["stash"]))

    def wait_for_log(self, d, text):
        until = time.monotonic() + 10
        while text not in d.log:
            self.assertLess(time.monotonic(), until, d.log)
            time.sleep(0.02)

    def values(self, d, label):
        return d.get(f"/api/v1/label/{label}/values").json["values"]

    def test_static_labels_and_the_host_are_on_every_sample(self):
        with File("labels:\n  env: prod\n  rack: \"a b\"\n") as f, Daemon("--config", f.path, "--label", "env=test") as d:
            time.sleep(1)
            everything = d.get("/api/v1/query", min_share=0).json["total"]
            self.assertGreater(everything, 0)
            self.assertEqual(self.values(d, "env"), ["test"])
            self.assertEqual(self.values(d, "host"), [os.uname().nodename])
            selected = d.get("/api/v1/query", min_share=0, query='{env="test",rack="a b"}').json["total"]
            self.assertGreaterEqual(selected, everything)
            self.assertEqual(d.get("/api/v1/query", query='{env="prod"}').json["total"], 0)

    def test_hangup_reloads_what_is_safe_and_says_what_is_not(self):
        with File("labels:\n  env: one\nquery-range: 1s\n") as f, Daemon("--config", f.path) as d:
            time.sleep(1.2)
            self.assertEqual(d.get("/api/v1/query", **{"from": "now-2h"}).status, 400)
            f.write("labels:\n  env: two\nquery-range: 3h\nfrequency: 49\n")
            d.process.send_signal(signal.SIGHUP)
            self.wait_for_log(d, "configuration reloaded")
            self.assertIn("'query-range' was changed and is in force", d.log)
            self.assertIn("'label' was changed and is in force", d.log)
            self.assertIn("'frequency' was changed and takes effect with the next start", d.log)
            self.assertEqual(d.get("/api/v1/query", **{"from": "now-2h"}).status, 200)
            self.assertEqual(d.get("/api/v1/status").json["sampler"]["frequency_hz"], 99)
            until = time.monotonic() + 25
            while "two" not in self.values(d, "env"):
                self.assertLess(time.monotonic(), until, "the next window has the new label")
                time.sleep(0.5)
            self.assertEqual(d.stop(), 0)

    def test_a_wrong_file_changes_nothing(self):
        with File("query-range: 1s\n") as f, Daemon("--config", f.path, "--no-sampling") as d:
            time.sleep(1.2)
            f.write("query-range: 3h\nbogus: 1\n")
            d.process.send_signal(signal.SIGHUP)
            self.wait_for_log(d, "unknown key 'bogus'")
            self.assertIn(":2:", d.log)
            self.assertIn("the old one stays in force", d.log)
            self.assertEqual(d.get("/api/v1/query", **{"from": "now-2h"}).status, 400)
            f.write("query-range: 3h\n")
            d.process.send_signal(signal.SIGHUP)
            self.wait_for_log(d, "configuration reloaded")
            self.assertEqual(d.get("/api/v1/query", **{"from": "now-2h"}).status, 200)

    def test_many_hangups_end_well(self):
        with File("log-level: info\n") as f, Daemon("--config", f.path) as d:
            for i in range(50):
                f.write(f"labels:\n  n: {i}\n")
                d.process.send_signal(signal.SIGHUP)
                time.sleep(0.01)
            self.assertEqual(d.get("/healthz").status, 200)
            self.assertEqual(d.stop(), 0, d.final_log)

    def test_the_log_level(self):
        with File("log-level: error\n") as f:
            d = Daemon("--config", f.path, "--log-level", "info")  # the port is read from the log
            f.write("log-level: error\n")
            d.stop()
            self.assertIn("stopping on SIGTERM", d.final_log)


if __name__ == "__main__":
    unittest.main()
