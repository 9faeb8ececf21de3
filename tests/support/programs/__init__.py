# SPDX-License-Identifier: Apache-2.0
"""Programs whose profile is known beforehand, compiled when they are wanted."""
import os
import subprocess

from ..tool import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))


def build(name, *flags, output=None):
    """Compile NAME.c with frame pointers and debug information; returns the path of the program."""
    directory = os.path.join(ROOT, "build", "programs")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, output or name)
    source = os.path.join(HERE, name + ".c")
    subprocess.run(["gcc", "-O2", "-g", "-fno-omit-frame-pointer", "-pthread", *flags, "-o", path, source], check=True)
    return path
