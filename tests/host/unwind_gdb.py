# SPDX-License-Identifier: Apache-2.0
"""Runs inside gdb: records the current thread and what gdb says of its stack.

record(directory) writes maps, regs, stack-N and frames (one JSON list a frame: pc, name, sp, bp; gdb's own view).
Frames that gdb makes up (inlined functions, tail calls) are left out: the unwinder deals in real ones.
"""
import json
import os
import struct

import gdb

REGISTERS = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
STACK_MAX = 4 << 20
MASK = (1 << 64) - 1


def setup():
    for command in (
        "set pagination off",
        "set confirm off",
        "set debuginfod enabled off",
        "set backtrace past-main on",
        "set backtrace past-entry on",
        "set disable-randomization on",
        "set breakpoint pending on",
        "set print thread-events off",
        "handle SIGUSR1 SIGUSR2 SIGALRM nostop noprint pass",
    ):
        gdb.execute(command, to_string=True)


def _maps():
    with open("/proc/%d/maps" % gdb.selected_inferior().pid) as f:
        return f.read()


def _ranges(maps):
    for line in maps.splitlines():
        fields = line.split()
        start, end = (int(x, 16) for x in fields[0].split("-"))
        yield start, end, fields[1], fields[5] if len(fields) > 5 else ""


def _real_frames():
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            yield frame
        try:
            frame = frame.older()
        except gdb.error:
            return


def _register(frame, name):
    try:
        return int(frame.read_register(name)) & MASK
    except (gdb.error, ValueError):
        return None


def record(directory, frame_limit=600):
    os.makedirs(directory)
    maps = _maps()
    newest = gdb.newest_frame()
    with open(directory + "/maps", "w") as f:
        f.write(maps)
    with open(directory + "/regs", "w") as f:
        for name in REGISTERS:
            f.write("%s: %x\n" % (name, _register(newest, name)))
    frames = []
    for frame in _real_frames():
        frames.append([frame.pc(), frame.name(), _register(frame, "rsp"), _register(frame, "rbp"),
                       frame.type() == gdb.SIGTRAMP_FRAME])
        if len(frames) == frame_limit:
            break
    with open(directory + "/frames", "w") as f:
        json.dump(frames, f)
    _stacks(directory, maps, frames)


def _stacks(directory, maps, frames):
    """Every writable mapping that a frame's stack pointer lies in, from the lowest of them on."""
    inferior = gdb.selected_inferior()
    count = 0
    for start, end, perms, _ in _ranges(maps):
        inside = [f[2] for f in frames if f[2] is not None and start <= f[2] < end]
        if not inside or "w" not in perms:
            continue
        low = max(start, min(inside) - 256)
        data = bytes(inferior.read_memory(low, min(end - low, STACK_MAX)))
        with open("%s/stack-%d" % (directory, count), "wb") as f:
            f.write(struct.pack("<Q", low) + data)
        count += 1


def at_breakpoint(directory, place):
    gdb.execute("break " + place, to_string=True)
    gdb.execute("run", to_string=True)
    record(directory + "/0")


def stepping(directory, place, steps):
    gdb.execute("break " + place, to_string=True)
    gdb.execute("run", to_string=True)
    for i in range(steps):
        record("%s/%d" % (directory, i))
        gdb.execute("stepi", to_string=True)


def at_stop(directory):
    """Where the program stops by itself (a fault)."""
    gdb.execute("run", to_string=True)
    record(directory + "/0")


def attached(directory):
    record(directory + "/0")


setup()
exec(os.environ["HEARTH_GDB"])
