#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hearth query`, and queries that are stopped: by their limits, or because nobody waits any more."""
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402
from support.tool import hearth  # noqa: E402


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            cls.daemon = Daemon()
        except BaseException:
            cls.busy.kill()
            raise
        cls.server = f"http://127.0.0.1:{cls.daemon.port}"
        time.sleep(1.5)

    @classmethod
    def tearDownClass(cls):
        cls.busy.kill()
        cls.busy.wait()
        cls.daemon.stop()

    def query(self, *arguments, **options):
        return hearth("query", "--server", self.server, *arguments, **options)

    def test_the_answer_is_the_servers(self):
        start, to = self.daemon.started, time.time() - 0.5
        done = self.query("--from", repr(start), "--to", repr(to), "--format", "folded", '{comm=~"python.*"}')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        served = self.daemon.get("/api/v1/query", query='{comm=~"python.*"}', format="folded", to=repr(to), **{"from": repr(start)})
        self.assertEqual(sorted(done.stdout.splitlines()), sorted(served.text.splitlines()))
        self.assertIn("python", done.stdout)

    def test_each_format(self):
        with tempfile.TemporaryDirectory() as directory:
            for name, check in (("a.pb.gz", lambda b: gzip.decompress(b)[:1]), ("a.html", lambda b: b.index(b"<!doctype html")
                                if b[:1] == b"<" else b.index(b"<html")), ("a.speedscope.json", json.loads), ("a.top.json", json.loads),
                                ("a.folded", lambda b: b.index(b"python"))):
                path = f"{directory}/{name}"
                done = self.query("-o", path)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), name)
                with open(path, "rb") as f:
                    check(f.read())
            done = self.query(cwd=directory)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(sorted(os.listdir(directory))[-1], "hearth.pb.gz")
            raw = subprocess.run(["go", "tool", "pprof", "-raw", directory + "/hearth.pb.gz"], capture_output=True, text=True, check=False,
                                 env={**os.environ, "HOME": directory})
            self.assertIn("samples/count cpu/nanoseconds", raw.stdout, raw.stderr)

    def test_the_servers_refusal_is_told(self):
        done = self.query("-o", "-", "--format", "folded", "{comm=")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("answers 400: ", done.stderr)
        done = self.query("-o", "-", "--format", "folded", "--from", "never")
        self.assertIn("bad time 'never'", done.stderr)

    def test_a_failure_leaves_no_file(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(self.query("-o", directory + "/out.folded", "{").returncode, 1)
            self.assertEqual(os.listdir(directory), [])

    def test_nobody_there(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            done = hearth("query", "--server", f"http://127.0.0.1:{s.getsockname()[1]}", "-o", "-", "--format", "top")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1))
        self.assertIn("hearth serve", done.stderr)
        self.assertEqual(hearth("query", "--server", "file:///etc", "-o", "-", "--format", "top").returncode, 1)

    def test_the_environment_names_the_server(self):
        done = hearth("query", "--format", "top", env={**os.environ, "HEARTH_SERVER": self.server + "/"})
        self.assertEqual(done.returncode, 0, done.stderr)
        json.loads(done.stdout)

    def test_wrong_command_lines(self):
        for arguments in (["--bogus"], ["--format", "svg"], ["a", "b"], ["--server"]):
            done = hearth("query", *arguments)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), arguments)


class Limits(unittest.TestCase):
    def test_a_query_beyond_its_memory_is_refused(self):
        with Daemon("--query-memory", "64K") as d:
            time.sleep(1)
            answer = d.get("/api/v1/query", labels="*", **{"from": "now-1m"})
            self.assertEqual(answer.status, 400)
            self.assertIn("--query-memory", answer.json["error"])
            self.assertGreater(d.metrics()['hearth_queries_stopped_total{reason="memory"}'], 0)
            self.assertEqual(d.get("/healthz").status, 200)

    def test_a_query_beyond_its_time_is_refused(self):
        with Daemon("--query-timeout", "1ms") as d:
            until = time.monotonic() + 20
            while True:
                answer = d.get("/debug/pprof/profile", last="1m")  # waits for a snapshot, which takes longer
                if answer.status == 503:
                    break
                self.assertLess(time.monotonic(), until)
            self.assertIn("--query-timeout", answer.text)
            self.assertGreater(d.metrics()['hearth_queries_stopped_total{reason="time"}'], 0)

    def test_clients_that_go_leave_nothing_behind(self):
        with Daemon() as d:
            time.sleep(1)
            before = d.metrics()["process_open_fds"]
            for _ in range(200):
                with socket.create_connection(("127.0.0.1", d.port)) as s:
                    s.sendall(b"GET /api/v1/query?from=now-1h&format=html HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until = time.monotonic() + 20
            while d.metrics()["hearth_http_queries_active"] > 0:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.1)
            self.assertEqual(d.get("/api/v1/query").status, 200)
            while d.metrics()["process_open_fds"] > before + 50:  # binaries that are seen are held open, too
                self.assertLess(time.monotonic(), until)
                time.sleep(0.1)


if __name__ == "__main__":
    unittest.main()
