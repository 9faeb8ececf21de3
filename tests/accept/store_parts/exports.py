# SPDX-License-Identifier: Apache-2.0
"""What others make of profiles that come from history: go tool pprof, speedscope's importer, a browser."""
import os
import re
import shutil
import subprocess
import tempfile
import time

from support.server import Server, parse_folded
from support.tool import ROOT

from . import PORT

HISTORY_S = 26  # two windows are closed


def pprof(*arguments):
    """What `go tool pprof` prints; fails with what it complains of."""
    done = subprocess.run(["go", "tool", "pprof", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"go tool pprof {arguments[0]}: {done.stderr.strip()[-200:]}")
    return done.stdout


def raw_samples(path):
    """First value of each sample in -raw"""
    text = pprof("-raw", path)
    part = text[text.index("\nSamples:"):text.index("\nLocations")]
    return [int(n) for n in re.findall(r"^ +(-?\d+) +-?\d+: \d", part, re.M)]


class Files:
    def __init__(self, server, directory):
        self.server, self.directory = server, directory

    def get(self, name, path, **parameters):
        status, _, body = self.server.get(path, **parameters)
        if status != 200:
            raise RuntimeError(f"{path}: status {status}: {body[:200]!r}")
        target = os.path.join(self.directory, name)
        with open(target, "wb") as f:
            f.write(body)
        return target


def check_pprof(table, files, end):
    history = files.get("history", "/debug/pprof/profile", last="5m")
    from_history = raw_samples(history)
    table.row("go tool pprof -raw reads a profile from history", "samples", f"{len(from_history)} samples, sum {sum(from_history)}",
              sum(from_history) > 0)
    live = files.get("live", "/debug/pprof/profile", seconds="2")
    merged = os.path.join(files.directory, "merged")
    pprof("-proto", "-output", merged, history, live)
    together, apart = sum(raw_samples(merged)), sum(from_history) + sum(raw_samples(live))
    table.row("merged with a live one", "the sum of both", f"{together} of {apart}", together == apart)
    span = {"from_": f"{end - 8:.3f}", "to": f"{end:.3f}", "base_from": f"{end - 20:.3f}", "base_to": f"{end - 8:.3f}"}
    difference = raw_samples(files.get("difference", "/api/v1/diff", format="pprof", **span))
    parts = [sum(raw_samples(files.get(n, "/api/v1/query", format="pprof", from_=f"{a:.3f}", to=f"{b:.3f}")))
             for n, a, b in (("main", end - 8, end), ("base", end - 20, end - 8))]
    negative = sum(v < 0 for v in difference)
    table.row("a difference as pprof", "negative values, sum = one side less the other",
              f"{negative} of {len(difference)} negative, sum {sum(difference)} of {parts[0] - parts[1]}",
              negative > 0 and sum(difference) == parts[0] - parts[1])


def check_text(table, files, end):
    span = {"from_": f"{end - 20:.3f}", "to": f"{end:.3f}"}
    with open(files.get("folded", "/api/v1/query", format="folded", **span), encoding="utf-8") as f:
        folded = sum(count for _, count in parse_folded(f.read()))
    wanted = sum(raw_samples(files.get("same", "/api/v1/query", format="pprof", **span)))
    table.row("folded text holds what pprof holds", "the same samples", f"{folded} of {wanted}", folded == wanted > 0)
    path = files.get("profile.speedscope.json", "/api/v1/query", format="speedscope", **span)
    shown = subprocess.run(["node", os.path.join(ROOT, "tests/support/speedscope.mjs"), path], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    table.row("speedscope's importer opens it", "shown", (shown.stdout or shown.stderr).strip()[:100], shown.returncode == 0)
    page = files.get("profile.html", "/api/v1/query", format="html", **span)
    html = subprocess.run(["node", "-e", OPEN_PAGE, page], cwd=os.path.join(ROOT, "tests"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    table.row("the html file opens by itself", "a canvas, no error, no request", (html.stdout or html.stderr).strip()[:100],
              html.returncode == 0)


OPEN_PAGE = r"""
const { chromium } = require("playwright-core");
(async () => {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu",
    "--disable-background-networking"] });
  const page = await browser.newPage();
  const errors = [], requests = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("request", (r) => { if (/^https?:/.test(r.url())) requests.push(r.url()); });
  await page.goto("file://" + process.argv[1]);
  await page.waitForSelector("canvas", { timeout: 20000 });
  await page.waitForTimeout(500);
  const size = await page.evaluate(() => { const c = document.querySelector("canvas"); return [c.width, c.height]; });
  await browser.close();
  console.log(`canvas ${size.join(" x ")}, ${errors.length} errors, ${requests.length} requests ${errors.concat(requests).join(" ")}`);
  process.exit(errors.length || requests.length || !size[0] || !size[1] ? 1 : 0);
})().catch((e) => { console.error(String(e)); process.exit(1); });
"""


def check(table):
    directory = tempfile.mkdtemp(prefix="hearth-exports-")
    work = subprocess.Popen(["sh", "-c", "while :; do ls -lR /usr/include | sort >/dev/null; gzip -c /usr/bin/gdb >/dev/null; done"],
                            stdin=subprocess.DEVNULL)
    try:
        with Server(PORT) as server:
            time.sleep(HISTORY_S)
            files = Files(server, directory)
            check_pprof(table, files, time.time() - 2)
            check_text(table, files, time.time() - 2)
    finally:
        work.kill()
        work.wait()
        shutil.rmtree(directory)
