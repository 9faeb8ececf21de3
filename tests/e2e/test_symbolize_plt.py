#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Entries of the procedure linkage table are called what objdump calls them, however the linker laid them out."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.tool import HEARTH, run  # noqa: E402

SOURCE = """
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
int main(int argc, char **argv)
{
	void *(*allocate)(size_t) = malloc;
	std::string text = argv[0];
	std::cout << text << allocate(10) << std::endl;
	std::printf("%s %d\\n", std::getenv("HOME"), std::rand());
	return argc - std::atoi(argv[0]);
}
"""
WAYS = (["-Wl,-z,lazy"], ["-Wl,-z,now"], ["-Wl,-z,lazy", "-fcf-protection=full", "-Wl,-z,ibtplt"],
        ["-Wl,-z,now", "-fcf-protection=full", "-Wl,-z,ibtplt"], ["-no-pie"], ["-fuse-ld=lld"])


class Plt(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="hearth-plt-")
        self.addCleanup(shutil.rmtree, self.scratch)
        self.source = os.path.join(self.scratch, "main.cc")
        with open(self.source, "w", encoding="ascii") as f:
            f.write(SOURCE)

    def test_entries_have_the_names_that_objdump_gives_them(self):
        for number, way in enumerate(WAYS):
            program = os.path.join(self.scratch, f"program{number}")
            subprocess.run(["g++", "-O1", "-g", *way, "-o", program, self.source], check=True)
            subprocess.run(["strip", program], check=True)
            labels = re.findall(r"^([0-9a-f]+) <([^>]+)@plt>:$", run(["objdump", "-d", program]).stdout, re.M)
            self.assertGreater(len(labels), 5, way)
            names = [name for _, name in labels]
            plain = subprocess.run(["llvm-cxxfilt"], input="\n".join(names), text=True, stdout=subprocess.PIPE, check=True).stdout
            # The first and the last byte but one of the shortest entry.
            addresses = [int(a, 16) + offset for a, _ in labels for offset in (0, 6)]
            found = subprocess.run([HEARTH, "symbolize", "--binary", program, "--cache-dir", self.scratch], text=True, check=True,
                                   input="".join(f"{a:#x}\n" for a in addresses), stdout=subprocess.PIPE).stdout
            functions = [r.split("\n")[0] for r in found.rstrip("\n").split("\n\n")]
            expected = [name + "@plt" for name in plain.rstrip("\n").split("\n") for _ in range(2)]
            self.assertEqual(functions, expected, way)


if __name__ == "__main__":
    unittest.main()
