#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of `hearth serve`: options, environment, what refuses to start, signals, systemd, metrics."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402
from support.tool import HEARTH, NOBODY, hearth, run  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Refusals(unittest.TestCase):
    def refused(self, status, text, *arguments, **options):
        done = hearth("serve", *arguments, timeout=20, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("hearth"), done.stderr)
        self.assertIn(text, done.stderr)

    def test_bad_options_are_named(self):
        for arguments, text in ((["--bogus"], "--bogus"), (["extra"], "extra"), (["--listen"], "--listen"),
                                (["--listen", "nonsense"], "nonsense"), (["--listen", "::1:80"], "::1:80"),
                                (["--listen", "127.0.0.1:99999"], "99999"), (["--frequency", "0"], "--frequency"),
                                (["--frequency", "99x"], "99x"), (["--frequency", "10001"], "10001"),
                                (["--bpf-memory", "1M"], "--bpf-memory"), (["--bpf-memory", "lots"], "lots"),
                                (["--retention", "1s"], "--retention"), (["--data-dir", ""], "--data-dir"),
                                (["--insecure=perhaps"], "insecure")):
            with self.subTest(arguments=arguments):
                self.refused(2, text, *arguments)

    def test_a_bad_environment_is_named_as_such(self):
        self.refused(2, "HEARTH_FREQUENCY", env={**os.environ, "HEARTH_FREQUENCY": "many"})
        self.refused(2, "HEARTH_INSECURE", env={**os.environ, "HEARTH_INSECURE": "perhaps"})

    def test_other_addresses_want_insecure(self):
        for address in ("0.0.0.0:0", "[::]:0", ":0"):
            self.refused(2, "--insecure", "--listen", address)

    def test_a_port_in_use(self):
        with socket.socket() as s, tempfile.TemporaryDirectory() as data:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.refused(1, "in use", "--listen", "127.0.0.1:%d" % s.getsockname()[1], "--data-dir", data)

    def test_an_address_that_is_not_here(self):
        with tempfile.TemporaryDirectory() as data:
            self.refused(1, "192.0.2.1:80", "--listen", "192.0.2.1:80", "--insecure", "--data-dir", data)

    def test_an_unwritable_directory(self):
        self.refused(1, "--data-dir", "--data-dir", "/proc/hearth", "--listen", "127.0.0.1:0")
        with tempfile.NamedTemporaryFile() as file:
            self.refused(1, file.name, "--data-dir", file.name, "--listen", "127.0.0.1:0")

    def test_without_privileges(self):
        with tempfile.TemporaryDirectory() as data:
            os.chmod(data, 0o777)
            done = run([*NOBODY, HEARTH, "serve", "--listen", "127.0.0.1:0", "--data-dir", data])
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertRegex(done.stderr, "root|CAP_")

    def test_help(self):
        done = hearth("serve", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for flag in ("--listen", "--data-dir", "--frequency", "--bpf-memory", "--retention", "--insecure", "--no-sampling"):
            self.assertIn(flag, done.stdout)


class Settings(unittest.TestCase):
    def test_a_flag_goes_before_the_environment(self):
        environment = {**os.environ, "HEARTH_FREQUENCY": "49", "HEARTH_BPF_MEMORY": "32M"}
        with Daemon("--frequency", "199", env=environment) as d:
            status = d.get("/api/v1/status").json
        self.assertEqual(status["sampler"]["frequency_hz"], 199)
        self.assertEqual(status["budgets"]["bpf_memory"]["limit_bytes"], 32 << 20)

    def test_without_sampling_history_is_served_all_the_same(self):
        with Daemon("--no-sampling") as d:
            self.assertEqual(d.get("/readyz").status, 200)
            self.assertFalse(d.get("/api/v1/status").json["sampler"]["running"])
            self.assertEqual(d.get("/api/v1/query").json["total"], 0)
            self.assertEqual(d.get("/debug/pprof/profile", seconds=1).status, 503)
            self.assertEqual(d.get("/debug/pprof/profile", last="1m").status, 200)
            self.assertEqual(d.stop(), 0)

    def test_every_address_with_insecure_does_not_ask_for_names(self):
        with Daemon("--listen", "0.0.0.0:0", "--insecure") as d:
            self.assertEqual(d.request("/healthz", headers={"Host": "profiler.example"}).status, 200)
            self.assertIn("without authentication", d.log)

    def test_ipv6(self):
        with Daemon("--listen", "[::1]:0") as d:
            with socket.create_connection(("::1", d.port), timeout=5) as s:
                s.sendall(b"GET /healthz HTTP/1.0\r\nHost: [::1]\r\n\r\n")
                self.assertIn(b"200", s.recv(100))


class Life(unittest.TestCase):
    def test_the_first_query_after_the_start_has_stacks(self):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            with Daemon() as d:
                until = time.monotonic() + 10
                while "python" not in d.get("/api/v1/query", format="folded", **{"from": "now-1m"}).text:
                    self.assertLess(time.monotonic(), until)
        finally:
            busy.kill()
            busy.wait()

    def test_signals_end_it_cleanly_and_answer_who_waits(self):
        for by in (signal.SIGTERM, signal.SIGINT):
            d = Daemon()
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(d.get("/debug/pprof/profile", seconds=1000)))
                       for _ in range(5)]
            for t in threads:
                t.start()
            until = time.monotonic() + 5
            while d.metrics()["hearth_http_requests_waiting"] < 5 and time.monotonic() < until:
                time.sleep(0.02)
            start = time.monotonic()
            self.assertEqual(d.stop(by), 0, d.final_log)
            self.assertLess(time.monotonic() - start, 5)
            for t in threads:
                t.join(10)
            self.assertEqual([a.status for a in answers], [503] * 5)
            self.assertIn("stopping", answers[0].text)

    def test_the_port_is_free_at_once_afterwards(self):
        port = free_port()
        for _ in range(3):
            d = Daemon("--listen", f"127.0.0.1:{port}")
            d.get("/healthz")
            self.assertEqual(d.stop(), 0)

    def test_windows_close_and_are_kept(self):
        with Daemon() as d:
            time.sleep(11)
            before = d.get("/api/v1/status").json["store"]
            profile = d.get("/api/v1/query", min_share=0).json
            samples = d.metrics()
            self.assertGreaterEqual(before["windows"], 1)
            self.assertGreater(before["bytes"], 0)
            taken = samples['hearth_samples_total{mode="user"}'] + samples['hearth_samples_total{mode="kernel"}']
            self.assertGreater(profile["total"], 0.95 * taken - 50)
            self.assertLessEqual(profile["total"], taken)

    def test_systemd_is_told(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.bind(path)
                s.settimeout(10)
                d = Daemon(env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
                self.assertEqual(s.recv(100), b"READY=1")
                self.assertEqual(s.recv(100), b"WATCHDOG=1")
                self.assertEqual(d.stop(), 0)
                received = b""
                while b"STOPPING=1" not in received:
                    received += s.recv(100)

    def test_the_log_is_logfmt_and_priorities_under_journald(self):
        d = Daemon()
        d.stop()
        for line in d.final_log.splitlines():
            self.assertRegex(line, r'^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=\w+ msg=".*"$')
        read, write = os.pipe()
        with os.fdopen(read) as journal, tempfile.TemporaryDirectory() as data:
            st = os.fstat(write)
            process = subprocess.Popen([HEARTH, "serve", "--listen", "127.0.0.1:0", "--data-dir", data], stderr=write,
                                       env={**os.environ, "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
            os.close(write)
            self.assertRegex(journal.readline(), r'^<6>level=info msg="listening')
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(20), 0)


class Metrics(unittest.TestCase):
    """Prometheus text format 0.0.4, read by the rules of its documentation."""

    SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? '
                        r"(-?[0-9.e+-]+|NaN|[+-]Inf)$")

    @classmethod
    def setUpClass(cls):
        with Daemon() as d:
            d.get("/api/v1/query")
            d.get("/nowhere")
            time.sleep(1)
            answer = d.get("/metrics")
            cls.second = d.metrics()
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        cls.text = answer.text

    def families(self):
        found = {}
        current = None
        for line in self.text.splitlines():
            if line.startswith("# HELP "):
                _, _, current, text = line.split(" ", 3)
                self.assertNotIn(current, found, "a family comes twice")
                self.assertTrue(text)
                found[current] = {"samples": {}}
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertEqual(name, current)
                self.assertIn(kind, ("counter", "gauge", "histogram"))
                found[name]["type"] = kind
            else:
                match = self.SAMPLE.match(line)
                self.assertIsNotNone(match, line)
                name, labels, value = match.groups()
                base = re.sub(r"_(bucket|sum|count)$", "", name) if found[current]["type"] == "histogram" else name
                self.assertEqual(base, current, line)
                self.assertNotIn((name, labels), found[current]["samples"], line)
                found[current]["samples"][name, labels] = float(value)
        return found

    def test_the_format(self):
        self.assertTrue(self.text.endswith("\n"))
        for name, family in self.families().items():
            self.assertEqual(family["type"] == "counter", name.endswith("_total"), name)
            if family["type"] == "counter":
                self.assertTrue(all(v >= 0 for v in family["samples"].values()))

    def test_histograms_are_cumulative(self):
        samples = self.families()["hearth_http_request_duration_seconds"]["samples"]
        by_handler = {}
        for (name, labels), value in samples.items():
            handler = re.search(r'handler="([^"]*)"', labels).group(1)
            by_handler.setdefault(handler, {}).setdefault(name.rsplit("_", 1)[1], []).append(value)
        self.assertIn("query", by_handler)
        for parts in by_handler.values():
            self.assertEqual(parts["bucket"], sorted(parts["bucket"]))
            self.assertEqual(parts["bucket"][-1], parts["count"][0])

    def test_all_that_is_promised(self):
        families = self.families()
        for name in ("build_info", "samples_total", "samples_lost_total", "unwind_total", "stash_total",
                     "unwind_table_bytes", "bpf_map_bytes",
                     "symbolized_frames_total", "symbol_worker_total", "store_bytes", "store_oldest_timestamp_seconds",
                     "window_seconds", "http_requests_total", "http_request_duration_seconds", "self_cpu_seconds_total"):
            self.assertIn("hearth_" + name, families)
        for name in ("cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds",
                     "start_time_seconds"):
            self.assertIn("process_" + name, families)
        self.assertNotIn('pid="', self.text)
        self.assertIn('hearth_http_requests_total{handler="unknown",code="404"} 1', self.text)

    def test_values_are_plausible(self):
        start = self.second["process_start_time_seconds"]
        self.assertLess(abs(time.time() - start), 120)
        self.assertGreater(self.second["process_resident_memory_bytes"], 1 << 20)
        self.assertGreater(self.second["hearth_self_cpu_seconds_total"], 0)
        self.assertEqual(self.second["hearth_window_seconds"], 10)


if __name__ == "__main__":
    unittest.main()
