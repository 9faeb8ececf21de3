# SPDX-License-Identifier: Apache-2.0
"""A program whose shares are known, through go tool pprof, and what other tools make of the same samples."""
import json
import os
import re
import resource
import subprocess
import tempfile
import time

from support import programs
from support.server import Server
from support.tool import ROOT, run

from . import PORT

BURN_S = 25
WINDOW_S = 33
QUERY = '{comm="seventy30"}'


def pprof(*arguments):
    return run(["go", "tool", "pprof", *arguments], timeout=120)


def burn():
    """Runs the program first in line; returns the CPU seconds the kernel charged it with."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["chrt", "--fifo", "10", programs.build("seventy30"), str(BURN_S)], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check(table):
    with Server(PORT) as server, tempfile.TemporaryDirectory() as scratch:
        url = f"http://127.0.0.1:{PORT}/debug/pprof/profile?seconds={WINDOW_S}&query={QUERY}"
        tool = subprocess.Popen(["go", "tool", "pprof", "-top", "-unit=s", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "PPROF_TMPDIR": scratch})
        time.sleep(2)
        used = burn()
        top, errors = tool.communicate(timeout=120)
        if tool.returncode:
            table.row("go tool pprof -top URL", "status 0", errors.strip(), False)
            return
        shares(table, top, used)
        saved = [os.path.join(scratch, name) for name in os.listdir(scratch)]
        if not table.row("go tool pprof saves the profile", "1 file", f"{len(saved)} files", len(saved) == 1):
            return
        lines(table, saved[0])
        accepted(table, saved[0])
        speedscope(table, server, scratch)


def shares(table, top, used):
    amount, unit = re.search(r"Total samples = ([\d.]+)(ms|s|mins)", top).groups()
    total = float(amount) * {"ms": 0.001, "s": 1, "mins": 60}[unit]
    table.row("total CPU against the program's rusage", "within 2 %", f"{total:.2f} s of {used:.2f} s: {(total / used - 1) * 100:+.1f} %",
              abs(total / used - 1) <= 0.02)
    cumulative = {}
    for line in top.splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[4].endswith("%"):
            cumulative[fields[5].replace(" (inline)", "")] = float(fields[4][:-1])
    for name, wanted in (("burn_seventy", 70), ("burn_thirty", 30)):
        share = cumulative.get(name, 0)
        table.row(f"share of {name}", f"{wanted} +- 3 %", f"{share} %", abs(share - wanted) <= 3)
    table.row("inlined helpers are in -top", "run_seventy, run_thirty, mix", ", ".join(sorted(set(cumulative) & {"run_seventy", "run_thirty", "mix"})),
              {"run_seventy", "run_thirty", "mix"} <= set(cumulative))


def locations(raw):
    """[(address, [(function, file, line)])] of the program itself, innermost first; addresses as ELF vaddrs."""
    mapping = re.search(r"^(\d+): (0x[0-9a-f]+)/(0x[0-9a-f]+)/(0x[0-9a-f]+) \S*seventy30", raw, re.M)
    number, start, offset = mapping.group(1), int(mapping.group(2), 16), int(mapping.group(4), 16)
    found = []
    for line in raw[raw.index("\nLocations\n"):].splitlines():
        head = re.match(r"\s+\d+: (0x[0-9a-f]+) M=(\d+) (.*)$", line)
        inner = re.match(r"\s{5,}(\S.*:\d+ s=\d+.*)$", line)
        if head:
            here = head.group(2) == number
            if here:
                found.append((int(head.group(1), 16) - start + offset, []))
        frame = re.match(r"(.*) (\S*):(\d+)(?::\d+)? s=\d+", head.group(3) if head else inner.group(1) if inner else "")
        if frame and here:
            found[-1][1].append((frame.group(1), frame.group(2) or "??", int(frame.group(3))))
    return found


def segments(path):
    """[(offset, vaddr, size)] of the PT_LOAD segments."""
    out = run(["readelf", "-lW", path]).stdout
    return [tuple(int(x, 16) for x in m.groups()) for m in
            re.finditer(r"^\s+LOAD\s+(0x[0-9a-f]+) (0x[0-9a-f]+) 0x[0-9a-f]+ (0x[0-9a-f]+)", out, re.M)]


def lines(table, path):
    """Inline chains and lines against llvm-symbolizer for every address of the program in the profile."""
    raw = pprof("-raw", path).stdout
    program = programs.build("seventy30")
    loads = segments(program)
    agree, differ = 0, []
    for place, frames in locations(raw):
        vaddr = next((place - o + v for o, v, size in loads if o <= place < o + size), place)
        out = run(["llvm-symbolizer", "--obj=" + program, "--inlines", hex(vaddr)]).stdout.split("\n")
        wanted = [(out[i], out[i + 1].rsplit(":", 2)[0], int(out[i + 1].rsplit(":", 2)[1])) for i in range(0, len(out) - 1, 2) if out[i]]
        if frames == wanted or wanted[:1] == [("??", "??", 0)] and not any(f[2] for f in frames):
            agree += 1
        else:
            differ.append(f"{vaddr:#x}: {frames} not {wanted}")
    table.row("inline chains and lines against llvm-symbolizer", "all agree", f"{agree} of {agree + len(differ)} addresses {'; '.join(differ[:2])}",
              agree > 0 and not differ)


def accepted(table, path):
    for arguments in (["-raw"], ["-traces"], ["-tags"], ["-top", "-tagroot=comm"], ["-top", "-diff_base", path], ["-peek", "burn"],
                      ["-list", "burn_seventy"], ["-dot"], ["-proto", "-output=/dev/null"]):
        done = pprof(*arguments, path)
        good = done.returncode == 0 and ("-proto" in arguments or len(done.stdout) > 40)
        if "-tagroot=comm" in arguments:
            good = good and re.search(r"100%\s+seventy30", done.stdout) is not None
        table.row("go tool pprof " + " ".join(a.replace(path, "FILE") for a in arguments), "accepts it",
                  f"status {done.returncode}, {len(done.stdout)} bytes" + ("" if good else ": " + done.stderr.strip()[-150:]), good)


def speedscope(table, server, scratch):
    status, _, body = server.get("/api/v1/query", query=QUERY, from_="now-5m", format="speedscope")
    path = os.path.join(scratch, "profile.speedscope.json")
    with open(path, "wb") as f:
        f.write(body)
    done = run(["node", os.path.join(ROOT, "tests", "support", "speedscope.mjs"), path], timeout=120)
    names = {f["name"] for f in json.loads(body)["shared"]["frames"]} if status == 200 else set()
    table.row("speedscope's importer loads the JSON", "shown, with our functions", done.stdout.strip()[:120] or f"status {status}",
              done.returncode == 0 and {"burn_seventy", "burn_thirty"} <= names)
