# SPDX-License-Identifier: Apache-2.0
"""
The rules. Each takes a Source and yields (line, what is wrong and what to do).
"""
import re

FILE_LINES_MAX = 450
HEADER_LINES_MAX = 200
TEST_LINES_MAX = 600  # a test file follows its source file
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5

# What the files of a folder may include besides their own. Nothing includes upwards.
FLOORS_BELOW = {
    "base": (),
    "bpf": (),
    "symbolizer": ("base", "bpf"),
    "profiler": ("base", "bpf", "symbolizer"),
    "web": ("base",),
    "server": ("base", "symbolizer", "profiler", "web"),
}
LIBRARIES = ("base", "symbolizer", "profiler")
GENERATED = re.compile(r"(\.skel\.h|\.pb-c\.h|^version\.h)$")

# Foreign headers and the folders that are theirs; the version and doctor commands may ask any library.
FOREIGN = (
    (re.compile(r"^(elfutils/|libelf|gelf|dwarf\.h|libiberty)"), ("symbolizer/",)),
    (re.compile(r"^bpf/"), ("profiler/", "bpf/")),
    (re.compile(r"^(libunwind|linux/perf_event)"), ("profiler/", "symbolizer/")),
    (re.compile(r"^microhttpd"), ("server/http/", "server/cmd/")),
    (re.compile(r"^curl/"), ("server/cmd/", "server/fleet/", "server/store/")),
    (re.compile(r"^yaml"), ("server/config/", "server/http/")),
    (re.compile(r"^sqlite3"), ("server/store/",)),
    (re.compile(r"^seccomp"), ("symbolizer/",)),
)
FOREIGN_FREE = ("server/cmd/version.c", "server/cmd/doctor", "tests/")

BANNED = {
    "strcpy": "use a struct buffer or memcpy with a known size",
    "strcat": "use a struct buffer",
    "stpcpy": "use a struct buffer",
    "sprintf": "use snprintf or buffer_printf",
    "vsprintf": "use vsnprintf or buffer_vprintf",
    "gets": "use getline or fgets",
    "strtok": "use strchr or strsep on a copy",
    "atoi": "use base/parse.h",
    "atol": "use base/parse.h",
    "atoll": "use base/parse.h",
    "atof": "use base/parse.h",
    "strtol": "use base/parse.h",
    "strtoul": "use base/parse.h",
    "strtoll": "use base/parse.h",
    "strtoull": "use base/parse.h",
    "strtod": "use base/parse.h",
    "scanf": "use base/parse.h",
    "sscanf": "use base/parse.h",
    "fscanf": "use base/parse.h",
    "vsscanf": "use base/parse.h",
    "localtime": "use localtime_r",
    "gmtime": "use gmtime_r",
    "ctime": "use strftime",
    "asctime": "use strftime",
    "system": "use posix_spawn with an argument list",
    "popen": "use posix_spawn with an argument list",
    "tmpnam": "use mkostemp",
    "mktemp": "use mkostemp",
    "alloca": "the size of the stack is not ours to spend",
    "signal": "use sigaction",
    "usleep": "use clock_nanosleep",
}
ENDS_PROCESS = ("exit", "abort", "quick_exit", "err", "errx")
MAY_END_PROCESS = re.compile(r"^(server/main\.c|tests/|symbolizer/\w*worker\w*\.c)")
PRINTS = ("printf", "vprintf", "puts", "putchar", "perror", "warn", "warnx", "syslog")


def floors(source):
    """A file includes its own folder and the public headers of the floors below it."""
    if source.floor not in FLOORS_BELOW:
        return
    for line, name, quoted in source.includes():
        if not quoted:
            yield from foreign(source, line, name)
            continue
        if name.endswith(".skel.h") or GENERATED.search(name):
            continue
        if name.startswith(".") or "/" not in name:
            yield line, f'"{name}": includes are written from the root, as in "base/buffer.h"'
            continue
        floor = name.split("/")[0]
        if floor == source.floor:
            continue
        if floor not in FLOORS_BELOW[source.floor]:
            allowed = ", ".join(FLOORS_BELOW[source.floor]) or "nothing else"
            yield line, f'"{name}": {source.floor}/ stands on {allowed}'


def foreign(source, line, name):
    if source.floor == "bpf":
        if not re.match(r"^(linux|asm|asm-generic|bpf)/|^(stdint|stdbool|stddef)\.h$", name):
            yield line, f"<{name}>: bpf/ includes kernel UAPI headers and bpf_helpers only"
        return
    for pattern, folders in FOREIGN:
        if pattern.search(name) and not source.path.startswith(folders + FOREIGN_FREE):
            yield line, f"<{name}>: this library is used in {', '.join(folders)} only"


def private_headers(sources):
    """A header whose head says 'Private to FOLDER/' is included from that folder only (all files at once)."""
    private = {}
    for s in sources:
        match = re.search(r"Private to (\w+)/", s.text) if s.is_header else None
        if match:
            private[s.path] = match.group(1)
    for s in sources:
        for line, name, quoted in s.includes():
            if quoted and name in private and s.floor not in (private[name], "tests"):
                yield s.path, line, f'"{name}" is private to {private[name]}/'


def one_skeleton(sources):
    """Each BPF skeleton is included by one .c only (all files at once)."""
    users = {}
    for s in sources:
        for line, name, quoted in s.includes():
            if name.endswith(".skel.h"):
                users.setdefault(name, []).append((s, line))
    for name, places in sorted(users.items()):
        for s, line in places:
            if s.is_header:
                yield s.path, line, f'"{name}": a header would spread the skeleton; include it in one .c'
        for s, line in places[1:]:
            yield s.path, line, f'"{name}" is included by {places[0][0].path} already; go through its interface'


def banned_calls(source):
    for line, name, _ in source.calls():
        if name in ("strtol", "strtoul", "strtoll", "strtoull", "strtod") and source.path == "base/parse.c":
            continue
        if name in BANNED and source.floor != "tests":
            yield line, f"{name}() is banned: {BANNED[name]}"
        if name in ENDS_PROCESS and not MAY_END_PROCESS.match(source.path):
            yield line, f"{name}() ends the process: return an error, only main() decides"


def silent_libraries(source):
    if source.floor not in LIBRARIES or MAY_END_PROCESS.match(source.path):
        return
    for line, name, rest in source.calls():
        to_standard = name in ("fprintf", "vfprintf", "fputs", "fputc") and \
            re.search(r"\b(stderr|stdout)\b", rest)
        if name in PRINTS or to_standard:
            yield line, f"{name}(): {source.floor}/ is a library and prints nothing; return the error"


def no_globals(source):
    """Libraries keep no mutable state outside of objects."""
    if source.floor not in LIBRARIES or source.is_header:
        return
    for first, text in source.statements():
        flat = " ".join(text.split())
        before = flat.split("=")[0]
        if re.match(r"(struct|union|enum)( \w+)? \{|typedef|_Static_assert|extern", flat) or "(" in before:
            continue
        if re.match(r"(struct|union|enum) \w+;$", flat) or not re.search(r"[;{]$", flat):
            continue
        if not re.search(r"\bconst\b", before):
            yield first, "mutable global: libraries keep their state in objects"


def documented(source):
    """Every prototype in a header has a comment right above; the @names in it are its parameters."""
    if not source.is_header or source.floor not in LIBRARIES + ("server", "web"):
        return
    for f in source.prototypes():
        comment = source.comment_above(f.line)
        if not comment.lstrip().startswith("/**"):
            yield f.line, f"{f.name}() has no /** comment */ right above it"
            continue
        for name in re.findall(r"(?<![\w.\"])@([a-z]\w*)", comment):
            if name not in f.parameter_names():
                yield f.line, f"the comment of {f.name}() speaks of @{name}, which is no parameter"


def guarded(source):
    if not source.is_header:
        return
    guard = "HEARTH_" + re.sub(r"\W", "_", source.path.removesuffix(".h")).upper() + "_H"
    if source.floor == "tests" and re.search(r"#ifndef (HEARTH_TESTS_\w+_H)\n#define \1\n", source.text):
        return  # included by their name alone, -Itests
    if f"#ifndef {guard}\n#define {guard}\n" not in source.text:
        yield 1, f"the include guard is to be {guard}"


def short(source):
    is_interface = source.is_header and source.floor != "bpf"  # code in bpf/ headers is compiled twice
    limit = HEADER_LINES_MAX if is_interface else FILE_LINES_MAX
    if source.floor == "tests":
        limit = TEST_LINES_MAX
    if len(source.lines) > limit:
        yield limit, f"{len(source.lines)} lines, the limit is {limit}: split it by what it is about"
    for f, start, end in source.functions():
        if end - start + 1 > FUNCTION_LINES_MAX:
            yield f.line, f"{f.name}() has {end - start + 1} lines, the limit is {FUNCTION_LINES_MAX}"
        if len(f.parameters) > PARAMETERS_MAX and "MHD_Result" not in f.returns:
            yield f.line, f"{f.name}() has {len(f.parameters)} parameters, the limit is {PARAMETERS_MAX}"
    for f in source.prototypes() if source.is_header else ():
        if len(f.parameters) > PARAMETERS_MAX:
            yield f.line, f"{f.name}() has {len(f.parameters)} parameters, the limit is {PARAMETERS_MAX}"


def no_typedef_struct(source):
    for number, line in enumerate(source.code, 1):
        if re.match(r"\s*typedef\s+(struct|union|enum)\b", line) and "(*" not in line:
            yield number, "typedef hides what a type is: write struct, union or enum"


C_RULES = (floors, banned_calls, silent_libraries, no_globals, documented, guarded, short, no_typedef_struct)
WHOLE_RULES = (private_headers, one_skeleton)


# Files whose form Debian's tools fix; comments are no part of it.
DEBIAN_FORM = re.compile(r"deploy/debian/(changelog|control|copyright|source/format)$")


def text_rules(path, text):
    """Rules for any text file."""
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end of the file"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() and not path.endswith(".md"):
            yield number, "white space at the end of the line"
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            yield number, "unfinished work is not left as a note: do it, or leave it out"
    if path.endswith((".c", ".h", ".ts", ".py", ".mjs", ".css", ".sh", ".mk", ".proto", ".S")) or "." not in path.split("/")[-1]:
        first = 1 if lines[0].startswith("#!") else 0
        head = "\n".join(lines[first:first + 1])
        if "SPDX-License-Identifier:" not in head and path not in ("LICENSE", "VERSION") and not DEBIAN_FORM.match(path):
            yield first + 1, "the first line is to be an SPDX-License-Identifier comment"
