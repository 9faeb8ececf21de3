#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Run a command for which one system call fails, as on a kernel or in a container that forbids it.

    deny.py perf_event_open EACCES COMMAND [ARGUMENT...]
"""
import ctypes
import errno
import os
import struct
import sys

NUMBERS = {"x86_64": {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323},
           "aarch64": {"bpf": 280, "perf_event_open": 241, "userfaultfd": 282}}
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def forbid(name, error):
    number = NUMBERS[os.uname().machine][name]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in (
        (LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, RET_ERRNO | error), (RETURN, 0, 0, RET_ALLOW)))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    forbid(sys.argv[1], getattr(errno, sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
