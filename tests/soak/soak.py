#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Leave the daemon running among processes, threads, libraries, binaries and cgroups that come and go, and see whether
anything of it grows.

Every second: resident memory, open files, threads, child processes, BPF memory as /metrics says it and as the kernel says
it (memlock of each map, /proc/PID/fdinfo). From the second part of the run, when the history has its full length, a
straight line is laid through each by least squares; the run fails where a line rises by more than its tolerance over
that part and by more than three standard errors. Files, memory and tables follow the number of binaries known up to the limit
of their cache, so that a short run can only judge on a machine where nothing else starts new programs: where their number
rises, the run says so and fails as undecided. Writes build/soak/soak.svg and soak.csv.

    soak.py [--duration 180] [--port 17989]
"""

import argparse
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "soak"
RETENTION_SECONDS = 30
# Binaries never seen before, five a second, only where the run is long enough for their cache to fill and turn over.
LONG_SECONDS = 1800
MIB = 1 << 20

# name: (unit, divisor, most it may rise over the measured part, as a share of the mean, and at least so much)
SERIES = {
    "resident": ("MiB", MIB, 0.04, 1.0),
    "files": ("", 1, 0.0, 5.0),
    "threads": ("", 1, 0.0, 1.0),
    "children": ("", 1, 0.0, 1.0),
    "bpf_metric": ("MiB", MIB, 0.01, 0.1),
    "bpf_kernel": ("MiB", MIB, 0.01, 0.1),
    "binaries": ("", 1, 0.02, 4.0),
}


def line_through(points):
    """Least squares: (slope, its standard error, mean of y)."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / (count - 2) / spread), mean_y


class Daemon:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        shutil.rmtree(WORK / "data", ignore_errors=True)
        self.log = open(WORK / "serve.log", "w")
        command = [str(ROOT / "build/hearth"), "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", str(WORK / "data")]
        command += ["--retention", f"{RETENTION_SECONDS}s"]
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log)
        self.folder = pathlib.Path(f"/proc/{self.process.pid}")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read().decode(errors="replace")

    def wait_ready(self):
        for _ in range(120):
            try:
                self.get("/readyz")
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.5)
        raise RuntimeError(f"hearth serve is not ready: {(WORK / 'serve.log').read_text().strip()}")

    def metrics(self):
        values = {}
        for line in self.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def cpu_seconds(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # with children that were waited for

    def kernel_bpf_bytes(self):
        total = 0
        for path in (self.folder / "fdinfo").iterdir():
            try:
                lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
            except OSError:
                continue  # closed meanwhile
            if "map_type" in lines:
                total += int(lines["memlock"])
        return total

    def sample(self):
        status = dict(line.split(":", 1) for line in (self.folder / "status").read_text().splitlines())
        children = 0
        for task in (self.folder / "task").iterdir():
            try:
                children += len((task / "children").read_text().split())
            except OSError:
                continue  # a thread that ended
        metrics = self.metrics()
        return {
            "resident": int(status["VmRSS"].split()[0]) * 1024,
            "files": len(list((self.folder / "fd").iterdir())),
            "binaries": metrics["hearth_binaries"],
            "threads": int(status["Threads"]),
            "children": children,
            "bpf_metric": metrics["hearth_bpf_map_bytes"],
            "bpf_kernel": self.kernel_bpf_bytes(),
        }

    def stop(self):
        """Ends it as a service manager does. Returns its status, None if it did not stop in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def some_libraries():
    """Libraries to map and unmap; no stranger's constructors beyond those of common system libraries."""
    names = ["libz.so.1", "libbz2.so.1.0", "liblzma.so.5", "libm.so.6", "libsqlite3.so.0", "libcurl.so.4", "libstdc++.so.6"]
    folder = pathlib.Path("/lib/x86_64-linux-gnu")
    return [str(folder / name) for name in names if (folder / name).exists()]


def cgroup_folder():
    """A cgroup hierarchy that new groups can be made in: version 2, or any of version 1 without a controller's demands."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, path, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "cpuset" not in options):
            folder = pathlib.Path(path) / f"hearth-soak-{os.getpid()}"
            try:
                folder.mkdir()
                return folder
            except OSError:
                continue
    return None


def start_churn(cgroup, long):
    churn = str(WORK / "churn")
    program = str(ROOT / "build/vm/busy")
    kinds = [["fork", "150"], ["exec", "30", program], ["threads", "100"], ["dlopen", "30", *some_libraries()]]
    if long:
        kinds += [["binary", "5", program, str(WORK / "binaries")]]
    if cgroup:
        kinds += [["cgroup", "3", str(cgroup)]]
    (WORK / "binaries").mkdir(exist_ok=True)
    return {kind[0]: subprocess.Popen(["nice", churn, *kind], stderr=subprocess.PIPE, text=True) for kind in kinds}


def stop_churn(running):
    """Ends them. Returns what went wrong with one."""
    errors = []
    for kind, process in running.items():
        if process.poll() is not None:
            errors.append(process.stderr.read().strip() or f"churn {kind}: status {process.returncode}")
        process.terminate()
        process.wait()
        process.stderr.close()
    return errors


def run(arguments, daemon, rows):
    daemon.wait_ready()
    start = time.monotonic()
    next_query = 0
    while (now := time.monotonic() - start) < arguments.duration:
        rows.append((now, daemon.sample()))
        # Somebody looks at it, too.
        if now >= next_query:
            next_query = now + 10
            for form in ("flamegraph", "pprof", "folded", "top"):
                daemon.get(f"/api/v1/query?from=now-1m&format={form}")
        time.sleep(max(0, math.floor(now) + 1 - (time.monotonic() - start)))


def judge(rows, duration):
    """Print a line a series. Returns the names of those that grow."""
    warm = max(2 * RETENTION_SECONDS, duration / 3)
    steady = [(at, values) for at, values in rows if at >= warm]
    span = steady[-1][0] - steady[0][0]
    growing = []
    print(f"{'':12}{'mean':>10}{'slope/hour':>14}{'± 3 errors':>13}{'rise':>10}{'tolerance':>11}   over {span:.0f} s after {warm:.0f} s")
    for name, (unit, divisor, share, least) in SERIES.items():
        slope, error, mean = line_through([(at, values[name] / divisor) for at, values in steady])
        tolerance = max(share * mean, least)
        grows = math.isnan(slope) or (slope * span > tolerance and slope > 3 * error)
        growing += [name] if grows else []
        print(
            f"{name:12}{mean:10.2f}{slope * 3600:14.3f}{3 * error * 3600:13.3f}{slope * span:10.3f}{tolerance:11.3f}   {unit:4}"
            f"{'GROWS' if grows else 'ok'}"
        )
    return growing


def draw(rows, path):
    """Small multiples, one above the other, each from zero to its largest value."""
    width, height, left, top, gap = 720, 90, 70, 30, 34
    longest = rows[-1][0]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + left + 20} {top + len(SERIES) * (height + gap)}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, (name, (unit, divisor, _, _)) in enumerate(SERIES.items()):
        base = top + index * (height + gap) + height
        largest = max(values[name] for _, values in rows) / divisor or 1
        points = " ".join(
            f"{left + at / longest * width:.1f},{base - values[name] / divisor / largest * height:.1f}" for at, values in rows
        )
        parts.append(f'<text x="{left}" y="{base - height - 6}">{name} {unit}</text>')
        parts.append(f'<text x="{left - 6}" y="{base - height + 10}" text-anchor="end">{largest:.4g}</text>')
        parts.append(f'<text x="{left - 6}" y="{base}" text-anchor="end">0</text>')
        parts.append(f'<path d="M{left},{base - height}V{base}H{left + width}" fill="none" stroke="#999"/>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="#c2410c" stroke-width="1.5"/>')
        parts.append(f'<text x="{left + width}" y="{base + 14}" text-anchor="end">{longest:.0f} s</text>')
    path.write_text("\n".join(parts) + "\n</svg>\n")


def write_table(rows, path):
    names = list(SERIES)
    lines = ["seconds," + ",".join(names)]
    lines += [f"{at:.2f}," + ",".join(f"{values[name]:.0f}" for name in names) for at, values in rows]
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--duration", type=float, default=180, help="seconds")
    parser.add_argument("--port", type=int, default=17989)
    arguments = parser.parse_args()
    if arguments.duration < 100:
        parser.error("shorter than 100 s says nothing: the history is full only after a minute")

    WORK.mkdir(parents=True, exist_ok=True)
    cgroup = cgroup_folder()
    daemon, rows, problems = Daemon(arguments.port), [], []
    churn = start_churn(cgroup, arguments.duration >= LONG_SECONDS)
    try:
        run(arguments, daemon, rows)
        metrics, cpu = daemon.metrics(), daemon.cpu_seconds()
    except (OSError, RuntimeError, ValueError) as error:
        problems.append(f"the daemon stopped answering: {error}")
    finally:
        problems += stop_churn(churn)
        status = daemon.stop()
        if cgroup:
            cgroup.rmdir()
    if status != 0:
        problems.append("it did not stop within 20 s of SIGTERM" if status is None else f"it ended with status {status}")
    if rows and not any("answering" in problem for problem in problems):
        growing = judge(rows, arguments.duration)
        if "binaries" in growing:
            problems.append("undecided: other programs on this machine brought new binaries; run it on a quiet one")
        else:
            problems += [f"{name} grows" for name in growing]
        taken = sum(value for name, value in metrics.items() if name.startswith("hearth_samples_total"))
        lost = {name: value for name, value in metrics.items() if name.startswith("hearth_samples_lost_total") and value}
        print(f"daemon CPU {100 * cpu / arguments.duration:.2f} % of a core, {taken:.0f} samples, lost: {lost or 'none'}")
        draw(rows, WORK / "soak.svg")
        write_table(rows, WORK / "soak.csv")
        print(f"build/soak/soak.svg, build/soak/soak.csv, {len(rows)} points")
    for problem in problems:
        print(f"soak: {problem}")
    print("soak: failed" if problems else "soak: passed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
