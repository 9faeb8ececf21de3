# SPDX-License-Identifier: Apache-2.0
"""Running hearth and other programs from tests."""
import os
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
HEARTH = os.environ.get("HEARTH", os.path.join(ROOT, "build", "hearth"))
LIMIT_S = 60

# A user without rights, and one with what sampling needs but without CAP_SYS_ADMIN.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
SAMPLING = "+bpf,+perfmon,+sys_ptrace,+checkpoint_restore,+dac_read_search,+syslog"
SAMPLER_USER = [*NOBODY, f"--inh-caps=-all,{SAMPLING}", f"--ambient-caps={SAMPLING}"]


def without(name, error, command):
    """The command line under which system call @name fails with @error ("EACCES") for @command."""
    return [sys.executable, os.path.join(ROOT, "tests", "support", "deny.py"), name, error, *command]


def run(command, **options):
    """Run to the end; text output; never a terminal."""
    options.setdefault("timeout", LIMIT_S)
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("cwd", ROOT)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          check=False, **options)


def hearth(*arguments, **options):
    return run([HEARTH, *arguments], **options)


def in_mount_namespace(setup, command, **options):
    """Run @command where the shell lines @setup have changed the mounts for nobody else."""
    script = "set -e\n" + setup + '\nexec "$@"'
    return run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script, "bash", *command], **options)
