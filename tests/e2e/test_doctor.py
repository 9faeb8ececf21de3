#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hearth doctor: what it says on this machine, and on ones that lack something (made in mount namespaces)."""
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.tool import HEARTH, NOBODY, SAMPLER_USER, hearth, in_mount_namespace, run, without  # noqa: E402


def rows(text):
    """{name: (level, value, mend)}"""
    table = {}
    name = None
    for line in text.split("\n"):
        row = re.match(r"(ok|warn|FAIL)\s{1,3} (.{20})  (.*)$", line)
        mend = re.match(r"\s{28}-> (.*)$", line)
        if row:
            name = row.group(2).strip()
            table[name] = [row.group(1), row.group(3), ""]
        elif mend:
            table[name][2] = mend.group(1)
    return table


def fake(path, text):
    """A shell line that shows @text in place of the file @path."""
    return f"mount -t tmpfs none /mnt; printf '%s\\n' '{text}' > /mnt/file; mount --bind /mnt/file {path}"


class Here(unittest.TestCase):
    def test_root_can_sample_and_every_row_is_there(self):
        done = hearth("doctor")
        table = rows(done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("kernel", "kernel types (BTF)", "BPF programs", "BPF ring buffer", "bpf_loop", "perf_event_open",
                     "perf_event_paranoid", "sampling clock", "capabilities", "lockdown", "kernel symbols", "processes",
                     "cgroups", "locked memory", "debug files", "data directory"):
            self.assertIn(name, table)
            self.assertNotEqual(table[name][0], "FAIL", table[name])
        self.assertIn(os.uname().release, table["kernel"][1])
        self.assertIn("Hearth can sample this machine", done.stdout.split("\n")[-2])

    def test_every_warning_says_what_to_do(self):
        for name, (level, value, mend) in rows(hearth("doctor").stdout).items():
            self.assertEqual(level == "ok", mend == "", f"{name}: {value}")

    def test_it_changes_nothing(self):
        with tempfile.TemporaryDirectory() as parent:
            wanted = os.path.join(parent, "a", "b")
            table = rows(hearth("doctor", "--data-dir", wanted).stdout)
            self.assertRegex(table["data directory"][1], "can be made, [0-9]+ MiB free")
            self.assertEqual(os.listdir(parent), [])

    def test_usage_errors(self):
        for arguments, what in ((["--bogus"], "unknown option '--bogus'"), (["extra"], "unexpected argument 'extra'"),
                                (["--data-dir"], "'--data-dir' wants a value"), (["-x"], "unknown option '-x'"),
                                (["--data-dir", ""], "--data-dir wants a directory")):
            with self.subTest(arguments=arguments):
                done = hearth("doctor", *arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr, f"hearth doctor: {what}; see 'hearth doctor --help'\n")
        self.assertEqual(hearth("doctor", "--help").returncode, 0)


class Restricted(unittest.TestCase):
    def check(self, done, name, level, value, mend):
        table = rows(done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertEqual(table[name][0], level, table[name])
        self.assertRegex(table[name][1], value)
        self.assertRegex(table[name][2], mend)
        self.assertEqual(done.returncode, 1 if "FAIL" in [row[0] for row in table.values()] else 0)

    def test_nobody_cannot_sample(self):
        done = run([*NOBODY, HEARTH, "doctor"])
        self.check(done, "BPF programs", "FAIL", "Operation not permitted", "^run as root, or: setcap cap_bpf")
        self.check(done, "perf_event_open", "FAIL", "denied|not permitted", "as for BPF programs")
        self.check(done, "capabilities", "FAIL", "missing: bpf .*syslog", "root")
        self.check(done, "kernel symbols", "warn", "hidden", "CAP_SYSLOG")
        self.check(done, "processes", "warn", "cannot be read", "CAP_SYS_PTRACE")
        self.check(done, "data directory", "warn", "Permission denied", "install -d .*--data-dir")
        self.assertIn("Hearth cannot sample this machine", done.stdout)

    def test_the_capabilities_it_names_are_enough(self):
        done = run([*SAMPLER_USER, HEARTH, "doctor"])
        self.check(done, "BPF programs", "ok", "loads", "^$")
        self.check(done, "perf_event_open", "ok", "every process", "^$")
        self.check(done, "capabilities", "ok", "all", "^$")
        self.check(done, "kernel symbols", "ok", "readable", "^$")

    def test_a_kernel_without_types(self):
        done = in_mount_namespace("mount -t tmpfs none /sys/kernel/btf", [HEARTH, "doctor"])
        self.check(done, "kernel types (BTF)", "FAIL", "No such file", "CONFIG_DEBUG_INFO_BTF=y")

    def test_no_sysfs(self):
        done = in_mount_namespace("mount -t tmpfs none /sys", [HEARTH, "doctor"])
        self.check(done, "kernel types (BTF)", "FAIL", "No such file", "mount -t sysfs")

    def test_distribution_paranoia(self):
        path = "/proc/sys/kernel/perf_event_paranoid"
        done = in_mount_namespace(fake(path, "3"), [*SAMPLER_USER, HEARTH, "doctor"])
        self.check(done, "perf_event_paranoid", "FAIL", "^3: only CAP_SYS_ADMIN", r"sysctl -w kernel.perf_event_paranoid=2$")
        done = in_mount_namespace(fake(path, "4"), [HEARTH, "doctor"])
        self.check(done, "perf_event_paranoid", "ok", "^4, which CAP_SYS_ADMIN overrides", "^$")
        done = in_mount_namespace(fake(path, "-1"), [HEARTH, "doctor"])
        self.check(done, "perf_event_paranoid", "ok", "^-1$", "^$")
        done = in_mount_namespace(fake(path, "nonsense"), [HEARTH, "doctor"])
        self.check(done, "perf_event_paranoid", "warn", "unreadable", "proc")

    def test_a_seccomp_filter(self):
        done = run(without("bpf", "EPERM", [HEARTH, "doctor"]))
        self.check(done, "BPF programs", "FAIL", "not permitted", "seccomp filter forbids it")
        done = run(without("perf_event_open", "EPERM", [HEARTH, "doctor"]))
        self.check(done, "perf_event_open", "FAIL", "not permitted", "seccomp filter forbids it")
        done = run(without("bpf", "ENOSYS", [HEARTH, "doctor"]))
        self.check(done, "BPF programs", "FAIL", "not implemented", "CONFIG_BPF_SYSCALL=y")
        path = "/proc/sys/kernel/perf_event_paranoid"
        done = in_mount_namespace(fake(path, "3"), without("perf_event_open", "EACCES", [*SAMPLER_USER, HEARTH, "doctor"]))
        self.check(done, "perf_event_open", "FAIL", "Permission denied", r"^sysctl -w kernel.perf_event_paranoid=2$")

    def test_hidden_kernel_symbols(self):
        setup = fake("/proc/kallsyms", "0000000000000000 T _text")
        done = in_mount_namespace(setup, [HEARTH, "doctor"])
        self.check(done, "kernel symbols", "warn", "hidden", "container")
        setup += "; echo 2 > /mnt/level; mount --bind /mnt/level /proc/sys/kernel/kptr_restrict"
        done = in_mount_namespace(setup, [HEARTH, "doctor"])
        self.check(done, "kernel symbols", "warn", "kptr_restrict=2", "sysctl -w kernel.kptr_restrict=1")
        done = in_mount_namespace(fake("/proc/kallsyms", "") + "; : > /mnt/file", [HEARTH, "doctor"])
        self.check(done, "kernel symbols", "warn", "no functions", "ProtectKernelTunables=no")

    def test_lockdown(self):
        for mode, level in (("none [integrity] confidentiality", "ok"), ("none integrity [confidentiality]", "FAIL")):
            setup = f"mount -t tmpfs none /sys/kernel/security; echo '{mode}' > /sys/kernel/security/lockdown"
            done = in_mount_namespace(setup, [HEARTH, "doctor"])
            self.check(done, "lockdown", level, "integrity|confidentiality", "lockdown=none" if level == "FAIL" else "^$")

    def test_interpreted_programs_and_low_limits(self):
        done = in_mount_namespace(fake("/proc/sys/net/core/bpf_jit_enable", "0"), [HEARTH, "doctor"])
        self.check(done, "BPF compiler", "warn", "interpreted", "sysctl -w net.core.bpf_jit_enable=1")
        done = in_mount_namespace(fake("/proc/sys/kernel/perf_event_max_sample_rate", "50"), [HEARTH, "doctor"])
        self.check(done, "sampling limits", "warn", "50 Hz", "sysctl -w kernel.perf_event_max_sample_rate=")
        done = in_mount_namespace(fake("/proc/sys/kernel/perf_event_max_stack", "64"), [HEARTH, "doctor"])
        self.check(done, "sampling limits", "warn", "64 kernel frames", "sysctl -w kernel.perf_event_max_stack=127")

    def test_cgroup_versions(self):
        done = in_mount_namespace("mount -t cgroup2 none /sys/fs/cgroup", [HEARTH, "doctor"])
        self.check(done, "cgroups", "ok", "version 2", "^$")
        done = in_mount_namespace("mount -t tmpfs none /sys/fs/cgroup", [HEARTH, "doctor"])
        self.check(done, "cgroups", "warn", "version 1", "unified_cgroup_hierarchy")

    def test_hidden_processes(self):
        done = in_mount_namespace("mount -t proc -o hidepid=2 none /proc", [*NOBODY, HEARTH, "doctor"])
        self.check(done, "processes", "warn", "hidden", "hidepid=0")

    def test_data_directory(self):
        with tempfile.NamedTemporaryFile() as f:
            self.check(hearth("doctor", "--data-dir", f.name), "data directory", "warn", "Not a directory", "--data-dir")
            self.check(hearth("doctor", "--data-dir", f.name + "/x"), "data directory", "warn", "Not a directory", "--data-dir")
        with tempfile.TemporaryDirectory() as d:
            self.check(hearth("doctor", "--data-dir", d), "data directory", "ok", "is writable", "^$")
            setup = f"mount -t tmpfs -o size=1m none {d}"
            self.check(in_mount_namespace(setup, [HEARTH, "doctor", "--data-dir", d]), "data directory", "warn", "MiB free",
                       "free some disk")

    def test_no_debug_files(self):
        done = in_mount_namespace("mkdir -p /usr/lib/debug/.build-id; mount -t tmpfs none /usr/lib/debug/.build-id",
                                  [HEARTH, "doctor"])
        self.check(done, "debug files", "warn", "none in", "apt-get install libc6-dbg")


if __name__ == "__main__":
    unittest.main()
