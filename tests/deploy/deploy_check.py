#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check what is installed on hosts: unit, man page, completion, alert rules, manifests and the Debian package.

The package is installed, upgraded, removed and purged in a Debian 12 made by debootstrap, then installed there again
and booted with systemd as the first process in an emulated machine. Prints TAP.

    deploy_check.py [--no-boot]
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
WORK = ROOT / "build" / "deploy"
sys.path.insert(0, str(ROOT / "tests" / "vm"))

import initramfs  # noqa: E402
import kernels  # noqa: E402
import vm_check  # noqa: E402

RUNTIME = "systemd,systemd-sysv,dbus,procps,libbpf1,libdw1,libmicrohttpd12,libpcre2-8-0,libprotobuf-c1"
RUNTIME += ",libunwind8,libseccomp2,libxxhash0,libsqlite3-0,libyaml-0-2,libjansson4,libcurl3-gnutls"
# Written by the system itself whatever is installed.
NOT_OURS = re.compile(r"^(var/(log|cache|lib/(dpkg|systemd|apt))|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|run|tmp|proc|sys|dev|root)")


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, name, passed, detail=""):
        self.count += 1
        self.failed += not passed
        detail = " | ".join(str(detail).strip().splitlines()[-3:])
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}{': ' if detail else ''}{detail}", flush=True)

    def command(self, name, command, **options):
        done = run(command, **options)
        self.check(name, done.returncode == 0, "" if done.returncode == 0 else done.stdout + done.stderr)


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, errors="replace", **options)


# --- files -------------------------------------------------------------------------------------


def metric_names(text):
    names = set(re.findall(r"\bhearth_[a-z_]+", text))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}


def check_files(tap):
    deploy = ROOT / "deploy"
    lint = run(["mandoc", "-Tlint", str(deploy / "man/hearth.1")])
    findings = [line for line in lint.stdout.splitlines() if "outdated mandoc.db" not in line]
    tap.check("man page: mandoc finds nothing", not findings, "\n".join(findings))
    page = run(["mandoc", "-Tutf8", str(deploy / "man/hearth.1")]).stdout
    page = re.sub(r".\x08", "", page)
    for command in ("serve", "record", "query", "symbolize", "inspect", "doctor"):
        usage = run([str(ROOT / "build/hearth"), command, "--help"])
        options = set(re.findall(r"(--[a-z-]+)", usage.stdout)) - {"--help"}
        missing = sorted(option for option in options if option not in page)
        tap.check(f"man page: has the options of {command}", bool(options) and not missing, ", ".join(missing) or len(options))
        completion = (deploy / "completion/hearth.bash").read_text()
        missing = sorted(option for option in options if option not in completion)
        tap.check(f"completion: has the options of {command}", bool(options) and not missing, ", ".join(missing))
    tap.command("alert rules: promtool accepts them", ["promtool", "check", "rules", str(deploy / "prometheus/alerts.yaml")])
    tap.command("alert rules: fire and stay silent as they should", ["promtool", "test", "rules", str(HERE / "alerts_test.yaml")])
    dashboard = (deploy / "grafana/hearth.json").read_text()
    panels = json.loads(dashboard)["panels"]
    tap.check("dashboard: panels have ids of their own", len({panel["id"] for panel in panels}) == len(panels), len(panels))
    check_metrics(tap, dashboard + (deploy / "prometheus/alerts.yaml").read_text())
    score = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(deploy / "hearth.service")]).stdout
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", score)
    tap.check("unit: exposure at most 3.0", match and float(match.group(1)) <= 3.0, match and match.group(1))


def check_metrics(tap, text):
    """Every metric that alert rules and dashboard ask for is one that the source emits."""
    source = "".join(path.read_text() for path in (ROOT / "server").rglob("*.c"))
    missing = sorted(name for name in metric_names(text) if name not in source and name.removeprefix("hearth_") not in source)
    tap.check("metrics of rules and dashboard exist", not missing, ", ".join(missing))


# --- the package -------------------------------------------------------------------------------


def listing(root):
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if not NOT_OURS.match(name):
            found[name] = path.lstat().st_mode
    return found


def fresh_root():
    base, root = WORK / "base", WORK / "root"
    if not (base / "etc" / "debian_version").exists():
        shutil.rmtree(base, ignore_errors=True)
        print("# debootstrap, about a minute", flush=True)
        done = run(["debootstrap", "--variant=minbase", f"--include={RUNTIME}", "bookworm", str(base), kernels.debian_mirror()])
        if done.returncode:
            raise OSError(f"debootstrap: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", str(base), str(root)], check=True)
    return root


def in_root(root, *command):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "HOME": "/root"}
    return run(["chroot", str(root), *command], env=environment)


def newer(package, root):
    """The same package with a higher version."""
    work = WORK / "repack"
    shutil.rmtree(work, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", str(package), str(work)], check=True)
    control = work / "DEBIAN" / "control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+upgrade", control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(work), str(root / "newer.deb")], check=True, capture_output=True)


def check_package(tap, package):
    root = fresh_root()
    before = listing(root)
    shutil.copy(package, root / "hearth.deb")

    done = in_root(root, "dpkg", "-i", "/hearth.deb")
    tap.check("package: installs", done.returncode == 0, done.stdout + done.stderr if done.returncode else "")
    done = in_root(root, "hearth", "version")
    tap.check("package: the binary runs with the libraries it depends on", done.returncode == 0, done.stdout + done.stderr)
    done = in_root(root, "id", "hearth")
    tap.check("package: the user is there", done.returncode == 0, done.stdout + done.stderr)
    wanted = root / "etc/systemd/system/multi-user.target.wants/hearth.service"
    tap.check("package: the unit is enabled", wanted.is_symlink())
    done = in_root(root, "systemd-analyze", "verify", "--man=no", "hearth.service")
    tap.check("package: systemd-analyze verify finds nothing", done.returncode == 0 and not done.stderr.strip(), done.stderr)

    conffile = root / "etc/default/hearth"
    conffile.write_text('HEARTH_OPTIONS="--frequency 19"\n')
    settings = root / "etc/hearth/hearth.yaml"
    done = in_root(root, "hearth", "serve", "--check-config")
    tap.check("package: its configuration is read and right", done.stdout == "/etc/hearth/hearth.yaml: ok\n", done.stdout + done.stderr)
    settings.write_text("frequency: 17\n")
    newer(package, root)
    done = in_root(root, "dpkg", "-i", "/newer.deb")
    tap.check("package: upgrades", done.returncode == 0, done.stdout + done.stderr if done.returncode else "")
    tap.check("package: an upgrade keeps changed options", "--frequency 19" in conffile.read_text() and settings.read_text() == "frequency: 17\n")

    (root / "var/lib/hearth").mkdir(exist_ok=True)
    (root / "var/lib/hearth/segment").write_text("history")
    done = in_root(root, "dpkg", "-r", "hearth")
    tap.check("package: removes", done.returncode == 0 and not (root / "usr/bin/hearth").exists(), done.stderr)
    kept = conffile.exists() and (root / "var/lib/hearth/segment").exists()
    tap.check("package: options and history outlive removal", kept)
    done = in_root(root, "dpkg", "-P", "hearth")
    (root / "hearth.deb").unlink()
    (root / "newer.deb").unlink()
    left = sorted(set(listing(root)) ^ set(before))
    tap.check("package: purges", done.returncode == 0, done.stderr)
    tap.check("package: leaves nothing behind", not left, ", ".join(left[:8]))


# --- the service -------------------------------------------------------------------------------


def service_image(package):
    """A root file system with the package, in the memory of a guest."""
    root = fresh_root()
    shutil.copy(package, root / "hearth.deb")
    done = in_root(root, "dpkg", "-i", "/hearth.deb")
    if done.returncode:
        raise OSError(done.stderr)
    (root / "hearth.deb").unlink()
    (root / "init").symlink_to("sbin/init")
    (root / "opt").mkdir(exist_ok=True)
    for source in ("/bin/busybox", ROOT / "build/vm/busy", ROOT / "build/vm/fetch", HERE / "guest_checks.sh"):
        shutil.copy(source, root / "opt")
    shutil.copy(HERE / "guest-check.service", root / "etc/systemd/system")
    wants = root / "etc/systemd/system/default.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "guest-check.service").symlink_to("../guest-check.service")
    image = WORK / "service.cpio"
    archive = initramfs.Archive(image)
    archive.tree(root, {"usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt", "usr/share/zoneinfo"})
    archive.device("dev/console", 5, 1)
    archive.close()
    return image


SERVICE_CHECKS = ["service_active", "service_ready", "service_restarts", "service_user", "service_capabilities", "sysctl"]
SERVICE_CHECKS += ["names_user", "names_kernel", "metrics", "state_directory", "exposure", "service_restart", "service_stop"]


def check_service(tap, package):
    image = service_image(package)
    kernel = next(kernel for kernel in kernels.fetch(vm_check.WORK, vm_check.SUITES) if kernel.short == "6.1")
    append = f"{vm_check.COMMAND_LINE} systemd.show_status=no systemd.journald.forward_to_console=no"
    results = vm_check.run_guest(kernel, image, "service", append, 300, memory_mib=2560)
    for check in SERVICE_CHECKS:
        passed, detail = results.get(check, (False, f"no answer, see build/vm/log/{kernel.short}-service.console"))
        tap.check(f"service under systemd: {check}", passed, detail)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-boot", action="store_true", help="leave out the emulated machine")
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    packages = [path for path in (ROOT / "build/deb").glob("hearth_*_amd64.deb")]
    if len(packages) != 1:
        print("Bail out! make deb makes the package that is checked here")
        return 1
    tap = Tap()
    check_files(tap)
    try:
        check_package(tap, packages[0])
        if not arguments.no_boot:
            check_service(tap, packages[0])
    except (OSError, kernels.KernelError) as error:
        tap.check("a Debian 12 to try the package in", False, error)
    print(f"1..{tap.count}\n# {tap.count - tap.failed} passed, {tap.failed} failed")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
