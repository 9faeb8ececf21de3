# SPDX-License-Identifier: Apache-2.0
"""
Unwind tables against libdw: every ELF file below DIRECTORIES, each row's first and last address, each of libdw's, and
1,000 random ones. HEARTH_ROWS_FILES=N takes a sample of N files, drawn with HEARTH_ROWS_SEED (default 1).
"""
import os
import random
import subprocess
import time

from support.tool import ROOT, run

DIRECTORIES = ("/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/gcc")
PROCESSES = 2
LIMIT_S = 600
ROW_BYTES = 4


def elf_files():
    """Regular files with ELF's magic, each once."""
    seen, found = set(), []
    for top in DIRECTORIES:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                    if not os.path.isfile(path) or (status.st_dev, status.st_ino) in seen:
                        continue
                    with open(path, "rb") as f:
                        if f.read(4) != b"\x7fELF":
                            continue
                except OSError:
                    continue
                seen.add((status.st_dev, status.st_ino))
                found.append((status.st_size, path))
    return sorted(found, reverse=True)


def sample(files):
    count = int(os.environ.get("HEARTH_ROWS_FILES", "0"))
    if not count or count >= len(files):
        return files
    return sorted(random.Random(int(os.environ.get("HEARTH_ROWS_SEED", "1"))).sample(files, count), reverse=True)


def build_tool():
    done = run(["make", "-s", "build/accept/unwind_rows"], timeout=300)
    if done.returncode:
        raise RuntimeError(f"cannot build the comparison: {done.stderr.strip()[-300:]}")
    return os.path.join(ROOT, "build", "accept", "unwind_rows")


def compare(tool, files):
    """Results of all files; the largest first, dealt out to PROCESSES."""
    running = [subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    for i, process in enumerate(running):
        process.stdin.write("".join(path + "\n" for _, path in files[i::PROCESSES]))
        process.stdin.close()
    results, notes = [], []
    for process in running:
        for line in process.stdout:
            fields = line.rstrip("\n").split("\t")
            if fields[0] == "file":
                results.append({k: int(v) if v.lstrip("-").isdigit() else v for k, v in (f.split("=", 1) for f in fields[1:])})
            else:
                notes.append(line.rstrip("\n"))
        if process.wait():
            notes.append(f"a comparing process ended with status {process.returncode}")
    return results, notes


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def check(table):
    every = elf_files()
    files = sample(every)
    started = time.monotonic()
    results, notes = compare(build_tool(), files)
    took_s = time.monotonic() - started
    made = [r for r in results if not r["error"]]
    for note in notes[:40]:
        print("  " + note)

    without = {}
    for r in results:
        if r["error"]:
            without[r["why"]] = without.get(r["why"], 0) + 1
    table.row("ELF files gone through", f"all {len(every)}",
              f"{len(results)} of {len(every)}; {len(made)} tables; " + (", ".join(f"{n} {w}" for w, n in sorted(without.items()))
                                                                        or "none without"),
              len(results) == len(files) and not [n for n in notes if n.startswith("a comparing")])

    # Nothing runs from a relocatable object: it has no segments, and its addresses are not final.
    bad = [r for r in results if r["error"] and r["libdw"] and r["why"] != "relocatable objects"]
    table.row("no table although libdw has rows", "0 files", f"{len(bad)}: " + ", ".join(r["path"] for r in bad[:3]), not bad)

    total = {key: sum(r[key] for r in made) for key in ("compared", "bases", "different", "rows", "rules", "bytes", "build_ns", "walk_ns",
                                                       "walk_rows", "expressions")}
    classes = {}
    for r in made:
        for key, value in r.items():
            if key.startswith("class_") and value:
                classes[key[6:]] = classes.get(key[6:], 0) + value
    named = ", ".join(f"{n} {c}" for c, n in sorted(classes.items())) or "none"
    table.row("rules that differ from libdw's", "0 beside the named classes",
              f"{total['different']} of {total['compared']} (rbx besides at {total['bases']}); named: {named}", made and not total["different"])

    rows = [r["rows"] for r in made]
    table.row("rows per file", "reported", f"{total['rows']} in all; median {quantile(rows, .5)}, 90 % {quantile(rows, .9)}, "
              f"99 % {quantile(rows, .99)}, most {max(rows, default=0)}; {total['expressions']} need an expression", bool(rows))

    # What a table takes beyond its rows is its rules (16 bytes each), its index (4 bytes a page) and its head.
    row_bytes = sum(r["bytes"] - r["head_bytes"] - 16 * r["rules"] - 4 * (r["pages"] + 1) for r in made) / max(1, total["rows"])
    table.row("bytes per row", f"<= {ROW_BYTES} + rule table", f"{row_bytes:.2f}, with rules and index "
              f"{total['bytes'] / max(1, total['rows']):.2f}", made and row_bytes <= ROW_BYTES)

    ours, theirs = total["build_ns"] / max(1, total["rows"]), total["walk_ns"] / max(1, total["walk_rows"])
    table.row("build time per row against the libdw walk", "less", f"{ours:.0f} ns against {theirs:.0f} ns "
              f"({theirs / max(ours, 1e-9):.1f} x)", made and ours < theirs)
    table.row("time for all of it", f"<= {LIMIT_S} s", f"{took_s:.0f} s", took_s <= LIMIT_S)
