#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What others make of our profiles: `go tool pprof` on all it can do, speedscope's importer, and arithmetic."""
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402
from support.tool import ROOT, run  # noqa: E402

SOURCE = os.path.join(ROOT, "tests", "fixtures", "programs", "seventy.c")
SECONDS = 10
NAME = f"burn{os.getpid()}"  # nobody else's
SELECTOR = '{comm="%s"}' % NAME
daemon = directory = first = used = None


def pprof(*arguments):
    """go tool pprof; fails the test unless it succeeds."""
    environment = {**os.environ, "PPROF_TMPDIR": directory, "HOME": directory}
    done = run(["go", "tool", "pprof", *arguments], env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def setUpModule():
    """One run of a program of known shares, fetched live while it runs."""
    global daemon, directory, first, used
    directory = tempfile.mkdtemp(prefix="hearth-pprof-")
    program = os.path.join(directory, NAME)
    built = run(["gcc", "-O2", "-g", "-o", program, SOURCE])
    assert built.returncode == 0, built.stderr
    daemon = Daemon()
    start = time.time() + 0.5
    running = subprocess.Popen([program, str(SECONDS + 2), str(start), str(start + SECONDS)], stdout=subprocess.PIPE,
                               text=True)
    time.sleep(max(start - time.time(), 0))
    first = os.path.join(directory, "first.pb.gz")
    answer = daemon.get("/debug/pprof/profile", seconds=SECONDS, query=SELECTOR)
    used = float(running.communicate()[0])
    with open(first, "wb") as f:
        f.write(answer.body)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "content-encoding" not in answer.headers
    assert 'filename="profile"' in answer.headers["content-disposition"]


def tearDownModule():
    status = daemon.stop()
    subprocess.run(["rm", "-rf", directory], check=True)
    assert status == 0, daemon.final_log


def seconds(text):
    """pprof's "1.23s", "45.6ms", "2.5mins"."""
    value, unit = re.fullmatch(r"([0-9.]+)(\w*)", text).groups()
    return float(value) * {"": 1, "us": 1e-6, "ms": 1e-3, "s": 1, "mins": 60, "hrs": 3600}[unit]


def top(text):
    """{function: (flat seconds, cum seconds)}"""
    rows = re.findall(r"^\s*([0-9.]+\w*)\s+[0-9.]+%\s+[0-9.]+%\s+([0-9.]+\w*)\s+[0-9.]+%\s+(.+?)(?: \(inline\))?$",
                      text, re.M)
    return {name: (seconds(flat), seconds(cum)) for flat, cum, name in rows}


class Shares(unittest.TestCase):
    def test_seventy_to_thirty_and_all_of_it(self):
        text = pprof("-top", "-nodecount=1000", first)
        rows = top(text)
        total = seconds(re.search(r"Total samples = ([0-9.]+\w+)", text).group(1))
        # 3 % as it should be, or what chance does to the few samples that a crowded machine leaves.
        chance = max(0.03, 3 * (0.7 * 0.3 / (total * 99)) ** 0.5)
        self.assertAlmostEqual(rows["seventy"][1] / total, 0.70, delta=chance)
        self.assertAlmostEqual(rows["thirty"][1] / total, 0.30, delta=chance)
        self.assertAlmostEqual(total / used, 1, delta=max(0.02, 3 * (total * 99) ** -0.5 * (1 - total / SECONDS) ** 0.5), msg=f"{total} s sampled, {used} s used")

    def test_inlined_frames_have_their_lines(self):
        with open(SOURCE, encoding="utf-8") as f:
            mix_line = next(i for i, line in enumerate(f, 1) if "line MIX" in line)
        raw = pprof("-raw", first)
        locations = raw[raw.index("Locations"):raw.index("Mappings")]
        chain = re.search(r"mix \S*seventy\.c:(\d+)\S* s=(\d+)\s+churn \S*seventy\.c:(\d+)\S* s=(\d+)\s+"
                          r"(?:seventy|thirty) \S*seventy\.c:(\d+)", locations)
        self.assertIsNotNone(chain, locations[:2000])
        self.assertIn(int(chain.group(1)), range(mix_line, mix_line + 3))
        self.assertIn("churn", locations)

    def test_rows_of_a_function_by_list(self):
        text = pprof("-list", "^seventy$", first)
        self.assertIn("seventy.c", text)
        self.assertRegex(text, r"churn\(x, 20000\)")


class Tool(unittest.TestCase):
    def test_raw_is_what_the_format_asks_for(self):
        raw = pprof("-raw", first)
        self.assertIn("PeriodType: cpu nanoseconds", raw)
        self.assertIn("samples/count cpu/nanoseconds[dflt]", raw)
        self.assertRegex(raw, r"Duration: 10(\.0\d*)?s?\b")
        period = int(re.search(r"Period: (\d+)", raw).group(1))
        samples = re.findall(r"^ +(\d+) +(\d+): ([\d ]+)$", raw, re.M)
        self.assertGreater(len(samples), 0)
        for count, nanoseconds, _ in samples:
            self.assertEqual(int(count) * period, int(nanoseconds))
        keys = [ids for _, _, ids in samples]
        self.assertGreater(len(set(keys)), 0)
        mappings = raw[raw.index("\nMappings"):]
        self.assertRegex(mappings, r"\n1: \S+ \S*/%s [0-9a-f]{40} \[FN\]\[FL\]\[LN\]\[IN\]" % NAME)
        self.assertRegex(mappings, r"\[kernel\.kallsyms\]\s+\[FN\]")
        self.assertEqual(mappings.count("[kernel.kallsyms]"), 1)
        self.assertNotRegex(raw, r"M=\d+\s*$")  # a location without a line

    def test_traces_tags_tagroot(self):
        self.assertIn("seventy", pprof("-traces", first))
        tags = pprof("-tags", first)
        self.assertRegex(tags, r"comm: Total [\d.]+\w+\n.*" + NAME)
        self.assertRegex(tags, r"pid: Total")
        self.assertRegex(pprof("-top", "-cum", "-tagroot=comm", first), r"100%\s+" + NAME)
        pid = re.search(r"pid: Total.*\n.*: (\d+)", tags).group(1)
        self.assertIn("seventy", pprof("-top", f"-tagfocus=pid={pid}:{pid}", first))
        self.assertNotIn("churn", pprof("-top", "-tagignore=comm=" + NAME, first))

    def test_sample_index_and_granularity(self):
        self.assertIn("Type: samples", pprof("-top", "-sample_index=samples", first))
        self.assertIn("Type: cpu", pprof("-top", first))
        self.assertIn("seventy.c:", pprof("-top", "-lines", first))
        self.assertIn("seventy.c", pprof("-top", "-files", first))
        self.assertNotIn("(inline)", pprof("-top", "-noinlines", first))

    def test_a_difference_with_itself_is_nothing(self):
        self.assertRegex(pprof("-top", "-diff_base", first, first), r"of 0 total|0% of \S+ total|Total samples = 0|, 0%")
        self.assertIn("seventy", pprof("-top", "-nodefraction=0", "-nodecount=100000", "-base", first, daemon.url("/debug/pprof/profile", last="1m")))

    def test_a_difference_as_pprof_is_one_side_less_the_other(self):
        end = time.time() - 1
        raw = []
        for path, span in (("/api/v1/diff", {"from": end - 2, "to": end, "base_from": end - 30, "base_to": end - 2}),
                           ("/api/v1/query", {"from": end - 2, "to": end}), ("/api/v1/query", {"from": end - 30, "to": end - 2})):
            name = os.path.join(directory, f"side{len(raw)}")
            with open(name, "wb") as f:
                f.write(daemon.get(path, format="pprof", query=SELECTOR, **span).body)
            raw.append([int(n) for n in re.findall(r"^ +(-?\d+) +-?\d+: \d", pprof("-raw", name), re.M)])
        self.assertTrue(any(n < 0 for n in raw[0]))
        self.assertEqual(sum(raw[0]), sum(raw[1]) - sum(raw[2]))

    def test_live_and_history_merge(self):
        merged = pprof("-raw", first, daemon.url("/debug/pprof/profile", last="1m", query=SELECTOR))
        self.assertIn("samples/count cpu/nanoseconds", merged)
        mappings = merged[merged.index("\nMappings"):]
        self.assertEqual(len(re.findall(r"/%s [0-9a-f]{40}" % NAME, mappings)), 1)

    def test_the_url_as_people_type_it(self):
        url = f"http://127.0.0.1:{daemon.port}/debug/pprof/profile?seconds=1&query={{comm=\"{NAME}\"}}"
        pprof("-top", url)
        pprof("-top", f"-seconds=1", f"http://127.0.0.1:{daemon.port}/debug/pprof/profile")

    def test_the_reason_of_an_error_reaches_the_terminal(self):
        done = run(["go", "tool", "pprof", "-top", daemon.url("/debug/pprof/profile", last="x")],
                   env={**os.environ, "PPROF_TMPDIR": directory})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("bad last 'x'", done.stderr)

    def test_no_samples_is_a_profile_too(self):
        empty = daemon.get("/debug/pprof/profile", last="1s", query='{comm="nobody-has-this-name"}')
        path = os.path.join(directory, "empty.pb.gz")
        with open(path, "wb") as f:
            f.write(empty.body)
        self.assertIn("Total samples = 0", pprof("-top", path))

    def test_labels_are_chosen(self):
        for labels, present, absent in (("comm", "comm:", "pid:"), ("", "seventy", "comm:"), ("tid,thread", "tid:", "pid:"),
                                        ("*", "exe:", "\n   :")):
            path = os.path.join(directory, "labels.pb.gz")
            with open(path, "wb") as f:
                f.write(daemon.get("/debug/pprof/profile", last="1m", query=SELECTOR, labels=labels).body)
            text = pprof("-raw", path)
            text = text[:text.index("\nLocations")] if present != "seventy" else text
            self.assertIn(present, text)
            self.assertNotIn(absent, text)


class OtherFormats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.span = {"query": SELECTOR, "from": time.time() - 60, "to": time.time() - 0.5}
        cls.graph = daemon.get("/api/v1/query", **cls.span, min_share=0).json

    def test_all_formats_count_the_same_samples(self):
        total = self.graph["total"]
        self.assertGreater(total, 50)
        folded = daemon.get("/api/v1/query", **self.span, format="folded").text
        self.assertEqual(sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()), total)
        top_json = daemon.get("/api/v1/query", **self.span, format="top").json
        self.assertEqual(sum(f["self"] for f in top_json["functions"]), total)
        speedscope = daemon.get("/api/v1/query", **self.span, format="speedscope").json
        profile = speedscope["profiles"][0]
        self.assertEqual(sum(profile["weights"]), total * self.graph["period_ns"])
        self.assertEqual(profile["endValue"], sum(profile["weights"]))
        path = os.path.join(directory, "same.pb.gz")
        with open(path, "wb") as f:
            f.write(daemon.get("/api/v1/query", **self.span, format="pprof").body)
        raw = pprof("-raw", path)
        self.assertEqual(sum(int(n) for n in re.findall(r"^ +(\d+) +\d+: [\d ]+$", raw, re.M)), total)

    def test_folded_lines_are_what_pprof_says(self):
        folded = daemon.get("/api/v1/query", **self.span, format="folded").text
        for line in folded.splitlines():
            self.assertRegex(line, r"^%s;[^;]+(;[^;]+)* [1-9]\d*$" % NAME)
            self.assertNotRegex(line, r"0x[0-9a-f]{6,}")
        self.assertEqual(folded.splitlines(), sorted(set(folded.splitlines()), key=lambda x: x.rsplit(" ", 1)[0].encode()))
        mixed = sum(int(x.rsplit(" ", 1)[1]) for x in folded.splitlines() if ";churn_[i];mix_[i]" in x)
        self.assertGreater(mixed / self.graph["total"], 0.5)
        self.assertIn("_[k]", folded)

    def check_graph(self, graph):
        nodes, strings = graph["nodes"], graph["strings"]
        count = len(nodes["parent"])
        self.assertTrue(all(len(column) == count for column in nodes.values()))
        self.assertEqual((nodes["parent"][0], nodes["kind"][0], strings[nodes["name"][0]]), (-1, 0, ""))
        self.assertEqual(strings[0], "")
        self.assertEqual(len(strings), len(set(strings)))
        children = {}
        for i in range(1, count):
            self.assertLess(nodes["parent"][i], i)
            children.setdefault(nodes["parent"][i], []).append(i)
            self.assertEqual(nodes["kind"][i] == 1, nodes["parent"][i] == 0 and nodes["kind"][i] != 8)
        for i in range(count):
            below = children.get(i, [])
            self.assertEqual(nodes["total"][i], nodes["self"][i] + sum(nodes["total"][c] for c in below))
            names = [(strings[nodes["name"][c]].encode(), strings[nodes["binary"][c]].encode(), nodes["kind"][c])
                     for c in below]
            self.assertEqual(names, sorted(set(names)))
            if i:
                self.assertTrue(strings[nodes["name"][i]])
        self.assertEqual(nodes["total"][0], graph["total"])
        self.assertEqual(sum(graph["verdicts"].values()), graph["total"])

    def test_the_flame_graph_adds_up(self):
        self.check_graph(self.graph)
        self.assertEqual(self.graph["elided"], {"nodes": 0, "samples": 0})
        nodes, strings = self.graph["nodes"], self.graph["strings"]
        names = [strings[n] for n in nodes["name"]]
        at = names.index("mix")
        self.assertEqual((nodes["kind"][at], names[nodes["parent"][at]]), (3, "churn"))
        self.assertTrue(strings[nodes["file"][at]].endswith("seventy.c"))
        self.assertGreater(nodes["line"][at], 0)

    def test_elided_frames_keep_the_sums(self):
        whole = daemon.get("/api/v1/query", **{"from": "now-1m"}, min_share=0).json
        cut = daemon.get("/api/v1/query", **{"from": "now-1m"}, min_share=0.01).json
        self.check_graph(cut)
        self.assertLess(len(cut["nodes"]["kind"]), len(whole["nodes"]["kind"]))
        elided = [i for i, k in enumerate(cut["nodes"]["kind"]) if k == 8]
        self.assertEqual(sum(cut["nodes"]["total"][i] for i in elided), cut["elided"]["samples"])
        for i in elided:
            self.assertRegex(cut["strings"][cut["nodes"]["name"][i]], r"^\(\d+ small frames\)$")
        self.assertEqual(sum(int(cut["strings"][cut["nodes"]["name"][i]].split()[0][1:]) for i in elided),
                         cut["elided"]["nodes"])

    def test_a_path_opens_its_branch(self):
        for path in ([NAME, "_start"], json.dumps([NAME, "_start"])):
            graph = daemon.get("/api/v1/query", **self.span, path=path).json
            self.check_graph(graph)
            self.assertEqual(graph["total"], self.graph["total"])

    def test_top_counts_recursion_once(self):
        for f in daemon.get("/api/v1/query", **{"from": "now-1m"}, format="top").json["functions"]:
            self.assertLessEqual(f["self"], f["total"])
            self.assertLessEqual(f["total_share"], 1)

    def test_the_html_file_stands_alone(self):
        answer = daemon.get("/api/v1/query", **self.span, format="html")
        self.assertIn("sandbox", answer.headers["content-security-policy"])
        self.assertNotIn("@HEARTH_PROFILE@", answer.text)
        self.assertIn('"mix"', answer.text)
        self.assertNotRegex(answer.text, r'(src|href)="(https?:)?/')

    def test_speedscope_opens_it(self):
        path = os.path.join(directory, "profile.speedscope.json")
        with open(path, "wb") as f:
            f.write(daemon.get("/api/v1/query", **self.span, format="speedscope").body)
        done = run(["node", os.path.join(ROOT, "tests", "support", "speedscope_saved.mjs"), path], timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = json.loads(done.stdout)
        self.assertAlmostEqual(seen["total"], self.graph["total"] * self.graph["period_ns"])
        self.assertEqual(seen["unit"], "nanoseconds")
        self.assertIn("mix", seen["frames"])
        self.assertIn("churn", seen["frames"])


if __name__ == "__main__":
    unittest.main()
