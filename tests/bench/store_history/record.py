# SPDX-License-Identifier: Apache-2.0
"""Records what this machine does while it runs workloads of different kinds, as one segment of history."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

from support.server import Server
from support.tool import ROOT

FREQUENCY = 190  # ten times the rate at which it is played
SECONDS = 150

# As many run at a time as there are CPUs, one after the other and again from the start.
WORKLOADS = (
    "git log -p -40 >/dev/null; git blame Makefile >/dev/null",
    "tar c bpf server profiler symbolizer | xz -3 >/dev/null",
    f"""{sys.executable} -c "
import json, random, re
rows = [{{'a': random.random(), 'b': 'x' * i}} for i in range(3000)]
for _ in range(6):
    re.findall('x+', json.dumps(json.loads(json.dumps(rows)))[:100000])" """,
    "find /usr -name '*.so*' | sort | sha256sum >/dev/null; grep -rn 'foo.*bar' /usr/include >/dev/null",
    """node -e "let m = new Map(); for (let i = 0; i < 4e5; i++) m.set('k' + i, {i}); JSON.stringify([...m]); [...m.keys()].sort()" """,
    """perl -e 'my %h; $h{$_ % 5000} .= "x$_" for 1..400000; my @a = sort { $h{$a} cmp $h{$b} } keys %h'""",
    "for f in server/store/*.c; do gcc -O2 -c -I. -Ibuild/gen -D_GNU_SOURCE -o /dev/null $f; done",
    "gzip -c build/hearth | gunzip >/dev/null; openssl speed -seconds 1 -evp aes-256-gcm >/dev/null 2>&1",
    "java -Xshare:off -version >/dev/null 2>&1; gdb -batch -ex 'info functions store' build/hearth >/dev/null 2>&1",
    "readelf -wi build/hearth 2>/dev/null | head -200000 | awk '{ c[$2]++ } END { for (k in c) print k, c[k] }' | sort >/dev/null",
)


def start_workloads():
    lanes = os.cpu_count() or 1
    started = []
    for lane in range(lanes):
        first = lane * len(WORKLOADS) // lanes
        turn = "\n".join(WORKLOADS[first:] + WORKLOADS[:first])
        started.append(subprocess.Popen(["sh", "-c", f"while :; do {turn}\ndone"], cwd=ROOT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
    return started


def stop_workloads(running):
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def record(port, path, seconds=SECONDS):
    """Leaves a recording at @path. Needs what sampling needs."""
    with Server(port, "--frequency", str(FREQUENCY)) as server:
        running = start_workloads()
        try:
            time.sleep(seconds)
        finally:
            stop_workloads(running)
        server.stop()
        segments = glob.glob(os.path.join(server.scratch, "data/history/10s-*.db"))
        shutil.copy(max(segments, key=os.path.getsize), path)  # an hour may have begun meanwhile


if __name__ == "__main__":
    record(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
