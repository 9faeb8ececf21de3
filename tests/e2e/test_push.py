# SPDX-License-Identifier: Apache-2.0
"""An agent sends its windows to a hub, through refusals and restarts, each once."""
import gzip
import http.server
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import otlp  # noqa: E402
from support.daemon import Daemon  # noqa: E402
from support.tool import hearth  # noqa: E402

HOST = socket.gethostname()


class Receiver:
    """Takes OTLP by the answers it is given: statuses, the last for ever."""

    def __init__(self, *statuses, retry_after=None):
        self.statuses = list(statuses) or [200]
        self.bodies, self.times, self.headers = [], [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.statuses.pop(0) if len(outer.statuses) > 1 else outer.statuses[0]
                outer.times.append(time.monotonic())
                outer.headers.append((self.path, dict(self.headers)))
                if status == 200:
                    outer.bodies.append(body)
                self.send_response(status)
                if status != 200 and retry_after:
                    self.send_header("Retry-After", str(retry_after))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def samples_of(message):
    return sum(len(s["timestamps_unix_nano"]) for r in message["resource_profiles"] for scope in r["scope_profiles"]
               for p in scope["profiles"] for s in p["samples"])


def total(daemon, selector="", **parameters):
    answer = daemon.get("/api/v1/query", query=selector, format="folded", **{"from": "now-1h", **parameters})
    return sum(int(line.rsplit(" ", 1)[1]) for line in answer.text.splitlines())


class Push(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="hearth-push-")
        self.addCleanup(shutil.rmtree, self.data, True)

    def agent(self, url, *more, data="agent"):
        return Daemon("--data-dir", os.path.join(self.data, data), "--push", url, *more)

    def test_a_hub_has_what_its_agent_has(self):
        with Daemon("--hub", "--no-sampling") as hub:
            agent = self.agent(f"http://127.0.0.1:{hub.port}")
            burn(2)
            time.sleep(0.3)
            self.assertEqual(agent.stop(), 0, agent.final_log)
            with Daemon("--data-dir", os.path.join(self.data, "agent"), "--no-sampling") as own:
                selector = f'cpu{{host="{HOST}"}}'
                here, there = total(own, selector), total(hub, selector)
                self.assertGreater(here, 100)
                self.assertEqual(here, there)
                burnt = 'cpu{comm=~"python.*"}'
                self.assertEqual(total(own, burnt), total(hub, burnt))
                labels = own.get("/api/v1/labels", **{"from": "now-1h"}).json["labels"]
                self.assertEqual(set(labels), set(hub.get("/api/v1/labels", **{"from": "now-1h"}).json["labels"]))

    def test_what_is_sent_can_be_read_by_others(self):
        with Receiver() as receiver:
            agent = self.agent(receiver.url + "/", "--label", "env=test")
            burn(1)
            agent.stop()
            self.assertGreaterEqual(len(receiver.bodies), 1)
            path, headers = receiver.headers[0]
            self.assertEqual(path, "/v1development/profiles")
            self.assertEqual(headers["Content-Type"], "application/x-protobuf")
            self.assertEqual(headers["Content-Encoding"], "gzip")
            message = otlp.decode(gzip.decompress(receiver.bodies[0]))
            self.assertGreater(samples_of(message), 30)
            d = message["dictionary"]
            for table in ("mapping_table", "location_table", "function_table", "attribute_table", "stack_table", "link_table"):
                first = d[table][0]
                self.assertFalse([v for v in first.values() if v not in (0, "0", "", [], None)], f"{table}: {first}")
            self.assertEqual(d["string_table"][0], "")
            keys = {d["string_table"][a["key_strindex"]] for a in d["attribute_table"]}
            self.assertLessEqual({"process.executable.build_id.gnu", "profile.frame.type", "process.pid", "thread.name", "env",
                                  "cpu.logical_number"}, keys)
            self.assertFalse({k for k in keys if "command_line" in k})
            self.assertEqual({a["key"]: a["value"]["string_value"] for a in message["resource_profiles"][0]["resource"]["attributes"]}
                             ["host.name"], HOST)
            unresolved = [x for x in d["location_table"][1:] if not x["lines"]]
            self.assertTrue(unresolved)  # (build id, address): names are made where symbols are

    def test_retry_after_is_honoured_and_nothing_is_lost(self):
        with Receiver(503, 429, 200, retry_after=2) as receiver:
            agent = self.agent(receiver.url)
            burn(0.5)
            until = time.monotonic() + 40
            while not receiver.bodies and time.monotonic() < until:
                time.sleep(0.1)
            failed = agent.metrics()["hearth_push_attempts_failed_total"]
            agent.stop()
            self.assertTrue(receiver.bodies, "nothing came")
            self.assertEqual(failed, 2)
            waits = [b - a for a, b in zip(receiver.times, receiver.times[1:])]
            self.assertGreaterEqual(waits[0], 2)
            self.assertGreaterEqual(waits[1], 2)

    def test_the_spool_survives_a_restart(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = closed.getsockname()[1]  # bound, but not listening
            agent = self.agent(f"http://user:hunter2@127.0.0.1:{nobody}")
            burn(1)
            agent.stop()
        spooled = os.listdir(os.path.join(self.data, "agent", "spool"))
        self.assertEqual(len(spooled), 1, spooled)
        self.assertIn("cannot reach the hub", agent.final_log)
        self.assertNotIn("hunter2", agent.final_log)
        with Receiver() as receiver, self.agent(receiver.url, "--no-sampling"):
            until = time.monotonic() + 10
            while not receiver.bodies and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.2)
            self.assertEqual(len(receiver.bodies), 1)
            self.assertEqual(os.listdir(os.path.join(self.data, "agent", "spool")), [])
            self.assertGreater(samples_of(otlp.decode(gzip.decompress(receiver.bodies[0]))), 30)

    def test_what_is_refused_for_good_is_let_go(self):
        with Receiver(400) as receiver:
            agent = self.agent(receiver.url)
            burn(0.3)
            agent.stop()
            self.assertEqual(os.listdir(os.path.join(self.data, "agent", "spool")), [])
            self.assertIn("the hub answers 400", agent.final_log)

    def test_wrong_options_are_refused(self):
        for arguments in (("--push", "ftp://x"), ("--push", "nonsense://"), ("--push", "http://h", "--push-cert-file", "/x"),
                          ("--push", "http://h", "--spool", "1K")):
            self.assertEqual(hearth("serve", *arguments, timeout=20).returncode, 2, arguments)


if __name__ == "__main__":
    unittest.main()
