# SPDX-License-Identifier: Apache-2.0
"""A machine under a fork bomb and 200 busy threads: the profiler keeps to its budget, and its sums stay right."""
import os
import signal
import subprocess
import tempfile
import time

from support import programs
from support.server import Server, sum_of

PORT = 7993
HZ = 99
BUDGET = 0.01
WARM_S = 20  # the governor averages over some seconds
MEASURE_S = 60
FORKS_PER_SECOND = 5000
THREADS = 200
TICK = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """CPU seconds of the machine that were neither idle nor stolen, and those that were stolen."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, softirq, steal = [int(x) for x in f.readline().split()[1:9]]
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def own_seconds(server):
    """What the daemon and its children have used by the kernel's accounting, and the BPF program by its own."""
    with open(f"/proc/{server.process.pid}/stat", encoding="utf-8", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    metrics = server.metrics()
    return sum(int(x) for x in fields[11:15]) / TICK + sum_of(metrics, "hearth_sampler_run_seconds_total"), metrics


def samples(metrics):
    return sum_of(metrics, "hearth_samples_total") + sum_of(metrics, "hearth_samples_lost_total")


def start_load():
    forks = subprocess.Popen([programs.build("forkbomb"), str(FORKS_PER_SECOND), str(WARM_S + MEASURE_S + 5)], stdout=subprocess.PIPE,
                             text=True, start_new_session=True)
    busy = subprocess.Popen(["stress-ng", "--quiet", "--cpu", str(THREADS), "--cpu-method", "int64", "--timeout",
                             str(WARM_S + MEASURE_S + 5)], stdin=subprocess.DEVNULL, start_new_session=True)
    return forks, busy


def check(table):
    with tempfile.TemporaryDirectory() as data:
        with Server(PORT, "--data-dir", data) as server:  # what runs gets its names before it counts
            load = start_load()
            time.sleep(5)
            for process in load:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            time.sleep(20)
        measure(table, data)


def measure(table, data):
    with Server(PORT, "--data-dir", data, "--frequency", str(HZ), "--cpu-budget", f"{BUDGET:%}") as server:
        forks, busy = start_load()
        try:
            time.sleep(WARM_S)
            (cpu, stolen), (own, metrics), start = busy_seconds(), own_seconds(server), time.monotonic()
            time.sleep(MEASURE_S)
            (cpu_after, stolen_after), (own_after, after), seconds = busy_seconds(), own_seconds(server), time.monotonic() - start
        finally:
            busy.wait()
            started = int(forks.communicate()[0] or 0)
    used = (own_after - own) / seconds / os.cpu_count()
    paused = sum_of(after, "hearth_sampling_paused_seconds_total") - sum_of(metrics, "hearth_sampling_paused_seconds_total")
    expected, seen = (cpu_after - cpu) * HZ, samples(after) - samples(metrics)
    load = f"{started / (WARM_S + MEASURE_S + 5):,.0f} processes/s, {THREADS} busy threads"
    table.row(f"CPU time of the daemon, {load}", f"<= {BUDGET:.1%} of the machine",
              f"{used:.2%}, one tick of {sum_of(after, 'hearth_sampling_thinning'):.0f} sampled, {paused:.0f} s paused", used <= BUDGET)
    table.row("sum of weights against the kernel's accounting", "within 3 % and what was stolen",
              f"{(seen / expected - 1) * 100:+.1f} % ({stolen_after - stolen:.1f} s stolen)",
              abs(seen - expected) <= expected * 0.03 + (stolen_after - stolen) * HZ)
