// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for the server, for working on the page and for tests of states that a real server shows rarely: serves
// build/web and a profile made of folded text or of a synthetic tree.
//
//   node tests/browser/mock.mjs PORT [FOLDED_FILE]
import { createServer } from "node:http";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = join(dirname(fileURLToPath(import.meta.url)), "../../build/web");

export const securityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The flame graph JSON of folded text: comm;frame;...;leaf COUNT. */
export function flamegraphOf(folded, options = {}) {
  const root = { children: new Map(), self: 0, total: 0 };
  for (const line of folded.split("\n")) {
    const at = line.lastIndexOf(" ");
    if (at < 0) continue;
    const count = Number(line.slice(at + 1));
    let node = root;
    root.total += count;
    for (const name of line.slice(0, at).split(";")) {
      let child = node.children.get(name);
      if (!child) node.children.set(name, (child = { children: new Map(), self: 0, total: 0 }));
      child.total += count;
      node = child;
    }
    node.self += count;
  }
  return toJson(root, options);
}

function toJson(root, { from = Math.floor(Date.now() / 1000) - 900, to = Math.floor(Date.now() / 1000), query = "" } = {}) {
  const strings = [""];
  const ids = new Map([["", 0]]);
  const id = (s) => {
    let i = ids.get(s);
    if (i === undefined) ids.set(s, (i = strings.push(s) - 1));
    return i;
  };
  const nodes = { parent: [], name: [], kind: [], binary: [], file: [], line: [], self: [], total: [] };
  const stack = [[root, "", -1, 0]];
  while (stack.length) {
    const [node, raw, parent, depth] = stack.pop();
    const at = nodes.parent.length;
    const suffix = /_\[(.)\]$/.exec(raw)?.[1];
    const [name, binary] = (suffix ? raw.slice(0, -4) : raw).split("@@");
    nodes.parent.push(parent);
    nodes.name.push(id(name));
    nodes.kind.push(depth === 0 ? 0 : depth === 1 ? 1 : suffix === "k" ? 4 : suffix === "i" ? 3 : suffix === "j" ? 5 : /^\[(?!k)/.test(name) && !/\.so|lib/.test(name) ? 7 : 2);
    nodes.binary.push(id(suffix === "k" ? "[kernel.kallsyms]" : depth > 1 ? binary ?? "" : ""));
    nodes.file.push(0);
    nodes.line.push(0);
    nodes.self.push(node.self);
    nodes.total.push(node.total);
    const children = [...node.children].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [n, c] of children) stack.push([c, n, at, depth + 1]);
  }
  return {
    version: 1, from, to, query, period_ns: 10101010, total: root.total, strings, nodes,
    elided: { nodes: 0, samples: 0 }, lost: { ring_full: 0 }, verdicts: { complete: root.total, truncated: 0, failed: 0 },
  };
}

/** A time series of some processes. */
function timeseries(from, to, step, limit, graph) {
  const names = [];
  for (let i = 1; i < graph.nodes.parent.length; i++) if (graph.nodes.parent[i] === 0) names.push([graph.strings[graph.nodes.name[i]], graph.nodes.total[i] / graph.total]);
  const n = Math.max(1, Math.round((to - from) / step));
  const series = names.sort((a, b) => b[1] - a[1]).slice(0, limit).map(([value, share], k) => ({
    value, cores: Array.from({ length: n }, (_, i) => Math.max(0, share * 2 * (0.8 + 0.5 * Math.sin(i / (4 + k * 1.7) + k) + 0.2 * Math.sin(i * 1.3 + k * 5)))),
  }));
  return { from, to, step, by: "comm", series };
}

/** A ledger of the binaries of a profile, with the profile's own names where text is shown. */
function ledgerOf(graph) {
  const names = [...new Set(graph.nodes.name.map((n) => graph.strings[n]).filter(Boolean))];
  return {
    cpu_seconds: 10, unnamed_cpu_seconds: 4, total: names.length, binaries: names.map((path, i) => ({
      build_id: String(i).padStart(40, "0"), has_build_id: true, path, kind: "elf", cpu_seconds: 1, unnamed_cpu_seconds: 0.4, frames: 5, unnamed_frames: 2,
      stacks: { complete: 8, truncated: 1, failed: 1, ends: { [path]: 2 } }, mend: [{ for: "symbols", why: `no symbols in ${path}`, command: `apt-get install ${path}` }],
      symbols: {
        state: "failed", reason: path, symbols: 1, functions: 1, inlined: 0, lines: 0, debug_file: path, file_bytes: 12, sources: { ".symtab": "absent", [path]: "used" },
        tried: [{ path, place: "debug", result: "absent" }],
      },
      unwind: { state: "none", reason: path, sources: [path], rows: 0, functions: 0, damaged_functions: 0, bytes: 0 },
    })),
  };
}

const time = (text, now) => {
  const m = /^now(?:-(\d+)([smhd]))?$/.exec(text);
  return m ? now - (m[1] ? Number(m[1]) * { s: 1, m: 60, h: 3600, d: 86400 }[m[2]] : 0) : Number(text);
};

/** Serve the page. @param profile () => flame graph JSON; may be changed while serving through `serving.profile` */
export function startMock(port, profile) {
  const serving = { profile, fail: 0, requests: [] };
  const types = { js: "text/javascript", css: "text/css", html: "text/html; charset=utf-8", svg: "image/svg+xml" };
  serving.server = createServer((q, a) => {
    const url = new URL(q.url, "http://x");
    serving.requests.push(url.pathname + url.search);
    const json = (x, status = 200) => {
      a.writeHead(status, { "content-type": "application/json" });
      a.end(JSON.stringify(x));
    };
    if (url.pathname.startsWith("/api/")) {
      if (serving.fail) return json({ error: "failure asked for" }, serving.fail);
      const now = Math.floor(Date.now() / 1000);
      const from = time(url.searchParams.get("from") ?? "now-15m", now);
      const to = time(url.searchParams.get("to") ?? "now", now);
      if (url.pathname === "/api/v1/query") return json({ ...serving.profile(url), from, to });
      if (url.pathname === "/api/v1/timeseries") return json(timeseries(from, to, Number(url.searchParams.get("step")), Number(url.searchParams.get("limit") ?? 100), serving.profile(url)));
      if (url.pathname === "/api/v1/binaries") return json(ledgerOf(serving.profile(url)));
      if (url.pathname === "/api/v1/labels") return json({ labels: ["cgroup", "comm", "exe", "pid", "thread", "unit"] });
      if (url.pathname.startsWith("/api/v1/label/")) return json({ values: ["cc1", "chromium", "make", "node", "python3"] });
      return json({ error: "unknown path" }, 404);
    }
    const name = url.pathname === "/" ? "index.html" : url.pathname.slice(1);
    if (!readdirSync(web).includes(name)) return json({ error: "unknown path" }, 404);
    a.writeHead(200, { "content-type": types[name.split(".").pop()], "content-security-policy": securityPolicy });
    return a.end(readFileSync(join(web, name)));
  });
  return new Promise((resolve) => serving.server.listen(port, "127.0.0.1", () => resolve(serving)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folded = process.argv[3] ? readFileSync(process.argv[3], "utf8") : "make;main@@make;run@@make 3\nmake;main@@make;wait_[k] 1\n";
  const graph = flamegraphOf(folded);
  await startMock(Number(process.argv[2] ?? 7990), () => graph);
}
