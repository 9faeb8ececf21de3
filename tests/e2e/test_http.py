#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of `hearth serve`: every route, every error, and clients that behave badly."""
import gzip
import json
import os
import re
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402

daemon = None


def setUpModule():
    global daemon
    daemon = Daemon()
    until = time.monotonic() + 5
    while time.monotonic() < until and not daemon.get("/api/v1/query").json["total"]:
        busy = time.monotonic() + 0.2
        while time.monotonic() < busy:
            pass


def tearDownModule():
    status = daemon.stop()
    assert status == 0, f"exit status {status}: {daemon.final_log}"


def raw(data, timeout=10, shutdown=False):
    """Send bytes, return all that comes back."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout) as s:
        received = b""
        try:
            s.sendall(data)
            if shutdown:
                s.shutdown(socket.SHUT_WR)
            while chunk := s.recv(65536):
                received += chunk
        except OSError:
            pass  # it hung up on us, or keeps the connection
        return received


class Routes(unittest.TestCase):
    def test_the_page_is_html_with_a_strict_policy(self):
        page = daemon.get("/")
        self.assertEqual(page.status, 200)
        self.assertTrue(page.headers["content-type"].startswith("text/html"))
        policy = page.headers["content-security-policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(page.headers["x-content-type-options"], "nosniff")
        self.assertEqual(page.headers["referrer-policy"], "no-referrer")
        self.assertIn("<html", page.text)

    def test_the_page_takes_its_state_in_the_query_string(self):
        self.assertEqual(daemon.get("/", view="table", anything="goes").status, 200)

    def test_assets_are_immutable_compressed_and_revalidate(self):
        paths = re.findall(r'(?:src|href)="(/[^"/?]+)"', daemon.get("/").text)
        self.assertGreaterEqual(len(paths), 2)
        for path in paths:
            plain = daemon.request(path)
            packed = daemon.request(path, headers={"Accept-Encoding": "gzip"})
            self.assertEqual((plain.status, packed.status), (200, 200))
            self.assertNotIn("content-encoding", plain.headers)
            self.assertEqual(packed.headers["content-encoding"], "gzip")
            self.assertEqual(gzip.decompress(packed.body), plain.body)
            self.assertIn("Accept-Encoding", packed.headers["vary"])
            if re.search(r"-[0-9a-f]{8,}\.", path):
                self.assertIn("immutable", plain.headers["cache-control"])
            again = daemon.request(path, headers={"If-None-Match": plain.headers["etag"]})
            self.assertEqual((again.status, again.body), (304, b""))

    def test_probes(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual((daemon.get(path).status, daemon.get(path).text), (200, "ok\n"))

    def test_head_gives_the_headers_of_get(self):
        for path in ("/", "/healthz", "/metrics", "/api/v1/status", "/api/v1/query?from=now-1s", "/nowhere",
                     "/debug/pprof/"):
            get, head = daemon.request(path), daemon.request(path, "HEAD")
            self.assertEqual(head.status, get.status, path)
            self.assertEqual(head.headers["content-type"], get.headers["content-type"], path)
            self.assertEqual(head.body, b"")

    def test_status_names_sampler_budgets_and_store(self):
        status = daemon.get("/api/v1/status").json
        self.assertTrue(status["sampler"]["running"])
        self.assertEqual(status["sampler"]["frequency_hz"], 99)
        self.assertEqual(status["sampler"]["sampled_cpus"], len(os.sched_getaffinity(0)))
        self.assertEqual(status["store"]["type"], "sqlite")
        self.assertGreater(status["budgets"]["bpf_memory"]["bytes"], 0)
        self.assertLess(status["budgets"]["bpf_memory"]["bytes"], status["budgets"]["bpf_memory"]["limit_bytes"])

    def test_pprof_side_routes(self):
        index = daemon.get("/debug/pprof/")
        self.assertTrue(index.headers["content-type"].startswith("text/html"))
        self.assertIn("profile", index.text)
        argv = daemon.get("/debug/pprof/cmdline").body.split(b"\0")
        self.assertIn(b"serve", argv)
        for method in ("GET", "POST"):
            symbol = daemon.request("/debug/pprof/symbol", method, body="0x1234" if method == "POST" else None)
            self.assertEqual((symbol.status, symbol.text), (200, "num_symbols: 0\n"))

    def test_json_is_compressed_for_who_asks(self):
        plain = daemon.request("/api/v1/query")
        packed = daemon.request("/api/v1/query", headers={"Accept-Encoding": "br, gzip;q=0.5"})
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        json.loads(gzip.decompress(packed.body))
        refused = daemon.request("/api/v1/query", headers={"Accept-Encoding": "gzip;q=0"})
        self.assertNotIn("content-encoding", refused.headers)

    def test_labels_and_values(self):
        names = daemon.get("/api/v1/labels").json
        self.assertIn("comm", names["labels"])
        self.assertIn("pid", names["labels"])
        values = daemon.get("/api/v1/label/comm/values").json
        self.assertEqual(values["label"], "comm")
        self.assertEqual(values["values"], sorted(values["values"]))
        self.assertEqual(len(values["values"]), len(values["samples"]))
        one = daemon.get("/api/v1/label/comm/values", query='{comm="%s"}' % values["values"][0]).json
        self.assertEqual(one["values"], values["values"][:1])
        self.assertEqual(daemon.get("/api/v1/label/nothing/values").json["values"], [])

    def test_series_add_up_to_the_profile(self):
        end = time.time()
        time.sleep(0.3)  # queries that end in the last 0.2 s may share an older snapshot
        series = daemon.get("/api/v1/timeseries", by="comm", **{"from": end - 5, "to": end}, step=1, limit=1000).json
        profile = daemon.get("/api/v1/query", **{"from": end - 5, "to": end}).json
        seconds = sum(s["cpu_seconds"] for s in series["series"])
        self.assertAlmostEqual(seconds, profile["total"] * profile["period_ns"] / 1e9, places=3)
        self.assertTrue(all(len(s["cores"]) == 5 for s in series["series"]))
        alone = daemon.get("/api/v1/timeseries", **{"from": end - 5, "to": end}, step=1).json
        self.assertEqual(len(alone["series"]), 1)

    def test_series_say_null_where_nothing_was_sampled(self):
        series = daemon.get("/api/v1/timeseries", **{"from": "now-30m"}, step="1m").json["series"]
        self.assertIsNone(series[0]["cores"][0])
        self.assertIsNotNone(series[0]["cores"][-1])

    def test_beyond_the_limit_is_other(self):
        end = time.time()
        time.sleep(0.3)
        span = {"from": end - 5, "to": end}
        whole = daemon.get("/api/v1/timeseries", by="tid", step=5, **span, limit=1000).json
        cut = daemon.get("/api/v1/timeseries", by="tid", step=5, **span, limit=1).json
        self.assertEqual(len(cut["series"]), 1)
        if len(whole["series"]) > 1:
            self.assertEqual(cut["other"]["series"], len(whole["series"]) - 1)
            total = sum(s["cores"][0] for s in whole["series"])
            self.assertAlmostEqual(cut["series"][0]["cores"][0] + cut["other"]["cores"][0], total, places=3)

    def test_the_heatmap_holds_every_sample_once(self):
        end = time.time()
        time.sleep(0.3)
        heat = daemon.get("/api/v1/heatmap", **{"from": int(end) - 3, "to": int(end)}).json
        profile = daemon.get("/api/v1/query", **{"from": int(end) - 3, "to": int(end)}).json
        self.assertEqual((heat["rows"], heat["columns"], len(heat["counts"])), (50, 3, 150))
        self.assertEqual(sum(c or 0 for c in heat["counts"]), profile["total"])

    def test_a_difference_has_both_sides(self):
        end = time.time()
        diff = daemon.get("/api/v1/diff", **{"from": end - 1, "to": end, "base_from": end - 2, "base_to": end - 1}).json
        nodes = diff["nodes"]
        self.assertEqual(nodes["total"][0], diff["total"])
        self.assertEqual(nodes["base_total"][0], diff["base"]["total"])
        self.assertEqual(len(nodes["base_self"]), len(nodes["self"]))


class Errors(unittest.TestCase):
    TABLE = [
        ("/nowhere", 404, "no '/nowhere'"),
        ("/api/v1/nowhere", 404, ""),
        ("/%00", 404, "no '/%00'"),
        ("/healthz%00", 404, "no '/healthz%00'"),
        ("/api/v1/label//values", 404, ""),
        ("/api/v1/label/a/b/values", 404, ""),
        ("/api/v1/label/a%22b/values", 400, "bad label name"),
        ("/api/v1/query?query={", 400, "position 2"),
        ("/api/v1/query?query=memory", 400, "unknown profile type 'memory'"),
        ("/api/v1/query?query={comm=~%22(%22}", 400, "bad regular expression"),
        ("/api/v1/query?from=yesterday", 400, "bad time 'yesterday' in 'from'"),
        ("/api/v1/query?to=12x", 400, "bad time '12x' in 'to'"),
        ("/api/v1/query?from=now&to=now-1m", 400, "time range is empty"),
        ("/api/v1/query?from=now&to=now", 400, "time range is empty"),
        ("/api/v1/query?format=xml", 400, "unknown format 'xml'"),
        ("/api/v1/query?formt=top", 400, "unknown parameter 'formt'"),
        ("/api/v1/query?from=now-1m&from=now-2m", 400, "given twice"),
        ("/api/v1/query?min_share=2", 400, "bad min_share"),
        ("/api/v1/query?min_share=nan", 400, "bad min_share"),
        ("/api/v1/query?limit=-1", 400, "bad limit"),
        ("/api/v1/query?path=nowhere", 404, "no such path"),
        ("/api/v1/query?labels=a,,b", 400, "bad labels"),
        ("/api/v1/query?query=%00", 400, "NUL"),
        ("/api/v1/query?" + "&".join(f"a{i}=1" for i in range(80)), 400, ""),
        ("/api/v1/timeseries?step=0", 400, "bad step"),
        ("/api/v1/timeseries?step=1ms", 400, "more than 11000 steps"),
        ("/api/v1/timeseries?by=a-b", 400, "bad label name"),
        ("/api/v1/heatmap?from=now-2d", 400, "more than an hour"),
        ("/api/v1/diff?base_from=x", 400, "bad time 'x' in 'base_from'"),
        ("/metrics?x=1", 400, "takes no parameters"),
        ("/debug/pprof/profile?seconds=abc", 400, "bad seconds 'abc'"),
        ("/debug/pprof/profile?seconds=0", 400, "bad seconds '0'"),
        ("/debug/pprof/profile?seconds=-1", 400, "bad seconds '-1'"),
        ("/debug/pprof/profile?seconds=99999999999999999999", 400, "bad seconds"),
        ("/debug/pprof/profile?last=abc", 400, "bad last 'abc'"),
        ("/debug/pprof/profile?last=0s", 400, "bad last"),
        ("/debug/pprof/profile?last=1m&seconds=1", 400, "one or the other"),
        ("/debug/pprof/profile?last=1m&from=now-1m", 400, "does not go with"),
        ("/debug/pprof/profile?query={x}&last=1m", 400, "position 3"),
        ("/debug/pprof/heap", 404, "/debug/pprof/heap"),
    ]

    def test_every_error_is_one_line_with_its_status(self):
        for path, status, text in self.TABLE:
            with self.subTest(path=path[:80]):
                answer = daemon.request(path)
                self.assertEqual(answer.status, status, answer.body)
                if path.startswith("/debug/pprof/"):
                    self.assertTrue(answer.headers["content-type"].startswith("text/plain"))
                    self.assertEqual(answer.headers["x-go-pprof"], "1")
                    self.assertEqual(answer.text.count("\n"), 1)
                    message = answer.text
                else:
                    self.assertTrue(answer.headers["content-type"].startswith("application/json"))
                    self.assertEqual(list(answer.json), ["error"])
                    message = answer.json["error"]
                self.assertIn(text, message)

    def test_other_methods_say_which_are_allowed(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            for path in ("/", "/metrics", "/api/v1/query", "/debug/pprof/profile"):
                answer = daemon.request(path, method, body="x" if method in ("POST", "PUT") else None)
                self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"), (method, path))
        self.assertEqual(daemon.request("/debug/pprof/symbol", "PUT").headers["allow"], "GET, HEAD, POST")

    def test_names_in_errors_are_data_not_markup(self):
        answer = daemon.request("/%3Cscript%3Ealert(1)%3C/script%3E")
        self.assertEqual(answer.status, 404)
        self.assertNotIn(b"<script>", answer.body)
        self.assertIn("<script>", answer.json["error"])

    def test_a_foreign_name_of_this_host_is_refused(self):
        port = daemon.port
        for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST"):
            self.assertEqual(daemon.request("/healthz", headers={"Host": host}).status, 200, host)
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
                     "localhost:1:2", "localhost:x", "[::1", "::1", "", "10.0.0.1"):
            self.assertIn(daemon.request("/healthz", headers={"Host": host}).status, (400, 403), host)

    def test_a_large_body_is_refused(self):
        self.assertEqual(daemon.request("/debug/pprof/symbol", "POST", body=b"x" * 100_000).status, 413)
        answer = raw(b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        self.assertIn(b" 413 ", answer.split(b"\r\n")[0])

    def test_a_long_url_is_refused(self):
        answer = daemon.request("/api/v1/query?query=" + "a" * 20_000)
        self.assertIn(answer.status, (400, 413, 414, 431))
        self.assertIn(daemon.request("/api/v1/query?query=" + "a" * 200_000).status, (400, 413, 414, 431))


class BadClients(unittest.TestCase):
    def tearDown(self):
        self.assertEqual(daemon.get("/healthz").status, 200)

    def test_malformed_requests_do_no_harm(self):
        for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100,
                     b"\xff\xfe" * 50, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
                     b"GET /%zz%%% HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                     b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                     b"Content-Length: 6\r\n\r\n",
                     b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            with self.subTest(data=data[:40]):
                answer = raw(data, timeout=3, shutdown=True)
                self.assertNotIn(b"root:", answer)
                self.assertTrue(not answer or answer.startswith(b"HTTP/1."), answer[:80])

    def test_half_a_request_does_not_hold_a_thread(self):
        sockets = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(50)]
        try:
            for s in sockets:
                s.sendall(b"GET /api/v1/query HTTP/1.1\r\nHost: loc")
            start = time.monotonic()
            self.assertEqual(daemon.get("/healthz").status, 200)
            self.assertLess(time.monotonic() - start, 2)
        finally:
            for s in sockets:
                s.close()

    def test_a_slow_reader_does_not_hold_others(self):
        sockets = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(20)]
        try:
            for s in sockets:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                s.sendall(b"GET /api/v1/query?min_share=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            start = time.monotonic()
            self.assertEqual(daemon.get("/api/v1/status").status, 200)
            self.assertLess(time.monotonic() - start, 2)
        finally:
            for s in sockets:
                s.close()

    def test_pipelined_requests_are_answered_in_order(self):
        one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        two = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = raw(one + two)
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200", b"404"])

    def test_clients_that_leave_free_their_place(self):
        request = b"GET /debug/pprof/profile?seconds=3000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        sockets = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(10)]
        for s in sockets:
            s.sendall(request)
        self.wait_for_waiters(10)
        for s in sockets:
            s.close()
        self.wait_for_waiters(0)

    def wait_for_waiters(self, count):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if daemon.metrics()["hearth_http_requests_waiting"] == count:
                return
            time.sleep(0.05)
        self.fail(f"{daemon.metrics()['hearth_http_requests_waiting']} requests wait, not {count}")

    def test_too_many_waiters_are_turned_away(self):
        request = b"GET /debug/pprof/profile?seconds=3000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        sockets = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(64)]
        try:
            for s in sockets:
                s.sendall(request)
            self.wait_for_waiters(64)
            refused = daemon.get("/debug/pprof/profile", seconds=3000)
            self.assertEqual(refused.status, 429)
            self.assertIn("retry-after", refused.headers)
            self.assertEqual(refused.headers["x-go-pprof"], "1")
        finally:
            for s in sockets:
                s.close()
        self.wait_for_waiters(0)

    def test_many_queries_at_once_are_answered_or_turned_away(self):
        answers = []

        def ask():
            answers.append(daemon.get("/api/v1/query", format="folded").status)

        threads = [threading.Thread(target=ask) for _ in range(120)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(answers), 120)
        self.assertTrue(set(answers) <= {200, 503}, set(answers))
        self.assertGreater(answers.count(200), 10)


if __name__ == "__main__":
    unittest.main()
