#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boot Debian's kernels in an emulated machine of two CPUs and run the checks of guest/checks.sh in each.

Prints TAP, a line a check, and then a table kernel x check. Each boot leaves its console, with all that the
checks printed, in build/vm/log/.

    vm_check.py [--kernel 5.10|6.1|6.12|host]... [--check NAME]...
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

import initramfs
import kernels

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "vm"
GUEST = pathlib.Path(__file__).resolve().parent / "guest"
SUITES = ["bullseye", "bookworm", "trixie"]  # 5.10, 6.1, 6.12
PROGRAMS = ["probe", "busy", "runas", "fetch"]

# A boot: what is added to the kernel's command line, and the checks that run in it.
BOOTS = {
    "plain": (
        "",
        ["probe", "doctor", "record_busy", "record_pid", "record_machine", "record_status", "record_kernel"]
        + ["record_short", "record_pprof", "serve", "hotplug", "churn", "paranoid_root", "paranoid_service"]
        + ["service_rights", "no_rights", "no_rights_doctor", "no_btf", "kernel_log"],
    ),
    "integrity": ("lockdown=integrity", ["integrity", "kernel_log"]),
    "lockdown": ("lockdown=confidentiality", ["lockdown", "kernel_log"]),
}
# What may run on the machine itself: nothing that changes its settings.
HOST = ["probe", "doctor", "record_busy", "record_pid", "record_machine", "record_status", "record_kernel"]
HOST += ["record_short", "record_pprof", "serve", "service_rights", "no_rights", "no_rights_doctor"]
# Without cmpxchg16b: the emulator that Debian 12 ships sometimes leaves wrong flags behind it, and the allocator of 6.12,
# which leans on it, then panics. Kernels without it take another way.
CPU = "qemu64,-cx16"
BOOT_SECONDS = 90
CHECK_SECONDS = 60


COMMAND_LINE = "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic tsc=unstable cryptomgr.notests"


def run_guest(kernel, image, name, append, seconds, memory_mib=1536):
    """Run one guest until it switches itself off. Returns {check: (passed, detail)} of what it reported."""
    log = WORK / "log"
    log.mkdir(parents=True, exist_ok=True)
    console, answers = log / f"{kernel.short}-{name}.console", log / f"{kernel.short}-{name}.checks"
    answers.unlink(missing_ok=True)
    command = ["nice", "qemu-system-x86_64", "-accel", os.environ.get("VM_ACCEL", "tcg"), "-cpu", CPU, "-smp", "2"]
    command += ["-m", str(memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{console}", "-serial", f"file:{answers}"]
    command += ["-kernel", str(kernel.image), "-initrd", str(image), "-append", append]
    try:
        done = subprocess.run(command, timeout=seconds, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"# qemu: {done.stderr.strip()}")
    except subprocess.TimeoutExpired:
        print(f"# {kernel.short} {name}: stopped after the time limit")
    return parse_answers(answers.read_text(errors="replace") if answers.exists() else "")


def parse_answers(text):
    results = {}
    for check, verdict, detail in re.findall(r"^CHECK (\S+) (ok|FAIL) ?(.*?)\r?$", text, re.M):
        results[check] = (verdict == "ok", detail)
    return results


def on_host(checks):
    """Run checks on this machine, with the same shell and tools as in a guest."""
    applets = WORK / "applets"
    applets.mkdir(exist_ok=True)
    subprocess.run(["busybox", "--install", "-s", str(applets)], check=False, capture_output=True)
    scratch = WORK / "scratch"
    scratch.mkdir(exist_ok=True)
    environment = {"PATH": f"{WORK}:{ROOT / 'build'}:{applets}", "SCRATCH": str(scratch), "HOME": "/root", "LC_ALL": "C"}
    results = {}
    for check in checks:
        command = ["timeout", "-s", "KILL", "120", "busybox", "sh", str(GUEST / "checks.sh"), check]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, errors="replace")
        lines = (done.stdout + done.stderr).strip().splitlines()
        results[check] = (done.returncode == 0, lines[-1] if lines else "")
    return results


class Report:
    """TAP as results come in, a table at the end."""

    def __init__(self):
        self.count = self.failed = 0
        self.cells = {}
        self.rows = []
        self.columns = []

    def add(self, column, check, result):
        passed, detail = result
        self.count += 1
        self.failed += not passed
        print(f"{'ok' if passed else 'not ok'} {self.count} - {column}: {check}: {detail}", flush=True)
        self.cells[check, column] = "ok" if passed else "FAIL"
        if check not in self.rows:
            self.rows.append(check)
        if column not in self.columns:
            self.columns.append(column)

    def table(self):
        width = max(map(len, self.rows), default=0) + 2
        print("#\n# " + "check".ljust(width) + "".join(column.rjust(8) for column in self.columns))
        for check in self.rows:
            cells = "".join(self.cells.get((check, column), "-").rjust(8) for column in self.columns)
            print("# " + check.ljust(width) + cells)


def run_kernel(report, kernel, image, wanted):
    for name, (extra, checks) in BOOTS.items():
        chosen = [check for check in checks if not wanted or check in wanted]
        if not chosen:
            continue
        start = time.monotonic()
        append = f"{COMMAND_LINE} {extra} checks={','.join(chosen)}"
        results = run_guest(kernel, image, name, append, BOOT_SECONDS + CHECK_SECONDS * len(chosen))
        prefix = "" if name == "plain" else f"{name} "
        for check in ["boot", *chosen]:
            missing = (False, f"no answer from the guest, see build/vm/log/{kernel.short}-{name}.console")
            report.add(kernel.short, (prefix if check in ("boot", "kernel_log") else "") + check, results.get(check, missing))
        print(f"# {kernel.short} {name}: {time.monotonic() - start:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", action="append", help="only this column: 5.10, 6.1, 6.12 or host")
    parser.add_argument("--check", action="append", help="only this check")
    arguments = parser.parse_args()
    wanted = arguments.check

    report = Report()
    try:
        fetched = kernels.fetch(WORK, SUITES)
        image = WORK / "initramfs.cpio"
        programs = [WORK / name for name in PROGRAMS] + [ROOT / "build" / "hearth"]
        initramfs.build(image, programs, [GUEST / "init", GUEST / "checks.sh"])
    except (kernels.KernelError, OSError) as error:
        print(f"Bail out! {error}")
        return 1
    for kernel in fetched:
        if not arguments.kernel or kernel.short in arguments.kernel:
            run_kernel(report, kernel, image, wanted)
    if not arguments.kernel or "host" in arguments.kernel:
        for check, result in on_host([check for check in HOST if not wanted or check in wanted]).items():
            report.add("host", check, result)
    print(f"1..{report.count}")
    report.table()
    print(f"# {report.count - report.failed} passed, {report.failed} failed")
    return 1 if report.failed or not report.count else 0


if __name__ == "__main__":
    sys.exit(main())
