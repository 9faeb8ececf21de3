# SPDX-License-Identifier: Apache-2.0
"""A minute under load with the sanitizers on: nothing leaks, nothing stays, no sample is lost unseen."""
import os
import signal
import subprocess
import time

from support import bpf
from support.server import Server, sum_of
from support.tool import ROOT

from . import PORT

ASAN = os.path.join(ROOT, "build", "asan", "hearth")
LOAD_S = 60
FREQUENCY = 99


def busy_seconds():
    """CPU seconds of the machine that were not idle, stolen or waiting."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, softirq = [int(x) for x in f.readline().split()[1:8]]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def stolen_seconds():
    with open("/proc/stat", encoding="ascii") as f:
        return int(f.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def count_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def samples(metrics):
    return sum_of(metrics, "hearth_samples_total"), sum_of(metrics, "hearth_samples_lost_total")


def check(table):
    subprocess.run(["make", "--no-print-directory", "-s", "VARIANT=asan", "build/asan/hearth"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    server = Server(PORT, binary=ASAN, environment={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"})
    with server:
        load(table, server)
        log = server.log()
    reports = [line for line in log.splitlines() if "Sanitizer" in line or "runtime error" in line]
    table.row("no leak, no error under ASan and UBSan", "0 reports", f"{len(reports)} reports {'; '.join(reports[:2])}", not reports)


def load(table, server):
    pid = server.process.pid
    held = bpf.held_by([pid])
    table.row("BPF objects held while it runs", "programs, maps, links", str(sorted({k for k, _ in held})),
              {"prog", "map"} <= {k for k, _ in held})
    stress = subprocess.Popen(["stress-ng", "--quiet", "--cpu", "2", "--vm", "1", "--vm-bytes", "64M", "--timeout", str(LOAD_S)],
                              stdin=subprocess.DEVNULL)
    forks = subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"], stdin=subprocess.DEVNULL)
    try:
        time.sleep(5)
        files_before, binaries_before = count_fds(pid), server.metrics()["hearth_binaries"]
        before, cpu_before, stolen_before = samples(server.metrics()), busy_seconds(), stolen_seconds()
        while stress.poll() is None:
            server.folded(from_="now-10s")
            server.get("/api/v1/query", format="pprof", from_="now-1m")
            time.sleep(2)
        after, cpu, stolen = samples(server.metrics()), busy_seconds() - cpu_before, stolen_seconds() - stolen_before
        files, binaries = count_fds(pid) - files_before, server.metrics()["hearth_binaries"] - binaries_before
    finally:
        for process in (stress, forks):
            process.kill()
            process.wait()
    seen, lost = after[0] - before[0], after[1] - before[1]
    expected = cpu * FREQUENCY
    table.row("samples and counted losses against the kernel's CPU time", "within 3 % and what was stolen",
              f"{seen:.0f} + {lost:.0f} lost of {expected:.0f}: {((seen + lost) / expected - 1) * 100:+.1f} % ({stolen:.1f} s stolen)",
              abs(seen + lost - expected) <= expected * 0.03 + stolen * FREQUENCY)
    table.row("open files grow with the binaries seen only", "<= new binaries + 32", f"{files:+d} files, {binaries:+.0f} binaries",
              files <= max(binaries, 0) + 32)
    start = time.monotonic()
    status = server.stop(signal.SIGTERM)
    table.row("stop by SIGTERM", "status 0 within 10 s", f"status {status} in {time.monotonic() - start:.1f} s",
              status == 0 and time.monotonic() - start < 10)
    for _ in range(20):  # the kernel frees them a moment after the last reference is gone
        left = {o for o in held if bpf.show(*o)}
        if not left:
            break
        time.sleep(0.1)
    table.row("BPF programs, maps and links are released", "none left", f"{len(left)} of {len(held)} left", not left)
