# SPDX-License-Identifier: Apache-2.0
"""BPF objects of processes, as the kernel tells them: bpftool of Debian 12 knows no process ids."""
import json
import os
import re

from .tool import run

KINDS = {"prog": "prog_id", "map": "map_id", "link": "link_id"}


def held_by(pids):
    """{(kind, id)} that processes hold by file descriptors."""
    found = set()
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fdinfo")
        except OSError:
            continue
        for name in names:
            try:
                with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii", errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            kind = "link" if "link_id:" in text else "map" if "map_id:" in text else "prog"
            ids = re.findall(rf"^{KINDS[kind]}:\s+(\d+)$", text, re.M)
            found.update((kind, int(i)) for i in ids)
    return found


def show(kind, number):
    """What bpftool knows of one object, {} if it is gone."""
    text = run(["bpftool", "-j", kind, "show", "id", str(number)]).stdout
    return json.loads(text) if text.startswith("{") and '"error"' not in text else {}
