// SPDX-License-Identifier: Apache-2.0
//
// Flame graph JSON of synthetic profiles, for measurements and for the limits of the page. The same seed gives the same
// profile.

/** A small generator of even numbers in 0..1 (mulberry32). */
export function randomFrom(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The empty profile's frame around columns. */
export function profileJson(nodes, strings, total) {
  const to = 1700000900;
  return {
    version: 1, from: to - 900, to, query: "", period_ns: 10101010, total, strings, nodes, elided: { nodes: 0, samples: 0 },
    lost: {}, verdicts: { complete: total, truncated: 0, failed: 0 },
  };
}

/** A bushy tree of `count` frames, at most 40 deep, with names such as programs have. */
export function bushy(count, seed = 1) {
  const random = randomFrom(seed);
  const parts = ["read", "write", "parse", "encode", "lookup", "insert", "hash", "alloc", "free", "visit", "emit", "merge", "scan", "flush", "poll", "copy"];
  const strings = ["", "/usr/bin/server", "/usr/lib/libc.so.6", "[kernel.kallsyms]"];
  const names = Math.min(20000, Math.max(50, count >> 3));
  for (let i = 0; i < names; i++) strings.push(`${parts[i % 16]}_${parts[(i >> 4) % 16]}_${i}`);
  const kids = [[]];
  const depth = [0];
  for (let i = 1; i < count; i++) {
    let p = Math.floor(random() ** 1.6 * i);
    while (depth[p] >= 38) p = Math.floor(random() * i);
    kids.push([]);
    depth.push(depth[p] + 1);
    kids[p].push(i);
  }
  const nodes = { parent: [], name: [], kind: [], binary: [], file: [], line: [], self: [], total: [] };
  const stack = [[0, -1]];
  while (stack.length) {
    const [id, parent] = stack.pop();
    const at = nodes.parent.length;
    nodes.parent.push(parent);
    nodes.name.push(id === 0 ? 0 : 4 + Math.floor(random() * names));
    nodes.kind.push(depth[id] === 0 ? 0 : depth[id] === 1 ? 1 : [2, 2, 2, 3, 4][Math.floor(random() * 5)]);
    nodes.binary.push(depth[id] < 2 ? 0 : 1 + Math.floor(random() * 3));
    nodes.file.push(0);
    nodes.line.push(0);
    const self = kids[id].length && random() < 0.7 ? 0 : 1 + Math.floor(random() ** 6 * 400);
    nodes.self.push(id === 0 ? 0 : self);
    for (const k of kids[id]) stack.push([k, at]);
  }
  nodes.total = nodes.self.slice();
  for (let i = nodes.parent.length - 1; i > 0; i--) nodes.total[nodes.parent[i]] += nodes.total[i];
  return profileJson(nodes, strings, nodes.total[0]);
}

/** One stack, `levels` deep. */
export function deep(levels) {
  const nodes = { parent: [-1], name: [0], kind: [0], binary: [0], file: [0], line: [0], self: [0], total: [7] };
  for (let i = 1; i <= levels; i++) {
    nodes.parent.push(i - 1);
    nodes.name.push(1 + (i % 2));
    nodes.kind.push(i === 1 ? 1 : 2);
    for (const c of ["binary", "file", "line"]) nodes[c].push(0);
    nodes.self.push(i === levels ? 7 : 0);
    nodes.total.push(7);
  }
  return profileJson(nodes, ["", "recurse_even", "recurse_odd"], 7);
}
