# SPDX-License-Identifier: Apache-2.0
"""Debian kernels of other releases, fetched and checked by apt without touching the machine's own configuration.

apt runs with a sources list, lists and cache of its own below build/vm/. The mirror is the one the machine's own
configuration names; what comes from it is trusted because its signature matches Debian's archive keys.
"""

import pathlib
import re
import shutil
import subprocess

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
META_PACKAGE = "linux-image-cloud-amd64"  # no drivers for hardware: a third of the size, the same core


class KernelError(Exception):
    """A kernel could not be had; the text says why."""


class Kernel:
    """An unpacked kernel: its release ("6.1.0-50-cloud-amd64") and the file to boot."""

    def __init__(self, suite, image):
        self.suite = suite
        self.image = image
        self.release = image.name.removeprefix("vmlinuz-")
        self.short = ".".join(self.release.split(".")[:2])


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise KernelError(f"{command[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return done.stdout


def debian_mirror():
    """The Debian mirror of the machine's own apt configuration."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)
    for line in _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(CREATED_BY)"]).splitlines():
        uri, release, kind = line.split()
        if kind == "Packages" and release == codename:
            return uri
    raise KernelError(f"apt knows no mirror for {codename}")


class Apt:
    """apt with a configuration of its own in a folder."""

    def __init__(self, folder, suites):
        self.folder = folder.resolve()
        for name in ("lists/partial", "cache/archives/partial", "empty"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        mirror = debian_mirror()
        (self.folder / "sources.list").write_text(
            "".join(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n" for suite in suites)
        )
        self.options = [
            f"-oDir::Etc::sourcelist={self.folder}/sources.list",
            f"-oDir::Etc::sourceparts={self.folder}/empty",
            f"-oDir::Etc::preferencesparts={self.folder}/empty",
            f"-oDir::State::lists={self.folder}/lists",
            f"-oDir::Cache={self.folder}/cache",
            "-oAPT::Sandbox::User=root",
            "-oAcquire::Languages=none",
        ]

    def update(self):
        _run(["apt-get", *self.options, "-q", "update"])

    def real_package(self, suite):
        """The package that the release's kernel meta package depends on, with its version."""
        text = _run(["apt-cache", *self.options, "show", f"{META_PACKAGE}/{suite}"])
        match = re.search(r"^Depends:.*?(linux-image-\S+) \(= (\S+)\)", text, re.M)
        if not match:
            raise KernelError(f"{META_PACKAGE} of {suite} depends on no kernel")
        return f"{match.group(1)}={match.group(2)}"

    def unpack(self, package, target):
        work = target.parent / f"{target.name}.new"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        _run(["apt-get", *self.options, "-q", "download", package], cwd=work)
        archive = next(work.glob("*.deb"))
        _run(["dpkg-deb", "-x", str(archive), str(work / "root")])
        shutil.rmtree(target, ignore_errors=True)
        (work / "root" / "boot").rename(target)
        shutil.rmtree(work)


def fetch(folder, suites):
    """The kernels of the suites; from the folder where they are there already, else from the mirror."""
    kernels, apt = [], None
    for suite in suites:
        target = folder / "kernels" / suite
        if not list(target.glob("vmlinuz-*")):
            if not apt:
                apt = Apt(folder / "apt", suites)
                apt.update()
            apt.unpack(apt.real_package(suite), target)
        kernels.append(Kernel(suite, next(target.glob("vmlinuz-*"))))
    return kernels
