#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/api/v1/binaries: what a stripped program costs in names, why, and what mends it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402

PROGRAM = r"""
static volatile unsigned long x;
__attribute__((noinline)) static void spin_here(void) { for (int i = 0; i < 1000; i++) x += i; }
int main(void) { for (;;) spin_here(); }
"""


class Ledger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="hearth-test-")
        cls.named, cls.bare = cls.directory + "/named", cls.directory + "/bare"
        subprocess.run(["gcc", "-g", "-O1", "-x", "c", "-o", cls.named, "-"], input=PROGRAM, text=True, check=True)
        subprocess.run(["strip", "-o", cls.bare, cls.named], check=True)
        # Another build id, so that the two are not one binary with one symbol file.
        note = subprocess.run(["readelf", "-n", cls.named], capture_output=True, text=True, check=True).stdout
        cls.build_id = re.search(r"Build ID: ([0-9a-f]+)", note).group(1)
        with open(cls.bare, "r+b") as f:
            content = f.read()
            f.seek(content.index(bytes.fromhex(cls.build_id)))
            f.write(bytes(20))
        cls.workers = [subprocess.Popen([path]) for path in (cls.named, cls.bare)]
        try:
            cls.daemon = Daemon()
            until = time.monotonic() + 30
            while True:
                time.sleep(1)
                cls.answer = cls.daemon.get("/api/v1/binaries", query='{comm=~"named|bare"}')
                by_path = {b["path"]: b for b in cls.answer.json["binaries"]}
                states = [by_path.get(path, {}).get("symbols", {}).get("state") for path in (cls.named, cls.bare)]
                if "pending" not in states and None not in states and "quick" not in states:
                    break
                assert time.monotonic() < until, states
            cls.all = by_path
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for w in cls.workers:
            w.kill()
            w.wait()
        if hasattr(cls, "daemon"):
            cls.daemon.stop()
        shutil.rmtree(cls.directory)

    def test_the_stripped_one_stands_first_and_has_no_names(self):
        bare = self.all[self.bare]
        self.assertEqual(self.answer.json["binaries"][0]["path"], self.bare)
        self.assertEqual(bare["build_id"], "00" * 20)
        self.assertGreater(bare["unnamed_cpu_seconds"], 0.3)
        self.assertEqual(bare["unnamed_frames"], bare["frames"])
        self.assertEqual(bare["symbols"]["state"], "none")
        self.assertGreaterEqual(self.answer.json["unnamed_cpu_seconds"], bare["unnamed_cpu_seconds"])
        (mend,) = [m for m in bare["mend"] if m["for"] == "symbols"]
        self.assertIn("-g", mend["why"])

    def test_what_was_tried_is_told(self):
        tried = self.all[self.bare]["symbols"]["tried"]
        self.assertIn({"path": "/usr/lib/debug/.build-id/00/" + "00" * 19 + ".debug", "place": "host", "result": "missing"}, tried)
        self.assertIn("process", {t["place"] for t in tried})

    def test_the_named_one_has_names_and_facts(self):
        named = self.all[self.named]
        self.assertEqual(named["build_id"], self.build_id)
        self.assertEqual((named["unnamed_cpu_seconds"], named["unnamed_frames"], named["mend"]), (0, 0, []))
        self.assertGreater(named["self_cpu_seconds"], 0.3)
        self.assertEqual(named["symbols"]["state"], "full")
        self.assertGreaterEqual(named["symbols"]["functions"], 2)
        self.assertEqual(named["symbols"]["sources"]["dwarf"], "used")
        self.assertIn("DWARF 5 from the file itself", named["symbols"]["reason"])

    def test_stacks_are_counted_by_how_they_ended(self):
        stacks = self.all[self.named]["stacks"]
        self.assertGreater(stacks["complete"], 20)
        self.assertEqual(sum(stacks["ends"].values()), stacks["truncated"] + stacks["failed"])

    def test_the_order_is_by_unnamed_time(self):
        everything = self.daemon.get("/api/v1/binaries", limit=1000).json
        unnamed = [b["unnamed_cpu_seconds"] for b in everything["binaries"]]
        self.assertEqual(unnamed, sorted(unnamed, reverse=True))
        self.assertEqual(everything["total"], len(everything["binaries"]))
        for b in everything["binaries"]:
            self.assertLessEqual(b["unnamed_cpu_seconds"], b["cpu_seconds"])
            self.assertLessEqual(b["self_cpu_seconds"], b["cpu_seconds"])
            self.assertLessEqual(b["cpu_seconds"], everything["cpu_seconds"])
            self.assertEqual(b["unnamed_frames"] > 0, any(m["for"] == "symbols" for m in b["mend"]), b["path"])

    def test_limits_and_bad_parameters(self):
        self.assertEqual(len(self.daemon.get("/api/v1/binaries", limit=1).json["binaries"]), 1)
        self.assertEqual(self.daemon.get("/api/v1/binaries", query="{").status, 400)
        self.assertEqual(self.daemon.get("/api/v1/binaries", bogus=1).status, 400)
        empty = self.daemon.get("/api/v1/binaries", query='{comm="nobody"}').json
        self.assertEqual((empty["total"], empty["binaries"], empty["cpu_seconds"]), (0, [], 0))


if __name__ == "__main__":
    unittest.main()
