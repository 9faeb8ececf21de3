# SPDX-License-Identifier: Apache-2.0
"""
Files made to hurt: hearth never crashes, stays within 10 s of CPU time and 1 GiB, and says why it gave up; the daemon
goes on sampling while processes run such files.
"""
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from support import hostile
from support.daemon import Daemon
from support.tool import HEARTH

CPU_LIMIT_S = 10
MEMORY_LIMIT_KIB = 1 << 20
WALL_LIMIT_S = 60  # on a busy machine; CPU time is what is held against the limit
HEAVY_HERE = ("line-rows-20G", "ranges-6G", "symtab-sparse-1T")
BURN = "int main(void) { volatile unsigned long n = 0; for (;;) n++; }\n"


class Outcome:
    def __init__(self, *arguments):
        process = subprocess.Popen([HEARTH, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        timer = threading.Timer(WALL_LIMIT_S, process.kill)
        timer.start()
        errors = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reader.start()
        self.output = process.stdout.read()
        reader.join()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = self.status = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        process.stderr.close()
        self.errors = errors[0].decode("utf-8")
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.memory_kib = usage.ru_maxrss


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="hearth-hostile-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.cache = os.path.join(self.folder, "cache")
        os.mkdir(self.cache)

    def check(self, name, *arguments):
        outcome = Outcome(*arguments)
        with self.subTest(file=name, command=" ".join(arguments[:1] + arguments[-1:])):
            self.assertIn(outcome.status, (0, 1), outcome.errors)
            self.assertLessEqual(outcome.cpu_s, CPU_LIMIT_S)
            self.assertLessEqual(outcome.memory_kib, MEMORY_LIMIT_KIB)
            if outcome.status:
                self.assertRegex(outcome.errors, r"\Ahearth: [^\n]+: [^\n]+\n\Z")
        return outcome

    def check_all(self, name, path):
        self.check(name, "symbolize", "--binary", path, "--cache-dir", self.cache, "401000", "0x401010")
        self.check(name, "inspect", path, "--unwind")
        self.check(name, "inspect", path, "--info")

    def test_files_that_lie_end_in_an_answer_or_a_reason(self):
        seen = 0
        for case in hostile.cases(self.folder, flips=16, cuts=6):
            if not case.heavy or case.name in HEAVY_HERE:
                self.check_all(case.name, case.path)
                seen += 1
            os.unlink(case.path)
        self.assertGreater(seen, 45)

    def test_what_is_no_regular_file_is_refused_at_once(self):
        for case in hostile.oddities(self.folder):
            self.check_all(case.name, case.path)
            outcome = Outcome("symbolize", "--binary", case.path, "1000")
            self.assertEqual(outcome.status, 1, case.name)

    def test_names_come_out_clean(self):
        path = os.path.join(self.folder, "names")
        with open(path, "wb") as f:
            f.write(hostile.names(b"\xff\xfe", b"a\x1b[2Jb", b"x" * 20000, b"\xc2\x9b", b"new\nline", "é".encode(),
                                  b"_Z" + b"1AI" * 2000))
        outcome = Outcome("symbolize", "--binary", path, "--cache-dir", self.cache,
                          *(f"{hostile.CODE + 16 * i:x}" for i in range(7)))
        text = outcome.output.decode("utf-8")  # raises if it is none
        names = [block.split("\n")[0] for block in text.rstrip("\n").split("\n\n")]
        self.assertEqual(names[:2], ["\\xff\\xfe", "a\\x1b[2Jb"])
        self.assertEqual(names[2], "x" * 4096)
        self.assertEqual(names[3:6], ["\\xc2\\x9b", "new\\x0aline", "é"])
        self.assertLessEqual(len(names[6]), 4096)

    def test_a_file_that_shrinks_while_it_is_read_harms_nobody(self):
        path = os.path.join(self.folder, "shrinking")
        content = hostile.base_program(self.folder)
        stop = threading.Event()

        def change():
            while not stop.is_set():
                with open(path, "wb") as f:
                    f.write(content)
                os.truncate(path, 4096)
                os.truncate(path, 100)

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(12):
                self.check("shrinking", "inspect", path, "--info")
                self.check("shrinking", "inspect", path, "--unwind")
        finally:
            stop.set()
            thread.join()


class Running(unittest.TestCase):
    """Processes whose executables carry hostile sections, under a daemon that samples them."""

    def graft(self, name, image):
        """A program that burns CPU, with the debug sections of a crafted file."""
        source, path = os.path.join(self.folder, "burn.c"), os.path.join(self.folder, name)
        with open(source, "w", encoding="ascii") as f:
            f.write(BURN)
        subprocess.run(["gcc", "-O1", "-static", "-nostartfiles", "-Wl,-e,main", "-fno-asynchronous-unwind-tables",
                        "-Wl,--build-id=0x" + name.encode().hex(), "-o", path, source], check=True)
        crafted = path + ".crafted"
        with open(crafted, "wb") as f:
            f.write(image)
        for section, to in ((".debug_info", ".debug_info"), (".debug_abbrev", ".debug_abbrev"),
                            (".debug_line", ".debug_line"), (".eh_frame", ".debug_frame")):
            part = crafted + section
            subprocess.run(["objcopy", "-O", "binary", "--only-section=" + section, "--set-section-flags",
                            section + "=alloc", crafted, part], check=True, stderr=subprocess.DEVNULL)
            if os.path.exists(part) and os.path.getsize(part):
                subprocess.run(["objcopy", "--add-section", to + "=" + part, path], check=True)
        return path

    def test_the_daemon_goes_on(self):
        self.folder = tempfile.mkdtemp(prefix="hearth-hostile-")
        self.addCleanup(shutil.rmtree, self.folder)
        images = {"hdeep": hostile.deep_tree(100000), "hrows": hostile.many_rows(3000, 1 << 20),
                  "hcycle": hostile.origin_cycle(), "hframe": hostile.cfi(b"\x05" + hostile.uleb(100000000) + b"\1")}
        processes = []
        with Daemon() as daemon:
            try:
                for name, image in images.items():
                    processes.append(subprocess.Popen([self.graft(name, image)]))
                until = time.monotonic() + 30
                found = set()
                while found != set(images) and time.monotonic() < until:
                    folded = daemon.get("/api/v1/query", query="cpu", format="folded",
                                        **{"from": "now-2m", "to": "now"}).text
                    lines = folded.split("\n")
                    found = {n for n in images if any(x.startswith(n + ";") and (n == "hdeep" or ";main" in x) for x in lines)}
                    time.sleep(0.5)
                self.assertEqual(found, set(images), "hdeep's entries are deeper than a chain is kept: any frame will do")
                self.assertIsNone(daemon.process.poll())
                with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
                    peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
                self.assertLess(peak, MEMORY_LIMIT_KIB)
            finally:
                for process in processes:
                    process.kill()
                    process.wait()


if __name__ == "__main__":
    unittest.main()
