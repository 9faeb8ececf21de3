# SPDX-License-Identifier: Apache-2.0
"""A root file system for a guest in one cpio archive (format "newc", uncompressed: quicker to boot under emulation)."""

import os
import pathlib
import re
import stat
import subprocess


class Archive:
    """A cpio archive that is written front to back; folders appear with the first file in them."""

    def __init__(self, path):
        self.stream = open(path, "wb")
        self.seen = set()
        self.inode = 0

    def _entry(self, name, mode, data=b"", device=(0, 0), owner=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, *owner, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        self.stream.write(b"070701" + b"".join(b"%08x" % field for field in fields) + encoded)
        self.stream.write(b"\0" * (-(110 + len(encoded)) % 4))
        self.stream.write(data + b"\0" * (-len(data) % 4))

    def folder(self, name):
        if not name or name in self.seen:
            return
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, source, name):
        """Add a file under a name; a name that is there already is left alone."""
        name = name.lstrip("/")
        if name in self.seen:
            return
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        source = pathlib.Path(source)
        mode = stat.S_IFREG | (0o755 if os.access(source, os.X_OK) else 0o644)
        self._entry(name, mode, source.read_bytes())

    def text(self, content, name):
        name = name.lstrip("/")
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | 0o644, content.encode())

    def device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def link(self, target, name):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def tree(self, root, left_out=()):
        """Add everything below a folder, with owners, but the folders named."""
        for path, folders, files in os.walk(root):
            inside = os.path.relpath(path, root)
            folders[:] = [name for name in folders if os.path.normpath(os.path.join(inside, name)) not in left_out]
            for name in sorted(folders + files):
                self._copy(os.path.join(path, name), os.path.normpath(os.path.join(inside, name)))

    def _copy(self, source, name):
        if name in self.seen:
            return
        self.seen.add(name)
        status = os.lstat(source)
        owner = (status.st_uid, status.st_gid)
        if stat.S_ISLNK(status.st_mode):
            self._entry(name, status.st_mode, os.readlink(source).encode(), owner=owner)
        elif stat.S_ISREG(status.st_mode):
            self._entry(name, status.st_mode, pathlib.Path(source).read_bytes(), owner=owner)
        elif stat.S_ISDIR(status.st_mode):
            self._entry(name, status.st_mode, owner=owner)

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.stream.close()


def libraries(binary):
    """What the dynamic linker would load for a binary: (name it asks for, file on this machine)."""
    text = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    found = re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", text, re.M)
    missing = re.findall(r"^\s*(\S+) => not found", text, re.M)
    if missing:
        raise FileNotFoundError(f"{binary} needs {', '.join(missing)}")
    return found


def build(target, programs, scripts):
    """Write the archive: programs and scripts in /opt, libraries where the linker looks, busybox, an init."""
    archive = Archive(target)
    archive.folder("dev")
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    archive.file("/bin/busybox", "bin/busybox")
    archive.text("root:x:0:0:root:/root:/bin/sh\nhearth:x:1000:1000::/:/bin/sh\n", "etc/passwd")
    archive.text("root:x:0:\nhearth:x:1000:\n", "etc/group")
    for script in scripts:
        archive.file(script, "init" if script.name == "init" else f"opt/{script.name}")
    for program in programs:
        archive.file(pathlib.Path(program).resolve(), f"opt/{pathlib.Path(program).name}")
        for library in libraries(program):
            archive.file(library, library)
    archive.close()
