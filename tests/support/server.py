# SPDX-License-Identifier: Apache-2.0
"""A hearth server for the time of a test, and what it says of itself."""
import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

from .tool import HEARTH, ROOT

START_LIMIT_S = 30
STOP_LIMIT_S = 30


class Server:
    """
    with Server(7994) as server:
        status, headers, body = server.get("/healthz")

    The data directory is a temporary one unless --data-dir is among the arguments. What it prints goes to a file;
    server.log() reads it.
    """

    def __init__(self, port, *arguments, binary=HEARTH, environment=None):
        self.port = port
        self.binary = binary
        self.arguments = arguments
        self.environment = {**os.environ, **(environment or {})}
        self.scratch = tempfile.mkdtemp(prefix="hearth-test-")
        self.process = None
        self.started_at = None

    def command(self):
        data = [] if "--data-dir" in self.arguments else ["--data-dir", os.path.join(self.scratch, "data")]
        return [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}", *data, *self.arguments]

    def start(self, wait=True):
        with open(os.path.join(self.scratch, "log"), "wb") as log:
            self.started_at = time.monotonic()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT,
                                            env=self.environment)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"hearth serve ended with status {self.process.returncode}: {self.log()}")
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("hearth serve was not ready in time: " + self.log())

    def stop(self, how=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.save_stacks()
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"hearth serve did not end within {STOP_LIMIT_S} s of {how!r}: " + self.log()) from None
        return self.process.returncode if self.process else None

    def save_stacks(self):
        """Where its threads hang, at the end of the log."""
        with open(os.path.join(self.scratch, "log"), "ab") as log:
            subprocess.run(["gdb", "-p", str(self.process.pid), "-batch", "-ex", "thread apply all bt 16"], stdin=subprocess.DEVNULL,
                           stdout=log, stderr=subprocess.DEVNULL, check=False)

    def log(self):
        with open(os.path.join(self.scratch, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def url(self, path, **parameters):
        names = {k.rstrip("_"): v for k, v in parameters.items()}  # from_ is "from"
        query = "?" + urllib.parse.urlencode(names) if names else ""
        return f"http://127.0.0.1:{self.port}{path}{query}"

    def get(self, path, method="GET", timeout=120, headers=None, body=None, **parameters):
        """(status, headers in lower case, body as bytes)"""
        url = urllib.parse.urlsplit(self.url(path, **parameters))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            target = url.path + ("?" + url.query if url.query else "")
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def folded(self, **parameters):
        """[([comm, root, ..., leaf], count)]"""
        status, _, body = self.get("/api/v1/query", format="folded", **parameters)
        if status != 200:
            raise RuntimeError(f"status {status}: {body!r}")
        return parse_folded(body.decode("utf-8", "replace"))

    def metrics(self):
        """{'name{labels}': value}"""
        status, _, body = self.get("/metrics")
        if status != 200:
            raise RuntimeError(f"/metrics: status {status}")
        return {m.group(1): float(m.group(2)) for m in re.finditer(r"^([a-z_]\S*(?:\{[^}]*\})?) (\S+)$", body.decode(), re.M)}


def parse_folded(text):
    stacks = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        stacks.append((stack.split(";"), int(count)))
    return stacks


def sum_of(metrics, prefix):
    """The sum over all label values of a metric."""
    return sum(v for k, v in metrics.items() if k == prefix or k.startswith(prefix + "{"))
