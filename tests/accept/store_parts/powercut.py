# SPDX-License-Identifier: Apache-2.0
"""
Power cuts: what the writer did to its files is recorded with strace and replayed up to random moments. What was synced is
there; of what each file got since, a random part from the start is, and the last write may be torn.
"""
import os
import random
import re
import shutil
import subprocess
import tempfile

from . import writer

CUTS = 100
WINDOWS = 420  # more than an hour: one file is sealed
CALLS = "openat,close,pwrite64,write,ftruncate,fsync,fdatasync,unlink,rename"
LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\)\s+= (-?\d+)")


def unquote(text):
    return bytes.fromhex(text[1:-1].replace("\\x", "")) if text.startswith('"') else b""


def arguments(text):
    return re.findall(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|[^,\s][^,]*', text)


class Disk:
    """Files by number, so that a rename moves a name and not what is in it."""

    def __init__(self):
        self.names, self.files, self.pending_names = {}, [], []

    def open(self, path, created):
        if path not in self.names and created:
            self.files.append({"durable": bytearray(), "pending": []})
            self.names[path] = len(self.files) - 1
            self.pending_names.append(("create", path, len(self.files) - 1))
        return self.names.get(path)


def apply(data, operation, torn=False):
    kind, offset, content = operation
    if kind == "truncate":
        del data[offset:]
        data.extend(b"\0" * (offset - len(data)))
        return
    if torn:
        content = content[:len(content) // 2]
    data.extend(b"\0" * (offset - len(data)))
    data[offset:offset + len(content)] = content


def read_trace(path, directory):
    """[(call, arguments...)] on the files of the directory, and ("report", line) where the writer said something"""
    fds, calls = {}, []
    with open(path, encoding="ascii", errors="replace") as f:
        for line in f:
            match = LINE.match(line)
            if not match or int(match.group(3)) < 0:
                continue
            call, args, result = match.group(1), arguments(match.group(2)), int(match.group(3))
            if call == "openat":
                name = unquote(args[1]).decode()
                fds[result] = name if name.startswith(directory) else None
                if fds[result]:
                    calls.append(("open", name, "O_CREAT" in args[2]))
            elif call in ("unlink", "rename"):
                calls.append((call, *(unquote(a).decode() for a in args)))
            elif call == "write" and args[0] == "1":
                calls.append(("report", unquote(args[1]).decode()))
            elif fds.get(int(args[0])):
                name = fds[int(args[0])]
                if call in ("pwrite64", "write"):
                    calls.append(("write", name, int(args[3]) if call == "pwrite64" else None, unquote(args[1])))
                elif call == "ftruncate":
                    calls.append(("truncate", name, int(args[1])))
                elif call != "close":
                    calls.append(("sync", name))
    return calls


def sync(disk, name, directory):
    if name == directory:
        disk.pending_names.clear()
        return
    file = disk.files[disk.names[name]]
    for operation in file["pending"]:
        apply(file["durable"], operation)
    file["pending"].clear()
    disk.pending_names = [p for p in disk.pending_names if p[:2] != ("create", name)]


def play(calls, directory, count):
    """(disk, reported windows) after so many calls"""
    disk, said = Disk(), ""
    for call, *rest in calls[:count]:
        if call == "report":
            said += rest[0]
        elif call == "open":
            if rest[0] != directory:
                disk.open(*rest)
        elif call == "write" and rest[0] in disk.names:
            disk.files[disk.names[rest[0]]]["pending"].append(("write", rest[1] or 0, rest[2]))
        elif call == "truncate":
            disk.files[disk.names[rest[0]]]["pending"].append(("truncate", rest[1], b""))
        elif call == "sync":
            sync(disk, rest[0], directory)
        elif call == "unlink" and rest[0] in disk.names:
            disk.pending_names.append(("unlink", rest[0], disk.names.pop(rest[0])))
        elif call == "rename" and rest[0] in disk.names:
            disk.pending_names.append(("rename", *rest, disk.names.get(rest[1])))
            disk.names[rest[1]] = disk.names.pop(rest[0])
    return disk, writer.reported(said)


def lose_names(disk, rng):
    """Undoes the last of the changes of names that nothing made durable."""
    keep = rng.randint(0, len(disk.pending_names))
    for kind, path, *rest in reversed(disk.pending_names[keep:]):
        if kind == "create":
            disk.names.pop(path, None)
        elif kind == "unlink":
            disk.names[path] = rest[0]
        else:
            disk.names[path] = disk.names.pop(rest[0])
            if rest[1] is not None:
                disk.names[rest[0]] = rest[1]


def cut(calls, directory, count, rng):
    """Leaves in @directory what the power cut left. Returns the windows that were reported before it."""
    disk, said = play(calls, directory, count)
    lose_names(disk, rng)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for path, number in disk.names.items():
        data = bytearray(disk.files[number]["durable"])
        pending = disk.files[number]["pending"]
        kept = rng.randint(0, len(pending))
        for i, operation in enumerate(pending[:kept]):
            apply(data, operation, torn=i == kept - 1 and rng.random() < 0.5)
        with open(path, "wb") as f:
            f.write(data)
    return said


def check(table, cuts=CUTS):
    writer.build()
    base = tempfile.mkdtemp(prefix="hearth-accept-")
    directory, trace = base + "/history", base + "/trace"
    rng = random.Random(3)
    wrong, damaged, windows = [], 0, 0
    try:
        subprocess.run(["strace", "-f", "-xx", "-s", "200000", "-e", "trace=" + CALLS, "-o", trace,
                        *writer.command(directory, "--all", "--report", "--windows", str(WINDOWS), cores=2, days=30)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        calls = read_trace(trace, directory)
        for _ in range(cuts):
            said = cut(calls, directory, rng.randint(1, len(calls)), rng)
            last = writer.START_S + len(said) * writer.WINDOW_S
            opened = subprocess.run(writer.command(directory, "--all", "--from", str(WINDOWS + 10), "--windows", "1", cores=2, days=30), check=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            damaged += "damaged=0" not in opened.stdout
            windows += len(said)
            for start in (last, writer.START_S + (WINDOWS + 10) * writer.WINDOW_S):
                samples = writer.in_flight(directory, said, start)
                if samples is not None:
                    said[start] = samples
            wrong += writer.differences(directory, said)
        table.row("power cuts: every window that was reported is there, once", f"{cuts} cuts, 0 differences",
                  f"{cuts} cuts of {len(calls)} calls, {windows} windows, {len(wrong)} differences{': ' + '; '.join(wrong[:3]) if wrong else ''}",
                  not wrong and windows)
        table.row("each file opens after a power cut", "0 damaged", f"{damaged} cuts with damaged files", not damaged)
    finally:
        shutil.rmtree(base)
