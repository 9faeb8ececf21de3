# SPDX-License-Identifier: Apache-2.0
"""Times and memory of queries, asked over HTTP."""
import http.client
import json
import os
import random
import time
import urllib.parse

MINUTE, HOUR, DAY = 60, 3600, 86400


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def memory_kb(pid, what):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(what + ":"):
                return int(line.split()[1])
    return 0


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


class Client:
    """One connection that stays open, as a browser's does."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path, **parameters):
        """(seconds, body)"""
        target = path + "?" + urllib.parse.urlencode({k.rstrip("_"): v for k, v in parameters.items()})
        begin = time.perf_counter()
        self.connection.request("GET", target)
        response = self.connection.getresponse()
        body = response.read()
        took = time.perf_counter() - begin
        if response.status != 200:
            raise RuntimeError(f"{target}: status {response.status}: {body[:200]!r}")
        return took, body


def warm_up(server, end, lengths):
    """Has the symbol files made that flame graphs of these lengths want."""
    client = Client(server.port)
    for length in lengths:
        client.get("/api/v1/query", format="flamegraph", from_=f"{end - length:.3f}", to=f"{end:.3f}")
    until = time.monotonic() + 120
    while server.metrics().get("hearth_symbol_queue_length") and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(1)


def cold_memory_mb(start, port, history, lengths):
    """The most that the first query of each length adds to a server that was just started, when symbol files are there."""
    most = 0
    for length in lengths:
        with start(port, "--no-sampling", "--disk", "1T", "--data-dir", history.directory) as server:
            most = max(most, flame_graphs(server, history.end, length, "", 1)["memory_mb"])
    return most


def flame_graphs(server, end, length, selector, repetitions, seed=7):
    """
    {"first_ms", "p50_ms", "p95_ms", "memory_mb", "samples", "nodes"} of flame graphs of that length (in seconds), each
    of a slightly different time that is aligned to nothing. Memory: by how much the first one raises the peak.
    """
    client, jitter, times = Client(server.port), random.Random(seed), []
    pid = server.process.pid
    reset_peak(pid)
    before = memory_kb(pid, "VmRSS")
    result = {}
    for i in range(repetitions + 1):
        to = end - jitter.uniform(0.1, 120)
        took, body = client.get("/api/v1/query", query=selector, format="flamegraph", from_=f"{to - length:.6f}", to=f"{to:.6f}")
        if i:
            times.append(took * 1000)
            continue
        graph = json.loads(body)
        result = {"first_ms": took * 1000, "memory_mb": (memory_kb(pid, "VmHWM") - before) / 1024, "samples": graph["total"],
                  "nodes": len(graph["nodes"]["self"]), "bytes": len(body)}
    result.update(p50_ms=percentile(times, 0.5), p95_ms=percentile(times, 0.95))
    return result


def tier_bytes(directory):
    """{tier: {start of a file's span as in its name: bytes}}"""
    found = {}
    for name in os.listdir(directory):
        if name.endswith(".db"):
            tier, start, _ = name.split("-", 2)
            files = found.setdefault(tier, {})
            files[start] = files.get(start, 0) + os.path.getsize(os.path.join(directory, name))
    return found


def day_bytes(directory, day, days):
    """Bytes that a day takes in each tier; sums of hours and days by their share of all days."""
    tiers = tier_bytes(directory)
    result = {}
    for tier, files in tiers.items():
        of_day = [size for start, size in files.items() if start.startswith(day)]
        result[tier] = sum(of_day) if tier in ("10s", "5m") else sum(files.values()) / days
    return result
