# SPDX-License-Identifier: Apache-2.0
"""Bad input and machines that do not allow it: one line that says what to do, and the server goes on."""
import json
import os
import socket
import tempfile

from support.server import Server
from support.tool import HEARTH, NOBODY, SAMPLER_USER, in_mount_namespace, run, without

from . import PORT

HIDDEN_TYPES = "mount -t tmpfs none /sys/kernel/btf"


def refused(table, item, done, status, words):
    """One line on stderr, this exit status, and one of the words that say what to do."""
    said = done.stderr.strip()
    lines = len(said.splitlines())
    good = done.returncode == status and lines == 1 and not done.stdout and any(w in said for w in words)
    table.row(item, f"status {status}, one line that says what to do", f"status {done.returncode}, {lines} lines: {said[:200]}", good)


def command_line(table):
    for arguments in (["--bogus"], ["--listen"], ["--frequency", "abc"], ["--frequency", "0"], ["--listen", "nonsense"],
                      ["--listen", "127.0.0.1:99999"], ["--bpf-memory", "-1"], ["--retention", "never"], ["extra"]):
        done = run([HEARTH, "serve", *arguments], timeout=20)
        refused(table, "serve " + " ".join(arguments), done, 2, ["--help", "is not", "wants", "unknown", "from"])
    for arguments in ([], ["bogus"], ["--bogus"]):
        done = run([HEARTH, *arguments])
        table.row("hearth " + " ".join(arguments), "status 2", f"status {done.returncode}: {done.stderr.strip()[:100]}",
                  done.returncode == 2 and done.stderr != "" and not done.stdout)
    for arguments in (["record", "-F", "x"], ["doctor", "--bogus"], ["symbolize", "--bogus"], ["version", "x"]):
        refused(table, "hearth " + " ".join(arguments), run([HEARTH, *arguments]), 2, ["--help"])


def machine(table):
    """Machines that say no."""
    def serve(*extra):
        return [HEARTH, "serve", "--listen", f"127.0.0.1:{PORT}", *extra]

    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        data = ["--data-dir", os.path.join(scratch, "data")]
        with socket.create_server(("127.0.0.1", PORT)):
            refused(table, "a port in use", run(serve(*data), timeout=20), 1, ["--listen"])
        world = os.path.join(scratch, "world")
        os.mkdir(world)
        os.chmod(world, 0o777)
        refused(table, "no privileges", run([*NOBODY, *serve("--data-dir", world)], timeout=20), 1, ["root", "setcap"])
        fake = "mount -t tmpfs none /mnt; echo 3 > /mnt/p; mount --bind /mnt/p /proc/sys/kernel/perf_event_paranoid"
        command = without("perf_event_open", "EACCES", [*SAMPLER_USER, *serve("--data-dir", world)])
        refused(table, "perf_event_paranoid=3, no CAP_SYS_ADMIN", in_mount_namespace(fake, command, timeout=20), 1,
                ["kernel.perf_event_paranoid="])
        for name in ("bpf", "perf_event_open"):
            refused(table, f"a container that forbids {name}", run(without(name, "EPERM", serve(*data)), timeout=20), 1,
                    ["seccomp"])
        done = in_mount_namespace(HIDDEN_TYPES, serve(*data), timeout=20)
        refused(table, "a kernel without BTF", done, 1, ["BTF", "CONFIG_DEBUG_INFO_BTF"])
        for place in ("/proc/hearth", "/dev/null/x"):
            refused(table, f"data directory {place}", run(serve("--data-dir", place), timeout=20), 1, ["--data-dir"])
        refused(table, "an address for others without --insecure",
                run([HEARTH, "serve", "--listen", f"0.0.0.0:{PORT}", *data], timeout=20), 2, ["--insecure"])


def requests(table):
    query = "/api/v1/query"
    pprof = "/debug/pprof/profile"
    rows = (
        ("GET", pprof, {"seconds": "abc"}, 400), ("GET", pprof, {"seconds": "-1"}, 400), ("GET", pprof, {"seconds": "0x10"}, 400),
        ("GET", pprof, {"seconds": "1e9"}, 400), ("GET", pprof, {"seconds": "1", "query": "{comm="}, 400),
        ("GET", pprof, {"last": "abc"}, 400), ("GET", query, {"query": "{comm="}, 400), ("GET", query, {"query": '{comm=~"("}'}, 400),
        ("GET", query, {"query": "memory{}"}, 400), ("GET", query, {"query": '{nolabel="x"}', "from": "now-1m"}, None),
        ("GET", query, {"from": "abc"}, 400), ("GET", query, {"from": "now", "to": "now-1h"}, 400), ("GET", query, {"format": "xml"}, 400),
        ("GET", "/nope", {}, 404), ("GET", "/api/v1/nope", {}, 404), ("GET", "/debug/pprof/nope", {}, 404),
        ("POST", query, {}, 405), ("DELETE", "/", {}, 405), ("GET", "/%00", {}, 404), ("GET", "/../../etc/passwd", {}, 404),
    )
    with Server(PORT) as server:
        for method, path, parameters, status in rows:
            names = {("from_" if k == "from" else k): v for k, v in parameters.items()}
            got, headers, body = server.get(path, method=method, timeout=20, **names)
            text = body.decode("utf-8", "replace").strip()
            good = got == status or status is None and got in (200, 400)
            if got >= 400 and path.startswith("/debug/pprof/"):
                good = good and headers.get("x-go-pprof") == "1" and headers["content-type"].startswith("text/plain")
            elif got >= 400:
                good = good and isinstance(json.loads(text).get("error"), str) if text.startswith("{") else False
            shown = " ".join(f"{k}={v}" for k, v in parameters.items())
            table.row(f"{method} {path} {shown}".strip(), f"{status or '200 or 400'}, with the reason", f"{got}: {text[:120]}",
                      good and (got == 200 or 10 < len(text) < 1000))
        status, _, _ = server.get("/healthz")
        table.row("the server goes on", "200", status, status == 200)
        how = server.stop()
        table.row("and ends by SIGTERM", "status 0", f"status {how}", how == 0)


def check(table):
    table.attempt("command line", command_line)
    table.attempt("machines that say no", machine)
    table.attempt("requests", requests)
