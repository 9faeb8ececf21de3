# SPDX-License-Identifier: Apache-2.0
"""50 clients that query without a pause while the machine is sampled at 99 Hz."""
import re
import subprocess
import tempfile
import threading
import time

from store_history import measure
from support.server import Server, sum_of

from . import PORT

CLIENTS = 50
SECONDS = 40
BEFORE_S = 15
RSS_MOST_MB = 256

# As a page asks: flame graphs of several ranges, the timeline and the labels.
SCRIPT = """
local paths = {
  "/api/v1/query?format=flamegraph&from=now-15m", "/api/v1/query?format=flamegraph&from=now-1m&query=%7Bcomm%3D%22sh%22%7D",
  "/api/v1/timeseries?from=now-15m&step=10s&by=comm", "/api/v1/label/comm/values?from=now-15m",
  "/api/v1/query?format=top&from=now-5m", "/api/v1/query?format=pprof&from=now-1m", "/api/v1/heatmap?from=now-1m",
}
local n = 0
request = function() n = n + 1; return wrk.format("GET", paths[n % #paths + 1]) end
local bad = {}
response = function(status) if status ~= 200 then bad[status] = (bad[status] or 0) + 1 end end
"""


class Peak(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0, False

    def run(self):
        while not self.over:
            self.most = max(self.most, measure.memory_kb(self.pid, "VmRSS"))
            time.sleep(0.05)


def run_wrk(port):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        done = subprocess.run(["wrk", "-t2", f"-c{CLIENTS}", f"-d{SECONDS}s", "--timeout", "30s", "--latency", "-s", script.name,
                               f"http://127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def check(table):
    work = subprocess.Popen(["sh", "-c", "while :; do ls -lR /usr/include | sort >/dev/null; done"], stdin=subprocess.DEVNULL)
    try:
        with Server(PORT) as server:
            time.sleep(BEFORE_S)
            peak = Peak(server.process.pid)
            peak.start()
            before = server.metrics()
            output = run_wrk(PORT)
            after = server.metrics()
            peak.over = True
            peak.join()
    finally:
        work.kill()
        work.wait()
    report(table, output, before, after, peak.most / 1024)


def report(table, output, before, after, peak_mb):
    taken = sum_of(after, "hearth_samples_total") - sum_of(before, "hearth_samples_total")
    lost = sum_of(after, "hearth_samples_lost_total") - sum_of(before, "hearth_samples_lost_total")
    latency = dict(re.findall(r"^ +(50|75|90|99)% +(\S+)", output, re.M))
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    refused = sum(v - before.get(k, 0) for k, v in after.items() if re.match(r'hearth_http_requests_total\{.*code="(429|503)"', k))
    failed = sum(v - before.get(k, 0) for k, v in after.items() if re.match(r'hearth_http_requests_total\{.*code="(4(?!29)|500)', k))
    timeouts = re.search(r"Socket errors: (.*)", output)
    table.row(f"{CLIENTS} clients for {SECONDS} s while sampling at 99 Hz: lost samples", "0", f"{lost:.0f} of {taken:.0f}",
              lost == 0 and taken > 0)
    table.row("what the clients got", "answers or 429/503, no other error",
              f"{requests} requests, p50 {latency.get('50')}, p99 {latency.get('99')}; {refused:.0f} told to come later, {failed:.0f} failed; "
              f"{timeouts.group(1) if timeouts else 'no socket errors'}", requests > 0 and not failed and not timeouts)
    table.row("resident memory stays bounded", f"<= {RSS_MOST_MB} MB", f"{peak_mb:.0f} MB at most", peak_mb <= RSS_MOST_MB)
