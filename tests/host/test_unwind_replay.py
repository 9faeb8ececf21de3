#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The unwinder against gdb: threads in difficult places are recorded by gdb, together with gdb's own view of their
stacks; unwind-replay must find the same frames with the same stack and frame pointers.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
REPLAY = os.path.join(ROOT, "build/host/unwind-replay")
FRAME = re.compile(r"#(\d+) ([0-9a-f]+) (\S+)\+([0-9a-f]+) (.*) sp=([0-9a-f]+) bp=([0-9a-f]+)$")

BUILDS = {
    "O2": ["-O2", "-fomit-frame-pointer"],
    "O0": ["-O0"],
    "nopie": ["-O2", "-no-pie", "-fno-pie"],
    "static": ["-O1", "-static"],
    "staticpie": ["-O2", "-static-pie"],
    "lazy": ["-O2", "-Wl,-z,lazy", "-fcf-protection=full"],
}


class Replay:
    def __init__(self, directory, *options):
        stacks = sorted(n for n in os.listdir(directory) if n.startswith("stack-"))
        command = [REPLAY, "--maps", directory + "/maps", "--regs", directory + "/regs"]
        for name in stacks:
            command += ["--stack", directory + "/" + name]
        done = subprocess.run(command + list(options), capture_output=True, text=True, timeout=60)
        self.status, self.errors = done.returncode, done.stderr
        lines = done.stdout.splitlines()
        self.verdict = lines.pop() if lines else ""
        self.frames = []
        for line in lines:
            match = FRAME.match(line)
            if not match:
                raise AssertionError("not a frame: %r" % line)
            self.frames.append({
                "pc": int(match[2], 16), "module": match[3], "offset": int(match[4], 16),
                "function": match[5], "sp": int(match[6], 16), "bp": int(match[7], 16),
            })


class UnwindReplay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="hearth-unwind-")
        cls.programs = {}
        for name, flags in BUILDS.items():
            out = os.path.join(cls.dir, name)
            subprocess.run(["gcc", "-g", "-w", "-pthread", *flags, "-o", out,
                            HERE + "/unwind_scenarios.c"], check=True)
            cls.programs[name] = out

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def gdb(self, build, code, *arguments, pid=None):
        """Run code in gdb. Returns the directory of the recording (the first, if there are several)."""
        out = tempfile.mkdtemp(dir=self.dir)
        command = ["gdb", "-nx", "-q", "-batch"]
        if pid:
            command += ["-p", str(pid)]
        command += ["-x", HERE + "/unwind_gdb.py"]
        if not pid:
            command += ["--args", self.programs[build], *arguments]
        done = subprocess.run(command, env=dict(os.environ, HEARTH_GDB=code, OUT=out), timeout=200,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if not os.path.isdir(out + "/0"):
            self.fail("gdb recorded nothing: %s" % done.stderr[-2000:])
        return out

    def compare(self, directory, *options, verdict="verdict: complete", frames=None, bp=True):
        """The replay's frames are gdb's. Returns the replay."""
        with open(directory + "/frames") as f:
            theirs = json.load(f)
        if frames:
            theirs = theirs[:frames]
        ours = Replay(directory, *options)
        text = "\n".join("%x %s sp=%x bp=%x" % (f["pc"], f["function"], f["sp"], f["bp"])
                         for f in ours.frames[:30])
        text += "\n%s\ngdb:\n" % ours.verdict
        text += "\n".join("%x %s sp=%x bp=%x" % (f[0], f[1], f[2] or 0, f[3] or 0) for f in theirs[:30])
        self.assertEqual(ours.status, 0, ours.errors)
        self.assertEqual(ours.verdict, verdict, text)
        self.assertEqual([f["pc"] for f in ours.frames], [f[0] for f in theirs], text)
        self.assertEqual([f["sp"] for f in ours.frames], [f[2] for f in theirs], text)
        if bp:
            self.assertEqual([f["bp"] for f in ours.frames], [f[3] for f in theirs], text)
        return ours

    def each_build(self, scenario, argument="x", place="stop_here", builds=BUILDS):
        for build in builds:
            with self.subTest(build=build, scenario=scenario):
                out = self.gdb(build, "at_breakpoint(os.environ['OUT'], %r)" % place, scenario, argument)
                yield build, self.compare(out + "/0")

    def test_signal_handler(self):
        for _, r in self.each_build("signal"):
            names = [f["function"] for f in r.frames]
            self.assertIn("handler", names)
            self.assertIn("in_signal", names)

    def test_signal_handler_on_alternate_stack(self):
        for _, r in self.each_build("altstack"):
            self.assertIn("on_alternate_stack", [f["function"] for f in r.frames])

    def test_signal_that_interrupts_a_loop(self):
        for _, r in self.each_build("interrupted"):
            self.assertIn("spin", [f["function"] for f in r.frames])

    def test_call_as_last_instruction(self):
        for _, r in self.each_build("noreturn"):
            names = [f["function"] for f in r.frames]
            self.assertEqual(names[:3], ["stop_here", "never_returns", "ends_in_call"])

    def test_alloca(self):
        for _ in self.each_build("alloca"):
            pass

    def test_realigned_stack(self):
        for _ in self.each_build("realign"):
            pass

    def test_callback_from_libc(self):
        for _ in self.each_build("callback"):
            pass

    def test_thread(self):
        for _, r in self.each_build("thread"):
            self.assertIn("thread_main", [f["function"] for f in r.frames])

    def test_frame_pointer_step_over_code_without_rows(self):
        for _, r in self.each_build("asm-frame"):
            self.assertEqual([f["function"] for f in r.frames[:3]],
                             ["stop_here", "asm_with_frame", "calls_through_asm"])

    def test_deep_recursion(self):
        for _, r in self.each_build("deep", "400", builds=["O2", "O0"]):
            self.assertGreater(len(r.frames), 400)

    def test_frame_limit(self):
        out = self.gdb("O2", "at_breakpoint(os.environ['OUT'], 'stop_here')", "deep", "700")
        r = self.compare(out + "/0", verdict="verdict: truncated frame limit", frames=512)
        self.assertEqual(len(r.frames), 512)

    def test_short_copy_of_the_stack_is_truncated(self):
        out = self.gdb("O2", "at_breakpoint(os.environ['OUT'], 'stop_here')", "deep", "100")
        os.truncate(out + "/0/stack-0", 8 + 256 + 1000)
        r = Replay(out + "/0")
        self.assertTrue(r.verdict.startswith("verdict: truncated"), r.verdict)
        with open(out + "/0/frames") as f:
            theirs = json.load(f)
        self.assertGreater(len(r.frames), 3)
        self.assertEqual([f["pc"] for f in r.frames], [f[0] for f in theirs][:len(r.frames)])

    def test_leaf_without_rows_returns_to_the_top_of_its_stack(self):
        for build in BUILDS:
            with self.subTest(build=build):
                out = self.gdb(build, "at_breakpoint(os.environ['OUT'], '*asm_leaf+5')", "asm")
                r = Replay(out + "/0")
                self.assertEqual(r.verdict, "verdict: complete")
                self.assertEqual([f["function"] for f in r.frames[:2]], ["asm_leaf", "calls_asm"])

    def test_call_to_null(self):
        for build in BUILDS:
            with self.subTest(build=build):
                out = self.gdb(build, "at_stop(os.environ['OUT'])", "null")
                r = Replay(out + "/0")
                self.assertEqual(r.verdict, "verdict: complete")
                self.assertEqual(r.frames[0]["pc"], 0)
                self.assertEqual(r.frames[1]["function"], "calls_null")

    def step(self, build, scenario, place, count):
        out = self.gdb(build, "stepping(os.environ['OUT'], %r, %d)" % (place, count), scenario, "x")
        steps = sorted(os.listdir(out), key=int)
        for step in steps:
            with self.subTest(build=build, step=step):
                self.compare(out + "/" + step)
        return len(steps)

    def test_every_instruction_of_prologues_epilogues_and_plt(self):
        # The static one gets through all of it, the others into the dynamic linker.
        for build, count in (("static", 250), ("O2", 100), ("lazy", 100), ("O0", 100)):
            self.assertEqual(self.step(build, "steps", "steps", count), count)

    def test_every_instruction_of_vfork(self):
        self.assertGreater(self.step("O2", "vfork", "forks", 14), 10)

    def test_every_instruction_of_the_vdso(self):
        with tempfile.TemporaryDirectory(dir=self.dir) as root:
            out = self.gdb("O2", "stepping(os.environ['OUT'], 'clock_gettime', 60)", "clock")
            for entry in ("usr", "lib", "lib64", "tmp", "bin"):
                if os.path.exists("/" + entry):
                    os.symlink("/" + entry, root + "/" + entry)
            self.save_vdso(root + "/[vdso]")
            inside = 0
            for step in sorted(os.listdir(out), key=int):
                with self.subTest(step=step):
                    r = self.compare(out + "/" + step, "--root", root)
                    inside += r.frames[0]["module"] == "[vdso]"
            self.assertGreater(inside, 10)

    @staticmethod
    def save_vdso(path):
        with open("/proc/self/maps") as f:
            line = next(x for x in f if "[vdso]" in x)
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        with open("/proc/self/mem", "rb") as f, open(path, "wb") as to:
            f.seek(start)
            to.write(f.read(end - start))

    def test_blocked_in_a_system_call(self):
        for build in BUILDS:
            for scenario in ("waits", "sleeps"):
                with self.subTest(build=build, scenario=scenario):
                    p = subprocess.Popen([self.programs[build], scenario], stdout=subprocess.PIPE)
                    try:
                        p.stdout.readline()
                        out = self.gdb(build, "attached(os.environ['OUT'])", pid=p.pid)
                        self.compare(out + "/0", "--return-address")
                    finally:
                        p.send_signal(signal.SIGKILL)
                        p.wait()
                        p.stdout.close()


if __name__ == "__main__":
    sys.exit(unittest.main())
