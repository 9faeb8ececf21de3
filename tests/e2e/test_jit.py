#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Code that runtimes make: named by what they write about it, also from inside a container, and never by what others write."""
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import programs  # noqa: E402
from support.server import parse_folded  # noqa: E402
from support.tool import hearth  # noqa: E402

SCRIPT = """
function leafOfTheTest(n) { let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) % 1000003; return s; }
function callerOfTheTest() { let t = 0; for (let i = 0; i < 50; i++) t += leafOfTheTest(20000); return t; }
const end = Date.now() + 2500;
let sum = 0;
while (Date.now() < end) sum += callerOfTheTest();
"""

NODE_OPTIONS = ["--perf-basic-prof", "--no-logfile-per-isolate", "--logfile=/dev/null"]

# A root of its own with an empty /tmp, and pids of its own.
CONTAINER = """set -e
mount --rbind / "$ROOT"
mount -t tmpfs none "$ROOT/tmp"
cp -r "$SCRATCH" "$ROOT/tmp/work"
exec unshare --pid --fork chroot "$ROOT" "$@"
"""


def shares(stacks, comm):
    """{leaf that is no kernel frame: share of all samples of @comm}"""
    total, leaves = 0, {}
    for frames, count in stacks:
        if frames[0] != comm:
            continue
        user = [f for f in frames if not f.endswith("_[k]")]
        total += count
        leaves[user[-1]] = leaves.get(user[-1], 0) + count
    return total, {name: count / total for name, count in leaves.items()}


class Jit(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="hearth-jit-")
        self.addCleanup(shutil.rmtree, self.scratch)
        self.script = os.path.join(self.scratch, "burn.js")
        with open(self.script, "w", encoding="ascii") as f:
            f.write(SCRIPT)

    def record(self, *command, **options):
        # Not to stdout, where node writes its own log.
        with tempfile.NamedTemporaryFile(prefix="hearth-jit-") as out:
            done = hearth("record", "-F", "199", "-o", out.name, "--format", "folded", "--", *command, **options)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(out.name, encoding="utf-8", errors="replace") as f:
                return parse_folded(f.read())

    def in_container(self, *command):
        root = tempfile.mkdtemp(prefix="hearth-jit-root-")
        self.addCleanup(os.rmdir, root)
        script = os.path.join(self.scratch, "container.sh")
        with open(script, "w", encoding="ascii") as f:
            f.write(CONTAINER)
        return self.record("unshare", "--mount", "--propagation", "private", "bash", script, *command,
                           env={**os.environ, "ROOT": root, "SCRATCH": self.scratch})

    def check_node(self, stacks):
        total, leaves = shares(stacks, "node")
        self.assertGreater(total, 100)
        ours = sum(share for name, share in leaves.items() if "OfTheTest" in name and name.endswith("_[j]"))
        self.assertGreater(ours, 0.5, leaves)
        self.assertLess(leaves.get("[anon]_[j]", 0) + leaves.get("[anon]", 0), 0.05, leaves)

    def check_jitter(self, stacks):
        total, leaves = shares(stacks, "jitter")
        self.assertGreater(total, 100)
        first, second = leaves.get("first_life(int)_[j]", 0), leaves.get("second_life(int)_[j]", 0)
        self.assertGreater(first + second, 0.95, leaves)
        self.assertAlmostEqual(first, second, delta=0.1)

    def test_node_names_its_functions(self):
        self.check_node(self.record("node", *NODE_OPTIONS, self.script))

    def test_node_in_a_container_of_its_own(self):
        self.check_node(self.in_container("node", *NODE_OPTIONS, "/tmp/work/burn.js"))

    def test_code_that_takes_the_place_of_other_code_has_its_own_name_from_then_on(self):
        self.check_jitter(self.record(programs.build("jitter"), "2", self.scratch))

    def test_a_jitdump_in_a_container_of_its_own(self):
        shutil.copy(programs.build("jitter"), os.path.join(self.scratch, "jitter"))
        self.check_jitter(self.in_container("/tmp/work/jitter", "2", "/tmp/work"))

    def test_what_another_user_wrote_or_a_link_leads_to_names_nothing(self):
        outside = tempfile.mkdtemp(prefix="hearth-jit-", dir="/var/tmp")  # there is another /tmp below
        self.addCleanup(shutil.rmtree, outside)
        jitter = shutil.copy(programs.build("jitter"), os.path.join(outside, "jitter"))
        line = "printf '0 7fffffffffffffff forged\\n' >"
        for trap, refused in ((f"{line} /tmp/perf-$$.map", False),
                              (f"{line} /tmp/forged; ln -s /tmp/forged /tmp/perf-$$.map", True),
                              (f"{line} /tmp/perf-$$.map; chown 65534 /tmp/perf-$$.map", True),
                              ("mkfifo /tmp/perf-$$.map", True)):
            # The jitdump is nobody's, so that only the perf map can name anything.
            command = f"mount -t tmpfs none /tmp; {trap}; mkdir /tmp/d; exec $0 1 /tmp/d unannounced"
            stacks = self.record("unshare", "--mount", "--propagation", "private", "bash", "-c", command, jitter)
            forged = any(frame == "forged_[j]" for frames, _ in stacks for frame in frames)
            self.assertEqual(forged, not refused, trap)


if __name__ == "__main__":
    unittest.main()
