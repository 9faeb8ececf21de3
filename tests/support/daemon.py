# SPDX-License-Identifier: Apache-2.0
"""A `hearth serve` of one's own for a test: on a free port, with a data directory that goes with it."""
import http.client
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

from support.tool import HEARTH, ROOT

START_LIMIT_S = 20
STOP_LIMIT_S = 20


class Answer:
    """What came back: status, headers (lower case) and body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {k.lower(): v for k, v in headers}
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


class Daemon:
    """Use as a context manager, or stop() it."""

    def __init__(self, *arguments, command=None, env=None):
        self.directory = tempfile.mkdtemp(prefix="hearth-test-")
        self.log_path = self.directory + "/log"
        self.started = time.time()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*(command or [HEARTH]), "serve", "--listen", "127.0.0.1:0", "--data-dir", self.directory + "/data",
                 *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=env)
        self.port = self._wait_for_port()

    def _wait_for_port(self):
        until = time.monotonic() + START_LIMIT_S
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"listening on https?://[^ ]*:(\d+)/", self.log)
            if found:
                return int(found.group(1))
            time.sleep(0.01)
        self.stop()
        raise AssertionError(f"hearth serve did not start: {self.final_log}")

    @property
    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, by=signal.SIGTERM):
        """End it. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(by)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("hearth serve did not stop in time") from None
        self.final_log = self.log if not hasattr(self, "final_log") else self.final_log
        shutil.rmtree(self.directory, ignore_errors=True)
        return self.process.returncode

    def url(self, route, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        return f"http://127.0.0.1:{self.port}{route}{query}"

    def request(self, path, method="GET", headers=None, body=None, timeout=60):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, route, **parameters):
        return self.request(route + ("?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else ""))

    def metrics(self):
        """{name or name{labels}: value}"""
        values = {}
        for line in self.get("/metrics").text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values
