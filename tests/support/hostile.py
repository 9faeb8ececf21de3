# SPDX-License-Identifier: Apache-2.0
"""
Files made to hurt who reads them: cut, flipped and crafted ELF files, and things that are no regular files at all.

    for case in hostile.cases(directory): case.path, case.name, case.heavy

Everything is made here, in a second or two; nothing of it lies in the repository. Heavy ones take a reader to its
limits of time or memory.
"""
import collections
import lzma
import os
import random
import struct
import subprocess
import zlib

Case = collections.namedtuple("Case", "name path heavy")

SOURCE = r"""
static inline __attribute__((always_inline)) int inner(int x) { return x * 3 + 1; }
__attribute__((noinline)) int outer(int x) { return x > 4 ? inner(x) ^ inner(x + 1) : x; }
int main(int argc, char **argv) { (void)argv; return outer(argc); }
"""
CODE = 0x401000
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS = 1, 2, 3, 7, 8
ALLOC_CODE = 6
COMPRESSED = 0x800


def uleb(value):
    out = bytearray()
    while True:
        byte = value & 0x7f
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


class Section:
    def __init__(self, name, data=b"", **fields):
        self.name = name
        self.data = data
        self.fields = {"type": SHT_PROGBITS, "flags": 0, "address": 0, "link": 0, "entry": 0, **fields}


def elf(*sections, machine=62, kind=2, width=64, order="<"):
    """An executable with these sections; .text is always there. Fields offset= and size= override what is true."""
    everything = [Section(".text", b"\x90" * 4096, flags=ALLOC_CODE, address=CODE), *sections, Section(".shstrtab")]
    names = b"\0" + b"".join(s.name.encode() + b"\0" for s in everything)
    everything[-1].data = names
    everything[-1].fields["type"] = SHT_STRTAB
    address = "Q" if width == 64 else "I"
    head_bytes, program_bytes = (64, 56) if width == 64 else (52, 32)
    body = bytearray(head_bytes + program_bytes)
    headers = [bytes(64 if width == 64 else 40)]
    name_at = 1
    for s in everything:
        body += bytes(-len(body) % 16)
        f = s.fields
        headers.append(struct.pack(
            f"{order}II{address}{address}{address}{address}II{address}{address}", name_at, f["type"], f["flags"],
            f["address"], f.get("offset", len(body)), f.get("size", len(s.data)), f["link"], 0, 1, f["entry"]))
        name_at += len(s.name) + 1
        body += s.data
    body += bytes(-len(body) % 16)
    ident = b"\x7fELF" + bytes([2 if width == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    body[:head_bytes] = ident + struct.pack(
        f"{order}HHI{address}{address}{address}IHHHHHH", kind, machine, 1, CODE, head_bytes, len(body), 0, head_bytes,
        program_bytes, 1, len(headers[1]), len(headers), len(headers) - 1)
    if width == 64:
        program = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, CODE - 0x1000, 0, len(body), len(body), 4096)
        body[head_bytes:head_bytes + program_bytes] = program
    return bytes(body) + b"".join(headers)


# --- DWARF by hand ---------------------------------------------------------------------------------------------------

TAG_UNIT, TAG_SUBPROGRAM, TAG_INLINED, TAG_BLOCK = 0x11, 0x2e, 0x1d, 0x0b
AT_NAME, AT_STMT, AT_LOW, AT_HIGH, AT_ORIGIN, AT_SPEC, AT_RANGES = 3, 0x10, 0x11, 0x12, 0x31, 0x47, 0x55
FORM_ADDR, FORM_DATA4, FORM_STRING, FORM_STRP, FORM_REF4, FORM_OFFSET = 1, 6, 8, 0x0e, 0x13, 0x17


def abbrev(code, tag, children, *attributes):
    return uleb(code) + uleb(tag) + bytes([children]) + b"".join(uleb(a) + uleb(f) for a, f in attributes) + b"\0\0"


def unit(entries, version=4, abbrev_offset=0):
    body = struct.pack("<HIB", version, abbrev_offset, 8) + entries
    return struct.pack("<I", len(body)) + body


def dwarf(info, shapes, **others):
    return elf(Section(".debug_info", info), Section(".debug_abbrev", shapes + b"\0"),
               *(Section(".debug_" + name, data) for name, data in others.items()))


CODE_RANGE = struct.pack("<QI", CODE, 64)
FUNCTION = ((AT_LOW, FORM_ADDR), (AT_HIGH, FORM_DATA4))
UNIT_SHAPE = abbrev(1, TAG_UNIT, 1, *FUNCTION)
UNIT_ENTRY = b"\1" + struct.pack("<QI", CODE, 4096)


def origin_cycle():
    """Two entries that refer to each other, and one to itself, by abstract origin and by specification."""
    shapes = UNIT_SHAPE + abbrev(2, TAG_SUBPROGRAM, 0, (AT_ORIGIN, FORM_REF4), *FUNCTION) + \
        abbrev(3, TAG_SUBPROGRAM, 0, (AT_SPEC, FORM_REF4), *FUNCTION)
    first = 11 + len(UNIT_ENTRY)
    entries = b""
    for code, target in ((2, first + 17), (3, first), (2, first + 34), (3, first + 51)):
        entries += bytes([code]) + struct.pack("<I", target) + CODE_RANGE
    return dwarf(unit(UNIT_ENTRY + entries + b"\0"), shapes)


def deep_tree(depth):
    shapes = UNIT_SHAPE + abbrev(2, TAG_INLINED, 1, *FUNCTION) + abbrev(3, TAG_BLOCK, 1)
    return dwarf(unit(UNIT_ENTRY + (b"\2" + CODE_RANGE + b"\3") * depth), shapes)


def many_rows(units, opcodes):
    """Every unit has the same line table, of a megabyte of rows that are no code's."""
    header = struct.pack("<BBbBB", 1, 1, -5, 14, 13) + bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + b"\0a.c\0\0\0\0\0"
    program = b"\0\x09\x02" + struct.pack("<Q", 16) + b"\x20" * opcodes + b"\0\x01\x01"
    body = struct.pack("<HI", 4, len(header)) + header + program
    shapes = abbrev(1, TAG_UNIT, 0, (AT_STMT, FORM_OFFSET))
    return dwarf(unit(b"\1" + struct.pack("<I", 0)) * units, shapes, line=struct.pack("<I", len(body)) + body)


def huge_strings(count, length):
    """Functions whose names all begin in the same string of @length bytes."""
    shapes = UNIT_SHAPE + abbrev(2, TAG_SUBPROGRAM, 0, (AT_NAME, FORM_STRP), *FUNCTION)
    entries = b"".join(b"\2" + struct.pack("<I", i) + struct.pack("<QI", CODE + i % 4000, 8) for i in range(count))
    return dwarf(unit(UNIT_ENTRY + entries + b"\0"), shapes, str=b"x" * length + b"\0")


def string_form(length):
    shapes = UNIT_SHAPE + abbrev(2, TAG_SUBPROGRAM, 0, (AT_NAME, FORM_STRING), *FUNCTION)
    return dwarf(unit(UNIT_ENTRY + b"\2" + b"y" * length + b"\0" + CODE_RANGE + b"\0"), shapes)


def many_ranges(functions, ranges):
    """Functions that share one long list of ranges."""
    shapes = UNIT_SHAPE + abbrev(2, TAG_SUBPROGRAM, 0, (AT_RANGES, FORM_OFFSET))
    pairs = b"".join(struct.pack("<QQ", CODE + i % 4000, CODE + i % 4000 + 1) for i in range(ranges))
    return dwarf(unit(UNIT_ENTRY + (b"\2" + struct.pack("<I", 0)) * functions + b"\0"), shapes,
                 ranges=pairs + bytes(16))


def many_abbrevs(units, shapes):
    """Each unit's shapes begin one further on in the same section."""
    one = abbrev(1, TAG_UNIT, 0)
    info = b"".join(unit(b"\1", abbrev_offset=i * len(one)) for i in range(units))
    return dwarf(info, one * shapes)


def overlapping_names(count, length):
    """Symbols whose names are all suffixes of one string."""
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", 1 + i, 0x12, 0, 1, CODE + i % 4000, 8) for i in range(count))
    return elf(Section(".strtab", b"\0" + b"n" * length + b"\0", type=SHT_STRTAB),
               Section(".symtab", symbols, type=SHT_SYMTAB, link=2, entry=24))


def names(*texts):
    """One function a name, 16 bytes each from CODE on."""
    table, symbols = b"\0", bytes(24)
    for i, text in enumerate(texts):
        symbols += struct.pack("<IBBHQQ", len(table), 0x12, 0, 1, CODE + 16 * i, 16)
        table += text + b"\0"
    return elf(Section(".strtab", table, type=SHT_STRTAB),
               Section(".symtab", symbols, type=SHT_SYMTAB, link=2, entry=24))


# --- compression, call frame information -----------------------------------------------------------------------------

def zlib_bomb(length):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(length >> 20)) + packer.flush()
    return Section(".debug_info", struct.pack("<IIQQ", 1, 0, length, 1) + packed, flags=COMPRESSED)


def zstd_bomb(length):
    """Blocks of one repeated byte: 128 KiB from four bytes."""
    blocks = length >> 17
    body = b"".join(struct.pack("<I", (i == blocks - 1) | 2 | (1 << 17) << 3)[:3] + b"\0" for i in range(blocks))
    frame = b"\x28\xb5\x2f\xfd" + bytes([0x00, 0x58]) + body
    return Section(".debug_info", struct.pack("<IIQQ", 2, 0, length, 1) + frame, flags=COMPRESSED)


def xz_bomb(length):
    packer = lzma.LZMACompressor(preset=0)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(length >> 20)) + packer.flush()


def cfi(instructions):
    """One FDE over the code with these instructions, of a CIE with CFA = rsp + 8."""
    cie = struct.pack("<IB", 0, 1) + b"\0" + uleb(1) + b"\x78" + uleb(16) + b"\x0c\x07\x08\x90\x01"
    cie += bytes(-(len(cie) + 4) % 8)
    records = struct.pack("<I", len(cie)) + cie
    fde = struct.pack("<I", len(records) + 4) + struct.pack("<QQ", CODE, 4096) + instructions
    fde += bytes(-(len(fde) + 4) % 8)
    records += struct.pack("<I", len(fde)) + fde + struct.pack("<I", 0)
    return elf(Section(".eh_frame", records, flags=2, address=0x410000))


REMEMBER, RESTORE = b"\x0a", b"\x0b"


def crafted():
    """name -> (bytes, heavy)"""
    loud = elf(Section(".debug_info", b"x" * 100), Section(".debug_abbrev", b"x" * 100))
    return {
        "origin-cycle": (origin_cycle(), False),
        "deep-tree": (deep_tree(100000), False),
        "string-form-64M": (string_form(64 << 20), False),
        "zlib-bomb-1G": (elf(zlib_bomb(1 << 30), Section(".debug_abbrev", UNIT_SHAPE)), True),
        "zstd-bomb-1G": (elf(zstd_bomb(1 << 30), Section(".debug_abbrev", UNIT_SHAPE)), False),
        "zlib-claims-2^60": (elf(Section(".debug_info", struct.pack("<IIQQ", 1, 0, 1 << 60, 1) + zlib.compress(b"x"),
                                         flags=COMPRESSED)), False),
        "xz-bomb-400M": (elf(Section(".gnu_debugdata", xz_bomb(400 << 20))), True),
        "cfi-register-100M": (cfi(b"\x05" + uleb(100000000) + uleb(1)), False),
        "cfi-register-2^64": (cfi(b"\x09" + uleb((1 << 64) - 1) + uleb((1 << 64) - 1)), False),
        "cfi-remember-1M": (cfi(REMEMBER * (1 << 20)), False),
        "cfi-restore-empty": (cfi(RESTORE * 1000), False),
        "cfi-advance-1M": (cfi(b"\x41\x0e\x10" * (1 << 20)), False),
        "cfi-expression-8M": (cfi(b"\x0f" + uleb(8 << 20) + b"\x96" * (8 << 20)), False),
        "huge-strings": (huge_strings(300000, 8 << 20), True),
        "line-rows-20G": (many_rows(20000, 1 << 20), True),
        "ranges-6G": (many_ranges(100000, 65000), True),
        "abbrevs-quadratic": (many_abbrevs(60000, 60000), True),
        "names-overlapping": (overlapping_names(400000, 2 << 20), True),
        "names-odd": (names(b"\xff\xfe", b"a\x1b[2Jb", b"x" * 20000, b"\xc2\x9b", b"semi;colon", b"new\nline",
                            b"_Z" + b"1AI" * 2000, b"_ZN" + b"S_" * 1000), False),
        "garbage-dwarf": (loud, False),
        "section-outside": (elf(Section(".debug_info", b"x", offset=1 << 40)), False),
        "section-wraps": (elf(Section(".debug_info", b"x", offset=(1 << 64) - 8, size=64)), False),
        "section-overlaps": (elf(Section(".symtab", b"", type=SHT_SYMTAB, link=1, entry=24, offset=0, size=4096)), False),
        "symtab-links-itself": (elf(Section(".symtab", bytes(240), type=SHT_SYMTAB, link=2, entry=24)), False),
        "entry-size-0": (elf(Section(".symtab", bytes(240), type=SHT_SYMTAB, link=1, entry=0)), False),
        "nobits-debug": (elf(Section(".debug_info", b"", type=SHT_NOBITS, size=1 << 50)), False),
        "elf32": (elf(width=32), False),
        "big-endian": (elf(order=">", machine=43), False),
        "aarch64": (elf(machine=183), False),
        "core": (elf(kind=4), False),
        "object": (elf(kind=1), False),
        "empty": (b"", False),
        "magic-only": (b"\x7fELF", False),
        "script": (b"#!/bin/sh\nexit 1\n", False),
    }


def base_program(folder):
    """A small real program with everything in it, as bytes."""
    source, path = os.path.join(folder, "base.c"), os.path.join(folder, "base")
    with open(source, "w", encoding="ascii") as f:
        f.write(SOURCE)
    subprocess.run(["gcc", "-g", "-O2", "-o", path, source], check=True, stdin=subprocess.DEVNULL)
    with open(path, "rb") as f:
        return f.read()


def cases(folder, flips=40, cuts=16, seed=1):
    """Makes the files below @folder, one at a time; what is no regular file is beyond this (see oddities())."""
    made = crafted()
    base = base_program(folder)
    chance = random.Random(seed)
    for i in range(cuts):
        made[f"cut-{i}"] = (base[:len(base) * i // cuts + i], False)
    for i in range(flips):
        data = bytearray(base)
        for _ in range(1 + i % 30):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7f, 0x80, 0xff, chance.randrange(256)))
        made[f"flip-{i}"] = (bytes(data), False)
    for name, (data, heavy) in made.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(data)
        yield Case(name, path, heavy)
    sparse = os.path.join(folder, "symtab-sparse-1T")
    with open(sparse, "wb") as f:
        f.write(elf(Section(".symtab", b"", type=SHT_SYMTAB, link=1, entry=24, offset=0, size=1 << 40)))
        f.truncate(1 << 40)
    yield Case("symtab-sparse-1T", sparse, True)


def oddities(folder):
    """What is no regular file: a reader must say so and not wait."""
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    link = os.path.join(folder, "loop")
    os.symlink(link, link)
    return [Case("fifo", fifo, False), Case("directory", folder, False), Case("zero", "/dev/zero", False),
            Case("terminal", "/dev/ptmx", False), Case("loop", link, False), Case("proc", "/proc/self/mem", False),
            Case("missing", os.path.join(folder, "none"), False)]
