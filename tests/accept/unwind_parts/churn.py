# SPDX-License-Identifier: Apache-2.0
"""Processes and libraries that come and go, are deleted while they run, or live in other namespaces: complete and named all the same."""
import os
import shutil
import subprocess
import tempfile
import time

import sampling
from support.server import Server

PORT = 8122
SECONDS = 8
HERE = os.path.dirname(os.path.abspath(__file__))


def kill_and_restart(burn):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with subprocess.Popen([burn, "1000"], stdout=subprocess.DEVNULL) as p:
            time.sleep(0.15)
            p.kill()


def reload_library(directory):
    program, library = os.path.join(directory, "reload"), os.path.join(directory, "libchurn.so")
    flags = ["-O2", "-fomit-frame-pointer"]
    subprocess.run(["gcc", *flags, "-o", program, os.path.join(HERE, "reload.c"), "-ldl"], check=True)
    subprocess.run(["gcc", *flags, "-shared", "-fPIC", "-o", library, os.path.join(HERE, "library.c")], check=True)
    subprocess.run([program, library, str(SECONDS)], check=True)


def deleted(burn):
    with subprocess.Popen([burn, str(SECONDS * 1000 // 2)], stdout=subprocess.DEVNULL) as p:
        while os.path.realpath(f"/proc/{p.pid}/exe") != burn:
            time.sleep(0.001)
        os.unlink(burn)


def in_chroot(burn, directory):
    """In a root directory, a mount and a pid namespace of its own, gone afterwards."""
    root = os.path.join(directory, "root")
    for path in [burn, *libraries(burn)]:
        to = root + ("/burn-chroot" if path == burn else path)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(os.path.realpath(path), to)
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "chroot", root, "/burn-chroot", str(SECONDS * 1000 // 2)], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(root)


def libraries(path):
    lines = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout.split()
    return [word for word in lines if word.startswith("/")]


def check(table):
    with tempfile.TemporaryDirectory(prefix="hearth-churn-") as directory, Server(PORT) as server:
        burns = {name: sampling.make_burn(directory, name) for name in ("burn-killed", "burn-deleted", "burn-chroot")}
        parts = {
            "killed and restarted 50 times": ("burn-killed", "burn_cpu", lambda: kill_and_restart(burns["burn-killed"])),
            "dlopen and dlclose in a loop": ("reload", "library_work", lambda: reload_library(directory)),
            "the executable deleted while it runs": ("burn-deleted", "burn_cpu", lambda: deleted(burns["burn-deleted"])),
            "chroot, other mount and pid namespace": ("burn-chroot", "burn_cpu", lambda: in_chroot(burns["burn-chroot"], directory)),
        }
        for title, (comm, function, run) in parts.items():
            began = time.time()
            run()
            time.sleep(1)
            look(table, server, title, (comm, function, began))


def look(table, server, title, wanted):
    comm, function, began = wanted
    for _ in range(60):  # names come when their turn comes
        stacks = server.folded(from_=f"{began:.3f}", query=f'{{comm="{comm}"}}')
        named = sum(n for f, n in stacks if function in f)
        if named:
            break
        time.sleep(1)
    count = sum(n for _, n in stacks)
    incomplete = sum(n for f, n in stacks if any(x.startswith(("[stack ", "[trunc")) for x in f))
    unnamed = sum(n for f, n in stacks if any(x.startswith("[") for x in f))
    table.row(f"churn: {title}: complete", ">= 99.5 %", f"{(1 - incomplete / max(count, 1)) * 100:.2f} % of {count}", count >= 200 and incomplete <= 0.005 * count)
    table.row(f"churn: {title}: named", ">= 99 %, " + function, f"{(1 - unnamed / max(count, 1)) * 100:.2f} %, {named} in {function}",
              unnamed <= 0.01 * count and named >= 0.5 * count)
