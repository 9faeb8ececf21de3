# SPDX-License-Identifier: Apache-2.0
"""A hub takes in what an independent producer sends, shows it, and refuses what is none."""
import gzip
import os
import shutil
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import otlp  # noqa: E402
from support.daemon import Daemon  # noqa: E402

PB = {"Content-Type": "application/x-protobuf"}
PATH = "/v1development/profiles"
NS = 1_000_000_000


def batch(host, start_ns, comm="worker", count=5, profile_id=None, leaf="hot"):
    """One profile: @count samples with their times in leaf <- inlined <- main, and a kernel frame that has its own name."""
    d = otlp.Dictionary()
    app = d.mapping("/opt/app", "00112233445566778899aabbccddeeff00112233")
    stack = d.stack(d.location(0, 0xffffffff81000000, "do_read", kind="kernel"), d.location(app, 0x1000, leaf, "inlined_into"),
                    d.location(app, 0x2000, "main"))
    link = d.add("link_table", {"trace_id": "AAAAAAAAAAAAAAAAAAAAAQ==", "span_id": "AAAAAAAAAAE="})
    sample = {"stack_index": stack, "link_index": link, "future": "77",
              "attribute_indices": [d.attribute("process.executable.name", {"string_value": comm}),
                                    d.attribute("process.pid", {"int_value": "42"}),
                                    d.attribute("deployment.environment", {"string_value": "test"}),
                                    d.attribute("list", {"array_value": {"values": [{"array_value": {"values": []}}]}})],
              "timestamps_unix_nano": [str(start_ns + i * 1_000_000) for i in range(count)]}
    made = otlp.request(d, otlp.resource({"host.name": host, "service.name": "shop", "process.command_line": "--password=secret"},
                                         otlp.profile(d, [sample], start_ns, profile_id=profile_id)))
    made["future"] = "a field of a version to come"
    return otlp.encode(made)


class Hub(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Daemon("--hub", "--no-sampling", "--hub-rate", "1G")
        cls.start = (time.time_ns() // NS - 60) * NS

    @classmethod
    def tearDownClass(cls):
        cls.hub.stop()

    def send(self, body, expected=200, **headers):
        answer = self.hub.request(PATH, "POST", {**PB, **{k.replace("_", "-"): v for k, v in headers.items()}}, body)
        self.assertEqual(answer.status, expected, answer.body[:300])
        return answer

    def folded(self, selector):
        answer = self.hub.get("/api/v1/query", query=selector, format="folded")
        self.assertEqual(answer.status, 200, answer.body)
        return dict(line.rsplit(" ", 1) for line in answer.text.splitlines())

    def test_hosts_are_told_apart_and_shown_together(self):
        for host, count in (("a", 5), ("b", 7)):
            answer = self.send(gzip.compress(batch(host, self.start, count=count)), Content_Encoding="gzip")
            self.assertEqual(answer.headers["content-type"], "application/x-protobuf")
            self.assertFalse(otlp.response(answer.body).get("partial_success"))
        self.assertEqual(self.folded('cpu{host="a"}'), {"worker;main;inlined_into;hot;do_read_[k]": "5"})
        self.assertEqual(self.folded('cpu{host=~"a|b"}'), {"worker;main;inlined_into;hot;do_read_[k]": "12"})
        self.assertLessEqual({"a", "b"}, set(self.hub.get("/api/v1/label/host/values").json["values"]))
        names = set(self.hub.get("/api/v1/labels").json["labels"])
        self.assertLessEqual({"host", "comm", "pid", "service_name", "deployment_environment"}, names)
        self.assertFalse({n for n in names if "command" in n})
        series = self.hub.get("/api/v1/timeseries", query='cpu{host=~"a|b"}', by="host").json["series"]
        self.assertEqual(len(series), 2)

    def test_what_comes_twice_counts_once(self):
        first = batch("twice", self.start, count=3)
        other = batch("twice", self.start, count=4, profile_id=b"0123456789abcdef")
        for _ in range(3):
            self.send(first)
            self.send(other)
            self.send(gzip.compress(other, 1), Content_Encoding="gzip")
        self.assertEqual(sum(map(int, self.folded('cpu{host="twice"}').values())), 7)
        self.assertGreaterEqual(self.hub.metrics()['hearth_hub_profiles_total{result="repeated"}'], 7)

    def test_late_batches_find_their_place(self):
        for minutes in (0, 5, 2, 9, 1):
            self.send(batch("late", self.start - minutes * 60 * NS, count=minutes + 1))
        self.assertEqual(sum(map(int, self.folded('cpu{host="late"}').values())), 22)
        answer = self.hub.get("/api/v1/query", query='cpu{host="late"}', format="folded",
                              **{"from": self.start // NS - 5 * 60, "to": self.start // NS - 60})
        self.assertEqual(answer.text.split()[-1], str(6 + 3))

    def test_malformed_batches_are_refused(self):
        good = batch("bad", self.start)
        self.send(b"\xff" * 100, 400)
        self.send(good[:-7], 400)
        self.send(gzip.compress(good)[:-9], 400, Content_Encoding="gzip")
        self.send(good, 400, Content_Encoding="gzip")
        self.send(good, 415, Content_Encoding="zstd")
        self.send(good, 415, Content_Type="application/json")
        d = otlp.Dictionary()
        wild = otlp.request(d, otlp.resource({}, otlp.profile(d, [{"stack_index": 9, "values": ["1"]}], self.start)))
        answer = self.send(otlp.encode(wild), 400)
        self.assertIn("stack index 9 is out of range", answer.json["error"])
        self.assertEqual(self.folded('cpu{host="bad"}'), {})

    def test_bombs_and_giants_are_refused(self):
        self.send(gzip.compress(b"\0" * (65 << 20), 9), 413, Content_Encoding="gzip")
        self.send(gzip.compress(b"\x12\x00" * (32 << 20), 9), 413, Content_Encoding="gzip")  # a small message each
        answer = self.hub.request(PATH, "POST", {**PB, "Content-Length": str(17 << 20)}, b"", timeout=20)
        self.assertEqual(answer.status, 413)
        self.assertEqual(self.hub.get("/healthz").status, 200)

    def test_other_kinds_of_profiles_are_named_and_rejected(self):
        d = otlp.Dictionary()
        made = otlp.profile(d, [{"values": ["1"]}], self.start)
        made["sample_type"]["type_strindex"] = d.string("alloc_space")
        answer = otlp.response(self.send(otlp.encode(otlp.request(d, otlp.resource({}, made)))).body)
        self.assertEqual(answer["partial_success"]["rejected_profiles"], "1")
        self.assertIn("alloc_space", answer["partial_success"]["error_message"])

    def test_a_host_without_a_name_is_its_address(self):
        d = otlp.Dictionary()
        sample = {"stack_index": d.stack(d.location(0, 0, "anonymous")), "values": ["3"]}
        self.send(otlp.encode(otlp.request(d, otlp.resource({}, otlp.profile(d, [sample], self.start)))))
        self.assertEqual(sum(map(int, self.folded('cpu{host="127.0.0.1"}').values())), 3)


class Alone(unittest.TestCase):
    def test_only_a_hub_takes_in(self):
        with Daemon("--no-sampling", "--store", "memory") as server:
            answer = server.request(PATH, "POST", PB, b"")
            self.assertEqual(answer.status, 404)
            self.assertIn("--hub", answer.json["error"])

    def test_who_sends_too_much_waits(self):
        with Daemon("--no-sampling", "--hub", "--store", "memory", "--hub-rate", "64K") as hub:
            noise = gzip.compress(os.urandom(600_000))
            headers = {**PB, "Content-Encoding": "gzip"}
            self.assertEqual(hub.request(PATH, "POST", headers, noise).status, 400)
            answer = hub.request(PATH, "POST", headers, noise)
            self.assertEqual(answer.status, 429)
            self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)

    def test_what_was_taken_survives_a_kill(self):
        start = (time.time_ns() // NS - 60) * NS
        body = batch("k", start, count=9)
        hub = Daemon("--no-sampling", "--hub")
        data = hub.directory + "/data"
        kept = hub.directory + "-kept"
        try:
            self.assertEqual(hub.request(PATH, "POST", PB, body).status, 200)
            hub.process.kill()
            hub.process.wait()
            os.rename(data, kept)
            with Daemon("--no-sampling", "--hub", "--data-dir", kept) as again:
                self.assertEqual(again.request(PATH, "POST", PB, body).status, 200)
                answer = again.get("/api/v1/query", format="folded")
                self.assertEqual(answer.text.split()[-1], "9")
        finally:
            hub.stop()
            shutil.rmtree(kept, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
