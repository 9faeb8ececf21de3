# SPDX-License-Identifier: Apache-2.0
"""The program that writes history in bulk, and what the files it left behind say."""
import glob
import os
import sqlite3
import subprocess
import tempfile

from store_history import record
from support.tool import ROOT

from . import PORT

PROGRAM = os.path.join(ROOT, "build/bench/store-history")
START_S = 1700006400
WINDOW_S = 10
RECORD_S = 30

_made = []


def recording():
    """A recording of this machine, made once."""
    given = os.environ.get("HEARTH_BENCH_RECORDING")
    if given:
        return given
    if not _made:
        _made.append(os.path.join(tempfile.mkdtemp(prefix="hearth-accept-"), "recording.db"))
        record.record(PORT, _made[0], RECORD_S)
    return _made[0]


def build():
    subprocess.run(["make", "-s", "--no-print-directory", "build/hearth", "build/bench/store-history"], cwd=ROOT, check=True)


def command(directory, *options, cores=8, busy=60, days=2):
    return [PROGRAM, *options, directory, recording(), str(cores), str(busy), str(days)]


def reported(text):
    """{start in seconds: samples} of the windows that the program said are in the store"""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[0] == "window":
            found[int(fields[1])] = int(fields[2])
    return found


def rows(directory):
    """[(start in seconds, end, windows, samples)] of all detail on disk"""
    found = []
    for path in glob.glob(os.path.join(directory, "10s-*.db")):
        with sqlite3.connect(path) as db:
            found += [(start // 10**9, end // 10**9, windows, samples)
                      for start, end, windows, samples in db.execute("SELECT start_ns, end_ns, windows, samples FROM block")]
        db.close()
    return sorted(found)


def in_flight(directory, expected, start):
    """Samples of the window that was being written when the end came, if it is there; it may share a block with reported ones."""
    for begin, end, windows, samples in rows(directory):
        known = [s for s in range(begin, end, WINDOW_S) if s in expected]
        if begin <= start < end and windows == len(known) + 1:
            return samples - sum(expected[s] for s in known)
    return None


def differences(directory, expected):
    """What the files say other than they should: each block must hold exactly the windows and samples known of its time."""
    wrong, seen = [], set()
    for start, end, windows, samples in rows(directory):
        starts = [s for s in range(start, end, WINDOW_S) if s in expected]
        if seen & set(starts):
            wrong.append(f"{start}: twice")
        seen |= set(starts)
        if len(starts) != windows or sum(expected[s] for s in starts) != samples:
            wrong.append(f"{start}: {windows} windows of {samples} samples instead of {len(starts)} of {sum(expected[s] for s in starts)}")
    wrong += [f"{s}: lost" for s in expected if s not in seen]
    return wrong
