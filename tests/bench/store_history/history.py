# SPDX-License-Identifier: Apache-2.0
"""
A long history on disk, made once and used by whoever asks for the same one.

HEARTH_BENCH_DAYS sets how long it is (default 30); HEARTH_BENCH_RECORDING names a recording made before; HEARTH_BENCH_KEEP names
a directory in which histories stay.
"""
import datetime
import os
import shutil
import subprocess
import tempfile

from support.tool import ROOT

from . import measure, record

DAYS = int(os.environ.get("HEARTH_BENCH_DAYS", "30"))


class History:
    """A data directory for `hearth serve --no-sampling`, and what is known of it."""

    def __init__(self, port, cores=64, busy=100, days=DAYS):
        self.cores, self.busy, self.days = cores, busy, days
        kept = os.environ.get("HEARTH_BENCH_KEEP")
        self.scratch = None if kept else tempfile.mkdtemp(prefix="hearth-history-")
        self.base = kept or self.scratch
        self.directory = os.path.join(self.base, f"{cores}-{busy}-{days}")
        if not os.path.exists(self.directory + "/facts"):
            self._make(port)
        with open(self.directory + "/facts", encoding="ascii") as f:
            self.facts = {k: float(v) for k, v in (line.strip().split("=") for line in f)}
        self.end = self.facts["end"]

    def _make(self, port):
        recording = os.environ.get("HEARTH_BENCH_RECORDING", os.path.join(self.base, "recording.db"))
        subprocess.run(["make", "-s", "--no-print-directory", "build/hearth", "build/bench/store-history"], cwd=ROOT, check=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        if not os.path.exists(recording):
            record.record(port, recording)
        made = subprocess.run([os.path.join(ROOT, "build/bench/store-history"), self.directory + "/history", recording, str(self.cores),
                               str(self.busy), str(self.days)], check=True, stdout=subprocess.PIPE, text=True)
        with open(self.directory + "/facts", "w", encoding="ascii") as f:
            f.write(made.stdout)

    def last_day(self):
        """What of the last whole day is on disk: {tier: bytes per core}"""
        day = datetime.datetime.fromtimestamp(self.end - self.end % 86400 - 86400, datetime.timezone.utc)
        tiers = measure.day_bytes(self.directory + "/history", day.strftime("%Y%m%d"), self.days)
        return {tier: size / self.cores for tier, size in tiers.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
