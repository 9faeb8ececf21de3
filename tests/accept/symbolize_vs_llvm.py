#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Holds `hearth symbolize` against `llvm-symbolizer --inlines` on random code addresses of many kinds of binaries.

    tests/accept/symbolize_vs_llvm.py [--count N] [--seed N] [--rows] [--examples N] [CASE...]

Two answers are the same only if they are the same bytes: every function, file, line and column of the whole inline chain.
What differs is put into a class by a rule that is checked on that very address; what fits no rule is "unexplained". The
classes in CONFIRMED are those where another tool (nm, c++filt) gives the name that hearth gives and LLVM has none or cannot
read it, and one decision: where there is no line, hearth prints ??:0:0, and LLVM the name of some file with line 0. All
other classes count against the target. Both shares are shown: same bytes, and with what is confirmed.

Where a case is a transformed file (stripped, compressed in a way that LLVM 14 cannot read, dwz, split), LLVM is asked
about the file as it was before, since the right answer does not depend on how the symbols are packed.

With --rows one line a case as tests/accept/run wants them. Exit status 1 if a case agrees on less than its target or has
an unexplained difference.
"""
import argparse
import bisect
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests", "fixtures", "symbolize")
HEARTH = os.environ.get("HEARTH", os.path.join(ROOT, "build", "hearth"))
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
LIBJVM = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so"
NAME_MAX = 4096
LINE_ZERO = "line 0 has no place"
NOT_DEMANGLED = "name LLVM cannot demangle"
NOT_READ = "name from a table LLVM does not read"
CUT = "name cut at 4 KiB"
CONFIRMED = {LINE_ZERO, NOT_DEMANGLED, NOT_READ, CUT}


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout


def tool(*names):
    """The first of some programs that is installed."""
    for name in names:
        if shutil.which(name):
            return name
    sys.exit(f"symbolize_vs_llvm: none of {', '.join(names)} is installed; make deps")


def build_id(path):
    found = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", path, text=True, stderr=subprocess.DEVNULL))
    return found and found.group(1)


def debug_file(path):
    name = build_id(path)
    return f"/usr/lib/debug/.build-id/{name[:2]}/{name[2:]}.debug"


# --- the cases -----------------------------------------------------------------------------------------------------


class Case:
    """What hearth is asked about, what LLVM is asked about, and where symbols may come from besides."""

    def __init__(self, binary, reference=None, options=(), symbols=()):
        self.binary = binary
        self.reference = reference or binary
        self.options = list(options)
        self.symbols = [self.binary, self.reference, *symbols]


def compiled(name, *flags, compiler="gcc", source="tangle.c"):
    def make(work):
        out = os.path.join(work, name.replace(" ", "_"))
        language = ["-std=c++17", "-pthread"] if source.endswith(".cc") else []
        run(compiler, *language, "-g", *flags, "-o", out, os.path.join(FIXTURES, source), cwd=work)
        return Case(out)

    return make


def own_code(name, *flags, compiler="gcc"):
    """Hearth's own sources as a shared library: 20,000 lines of C in many units."""

    def make(work):
        out = os.path.join(work, name.replace(" ", "_") + ".so")
        sources = [os.path.join(folder, f) for folder in ("base", "symbolizer") for f in sorted(os.listdir(os.path.join(ROOT, folder)))
                   if f.endswith(".c")]
        run(compiler, "-D_GNU_SOURCE", "-I.", "-Ibuild/gen", "-fPIC", "-shared", "-g", *flags, "-o", out, *sources, cwd=ROOT,
            stderr=subprocess.DEVNULL)
        return Case(out)

    return make


def transformed(make_original, transform):
    def make(work):
        original = make_original(work)
        return transform(work, original.binary)

    return make


def compressed(kind):
    def transform(work, original):
        out = f"{original}.{kind}"
        run("objcopy", f"--compress-debug-sections={kind}", original, out)
        return Case(out, original)

    return transform


def stripped_with_link(work, original):
    """The debug file is found by its name and CRC: neither file has a build id."""
    folder = os.path.join(work, "linked")
    os.makedirs(os.path.join(folder, ".debug"), exist_ok=True)
    plain, out, debug = original + ".noid", os.path.join(folder, "program"), os.path.join(folder, ".debug", "program.debug")
    run("objcopy", "--remove-section=.note.gnu.build-id", original, plain)
    run("objcopy", "--only-keep-debug", plain, debug)
    run("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", plain, out)
    return Case(out, original, symbols=[debug])


def given_debug_file(work, original):
    out, debug = original + ".stripped", original + ".debug"
    run("objcopy", "--only-keep-debug", original, debug)
    run("strip", "-o", out, original)
    return Case(out, original, ["--debug-file", debug], [debug])


def mini_debuginfo(work, original):
    """As Fedora makes it: the function symbols that .dynsym lacks, xz-packed. No lines: LLVM gets a file without DWARF."""
    nodebug, mini, out = original + ".nodebug", original + ".mini", original + ".minidebug"
    run("objcopy", "--strip-debug", original, nodebug)
    with open(original + ".keep", "w") as keep:
        for line in run("nm", "--format=posix", "--defined-only", original, text=True).splitlines():
            name, kind = line.split()[:2]
            if kind in "tTwW":
                keep.write(name + "\n")
    run("objcopy", "-S", "--remove-section=.comment", f"--keep-symbols={keep.name}", nodebug, mini)
    run("xz", "-kf", mini)
    run("objcopy", "--strip-all", f"--add-section=.gnu_debugdata={mini}.xz", nodebug, out)
    return Case(out, nodebug)


def dwz(work, original):
    """Two programs whose common DWARF goes into a third file."""
    one, two = original + ".dwz1", original + ".dwz2"
    shutil.copy(original, one)
    run("objcopy", "--remove-section=.note.gnu.build-id", original, two)
    shutil.copy(original, two)
    run("dwz", "-m", original + ".common", "-M", original + ".common", one, two, stderr=subprocess.DEVNULL)
    return Case(one, original)


def split(name, *flags, compiler="gcc", package=False):
    """Compiled apart, since the .dwo files stay where they were made. The reference is the same without split."""

    def make(work):
        base = os.path.join(work, name.replace(" ", "_"))
        source = os.path.join(FIXTURES, "shapes.cc")
        os.makedirs(base + ".d", exist_ok=True)
        common = [compiler, "-std=c++17", "-pthread", "-g", *flags]
        run(*common, "-o", base + ".whole", source, cwd=base + ".d")
        run(*common, "-gsplit-dwarf", "-c", "-o", "part.o", source, cwd=base + ".d")
        run(*common, "-gsplit-dwarf", "-o", base, "part.o", cwd=base + ".d")
        if package:
            run(tool("llvm-dwp"), "-e", base, "-o", base + ".dwp", cwd=base + ".d")
            for f in os.listdir(base + ".d"):
                if f.endswith(".dwo"):
                    os.remove(os.path.join(base + ".d", f))
        return Case(base, base + ".whole")

    return make


def rust(scheme):
    def make(work):
        out = os.path.join(work, f"rust_{scheme}")
        # Without the bootstrap switch only the scheme that is the default may be asked for.
        run("rustc", "-g", "-O", "-Zunstable-options", "-C", f"symbol-mangling-version={scheme}", "-o", out,
            os.path.join(FIXTURES, "tree.rs"), cwd=work, stderr=subprocess.DEVNULL, env={**os.environ, "RUSTC_BOOTSTRAP": "1"})
        return Case(out)

    return make


def go(is_stripped):
    def make(work):
        out = os.path.join(work, "gopher")
        environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOCACHE": os.path.join(work, "gocache"), "GO111MODULE": "off"}
        run("go", "build", "-o", out, os.path.join(FIXTURES, "gopher.go"), env=environment)
        if not is_stripped:
            return Case(out)
        run("strip", "-o", out + ".stripped", out)
        return Case(out + ".stripped", out)

    return make


def installed(path):
    return lambda work: Case(path, symbols=[debug_file(path)])


SHAPES = {"source": "shapes.cc"}
CXX = {"compiler": "g++", "source": "shapes.cc"}
CLANGXX = {"compiler": "clang++", "source": "shapes.cc"}

# name: how it is made, share in percent that must agree
CASES = {
    "libc": (installed(LIBC), 99.9),
    "libjvm": (installed(LIBJVM), 99.9),
    "c gcc -O0": (compiled("c0", "-O0"), 99.9),
    "c gcc -O2": (compiled("c2", "-O2"), 99.9),
    "c clang -O2": (compiled("cc2", "-O2", compiler="clang"), 99.9),
    "c gcc -O2 no-pie": (compiled("cnopie", "-O2", "-no-pie"), 99.9),
    "c gcc -O2 static": (compiled("cstatic", "-O2", "-static"), 99.9),
    "c++ gcc -O0": (compiled("x0", "-O0", **CXX), 99.9),
    "c++ gcc -O2": (compiled("x2", "-O2", **CXX), 99.9),
    "c++ gcc -O3 -flto": (compiled("xlto", "-O3", "-flto", **CXX), 99.9),
    "c++ gcc -O2 dwarf-3": (compiled("x23", "-O2", "-gdwarf-3", **CXX), 99.9),
    "c++ gcc -O2 dwarf-4": (compiled("x24", "-O2", "-gdwarf-4", **CXX), 99.9),
    "c++ clang -O0": (compiled("y0", "-O0", **CLANGXX), 99.9),
    "c++ clang -O2": (compiled("y2", "-O2", **CLANGXX), 99.9),
    "c++ clang -O3 -flto": (compiled("ylto", "-O3", "-flto", "-fuse-ld=lld", **CLANGXX), 99.9),
    "c++ clang -O2 dwarf-4": (compiled("y24", "-O2", "-gdwarf-4", **CLANGXX), 99.9),
    "c++ clang sections, gc": (compiled("ygc", "-O2", "-ffunction-sections", "-fuse-ld=lld", "-Wl,--gc-sections", **CLANGXX), 99.9),
    "c++ icf": (compiled("yicf", "-O2", "-ffunction-sections", "-fuse-ld=lld", "-Wl,--icf=all", **CLANGXX), 99.9),
    "own code gcc -O2": (own_code("own2", "-O2"), 99.9),
    "own code gcc -O3 -flto": (own_code("ownlto", "-O3", "-flto"), 99.9),
    "own code clang -O2 dwarf-4": (own_code("ownc", "-O2", "-gdwarf-4", compiler="clang"), 99.9),
    "zlib": (transformed(compiled("z1", "-O2", **CXX), compressed("zlib")), 99.9),
    "zlib-gnu": (transformed(compiled("z2", "-O2", **CXX), compressed("zlib-gnu")), 99.9),
    "zstd": (transformed(compiled("z3", "-O2", **CXX), compressed("zstd")), 99.9),
    "debuglink": (transformed(compiled("dl", "-O2", **CXX), stripped_with_link), 99.9),
    "debug file": (transformed(compiled("df", "-O2", **CXX), given_debug_file), 99.9),
    "gnu_debugdata": (transformed(compiled("md", "-O2", **CXX), mini_debuginfo), 99.9),
    "dwz": (transformed(compiled("dwz", "-O2", "-gdwarf-4", **CXX), dwz), 99.9),
    "split dwarf-5 gcc": (split("s5", "-O2", compiler="g++"), 99.9),
    "split dwarf-4 gcc": (split("s4", "-O2", "-gdwarf-4", compiler="g++"), 99.9),
    "split dwarf-5 clang": (split("sc5", "-O2", compiler="clang++"), 99.9),
    "split dwarf-4 clang": (split("sc4", "-O2", "-gdwarf-4", compiler="clang++"), 99.9),
    "split package dwarf-5": (split("sp5", "-O2", compiler="clang++", package=True), 99.9),
    "rust legacy": (rust("legacy"), 99.9),
    "rust v0": (rust("v0"), 99.9),
    "go": (go(False), 99.9),
    "go stripped": (go(True), 99.9),
}


# --- asking --------------------------------------------------------------------------------------------------------


def code_sections(path):
    found = []
    for line in run("readelf", "-SW", path, text=True, stderr=subprocess.DEVNULL).splitlines():
        fields = line[line.find("]") + 1:].split()
        if fields and fields[0] == ".text":
            found.append((int(fields[2], 16), int(fields[4], 16)))
    return found


def sample(path, count, seed):
    sections = code_sections(path)
    total = sum(size for _, size in sections)
    picker = random.Random(seed)
    addresses = []
    for _ in range(count):
        at = picker.randrange(total)
        for start, size in sections:
            if at < size:
                addresses.append(start + at)
                break
            at -= size
    return addresses


def answers(command, addresses):
    """One tuple of lines an address."""
    out = run(*command, input="".join(f"{a:#x}\n" for a in addresses), text=True, errors="replace", stderr=subprocess.DEVNULL)
    records = [tuple(record.split("\n")) for record in out.rstrip("\n").split("\n\n")]
    if len(records) != len(addresses):
        sys.exit(f"symbolize_vs_llvm: {command[0]} answered {len(records)} of {len(addresses)} addresses")
    return records


# --- explaining ----------------------------------------------------------------------------------------------------


class Symbols:
    """Functions of some files as nm reads them: who covers an address."""

    def __init__(self, paths):
        spans = set()
        for path in paths:
            for flags in ([], ["-D"]):
                text = run("nm", "-S", *flags, path, text=True, stderr=subprocess.DEVNULL) if os.path.exists(path) else ""
                for line in text.splitlines():
                    fields = line.split()
                    if len(fields) >= 4 and fields[2] in "tTwWiuvV":
                        start, size = int(fields[0], 16), int(fields[1], 16)
                        spans.add((start, start + size, re.sub("@.*", "", fields[3])))
        self.spans = sorted(spans)
        self.starts = [s[0] for s in self.spans]
        self.longest = max((end - start for start, end, _ in self.spans), default=0)
        self.names = {}

    def covering(self, address):
        names = set()
        for i in range(bisect.bisect_right(self.starts, address) - 1, -1, -1):
            start, end, name = self.spans[i]
            if end > address:
                names.add(name)
            elif address - start > self.longest:
                break
        return names

    def demangle(self, names):
        """Asks both demanglers about many names at once: a process for each would take minutes."""
        names = sorted(set(names) - set(self.names))
        text = "\n".join(names)
        if names:
            llvm = run("llvm-cxxfilt", input=text, text=True).split("\n")
            gnu = run("c++filt", input=text, text=True).split("\n")
            self.names.update(zip(names, zip(llvm, gnu)))

    def prepare(self, different):
        wanted = set()
        for address, theirs, _ in different:
            wanted |= self.covering(address)
            wanted |= {name for name in theirs[::2] if name.startswith("_Z")}
        self.demangle(wanted)

    def gnu(self, name):
        self.demangle([name])
        return self.names[name][1]

    def named(self, address):
        """Every way to write the names of what covers an address."""
        raw = self.covering(address)
        self.demangle(raw)
        return raw.union(*(self.names[name] for name in raw))


def close_angles(name):
    """c++filt writes >> and &f where LLVM writes > > and &(f(int)): only used to compare names that LLVM cannot read."""
    return re.sub(r"\s+", "", name)


RUST_HASH = re.compile(r"::h[0-9a-f]{16}\b")


def names_explained(theirs, ours, address, symbols):
    """Why two names of a frame differ; None if nothing explains it."""
    if theirs == ours:
        return ""
    if len(theirs) > NAME_MAX and theirs[:NAME_MAX] == ours:
        return CUT
    if RUST_HASH.sub("", theirs) == ours:
        return "rust hash"
    if theirs.startswith("_Z"):
        if close_angles(symbols.gnu(theirs)) == close_angles(ours):
            return NOT_DEMANGLED
    if theirs == "??" and ours in symbols.named(address):
        return NOT_READ
    if re.fullmatch(re.escape(ours) + r"( \()?(\.(cold|part|isra|constprop|lto_priv|llvm)(\.\d+)?)+\)?", theirs):
        return "part or clone under the name of the whole"
    if {theirs, ours} <= symbols.named(address):
        return "another alias"
    return None


def is_line_zero(theirs, ours):
    return re.search(r":0:\d+$", theirs) and ours == "??:0:0"


def explain(theirs, ours, address, symbols):
    """The class of a difference."""
    if len(theirs) != len(ours):
        return ["unexplained: depth"]
    classes = set()
    for i, (a, b) in enumerate(zip(theirs, ours)):
        if a == b:
            continue
        if i % 2:
            classes.add(LINE_ZERO if is_line_zero(a, b) else "unexplained: place")
        elif not symbols.covering(address) and b == "??" and theirs[1] == "??:0:0":
            classes.add("symbol without a size stretched over other code")
        else:
            classes.add(names_explained(a, b, address, symbols) or "unexplained: name")
    worst = [c for c in classes if c.startswith("unexplained")]
    return worst[:1] or sorted(classes)


# --- showing -------------------------------------------------------------------------------------------------------


def check(name, arguments, work):
    make, target = CASES[name]
    case = make(work)
    addresses = sample(case.binary, arguments.count, arguments.seed)
    theirs = answers(["llvm-symbolizer", "--inlines", f"--obj={case.reference}"], addresses)
    ours = answers([HEARTH, "symbolize", "--binary", case.binary, "--cache-dir", os.path.join(work, "cache"), *case.options],
                   addresses)
    different = [(a, t, o) for a, t, o in zip(addresses, theirs, ours) if t != o]
    symbols = Symbols(case.symbols) if different else None
    if different:
        symbols.prepare(different)
    classes = collections.Counter()
    confirmed = 0
    for address, t, o in different:
        why = explain(t, o, address, symbols)
        confirmed += CONFIRMED.issuperset(why)
        why = " + ".join(why)
        classes[why] += 1
        if classes[why] <= arguments.examples:
            print(f"  {why}: {address:#x}\n    llvm   {' | '.join(x[:160] for x in t)}\n    hearth {' | '.join(x[:160] for x in o)}")
    known = sum(o[0] != "??" for o in ours)
    equal = 100 * (len(addresses) - len(different)) / len(addresses)
    agreed = equal + 100 * confirmed / len(addresses)
    good = agreed >= target and not any(c.startswith("unexplained") for c in classes)
    detail = ", ".join(f"{count} {why}" for why, count in classes.most_common())
    if arguments.rows:
        print(f"same chains as llvm: {name} | >= {target:g} %, all explained | {equal:.2f} % same bytes, {agreed:.2f} % with what is confirmed{'; ' if detail else ''}{detail} | "
              f"{'pass' if good else 'FAIL'}", flush=True)
    else:
        print(f"{'ok  ' if good else 'BAD '} {name:<28} {equal:7.2f} % equal {agreed:7.2f} % with what is confirmed {100 * known / len(ours):6.2f} % named  {detail}",
              flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    for name in arguments.cases:
        if name not in CASES:
            sys.exit(f"symbolize_vs_llvm: there is no case '{name}'; there are {', '.join(CASES)}")
    good = True
    with tempfile.TemporaryDirectory(prefix="hearth-symbolize-") as work:
        os.mkdir(os.path.join(work, "cache"))
        for number, name in enumerate(arguments.cases or CASES):
            folder = os.path.join(work, str(number))
            os.mkdir(folder)
            os.mkdir(os.path.join(folder, "cache"))
            good = check(name, arguments, folder) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
