// SPDX-License-Identifier: Apache-2.0
//
// A profile as a tree of frames, in parallel typed arrays.
//
// Nodes are in pre-order: a node's subtree is the range [node, end[node]), its first child is node + 1, the next
// sibling of a child c is end[c]. Node 0 is the root. Weights are in samples. Everything that walks a tree walks
// it by index, never by recursion, so that its depth is bounded by memory only.
//
// Invariants: immutable once made; parent[i] < i; total[i] = self[i] + the totals of the children.

/** What a frame is; the numbers of the flame graph JSON. */
export const Kind = {
  root: 0,
  label: 1,
  native: 2,
  inlined: 3,
  kernel: 4,
  jit: 5,
  interpreter: 6,
  marker: 7,
  elided: 8,
} as const;

export const kindNames = [
  "everything", "process", "native", "inlined", "kernel", "JIT", "interpreted", "marker", "folded away",
];

export interface Tree {
  count: number;
  /** Strings that name, binary and file refer to; strings[0] = "". */
  strings: string[];
  parent: Int32Array;
  /** One past the last node of the subtree. */
  end: Int32Array;
  depth: Int32Array;
  maxDepth: number;
  kind: Uint8Array;
  name: Uint32Array;
  binary: Uint32Array;
  file: Uint32Array;
  /** Source line; 0 = unknown. */
  line: Uint32Array;
  self: Float64Array;
  total: Float64Array;
  /** The other side of a comparison: samples before, already scaled to the length of the range after. */
  baseSelf?: Float64Array;
  baseTotal?: Float64Array;
}

/** The columns a tree is made from; rows in pre-order. */
export interface Columns {
  strings: string[];
  parent: Int32Array;
  kind: Uint8Array;
  name: Uint32Array;
  binary: Uint32Array;
  file: Uint32Array;
  line: Uint32Array;
  self: Float64Array;
  total: Float64Array;
}

/** Add what follows from the columns: subtree ends and depths. */
export function treeFromColumns(c: Columns): Tree {
  const count = c.parent.length;
  const end = new Int32Array(count);
  const depth = new Int32Array(count);
  let maxDepth = 0;
  for (let i = 1; i < count; i++) {
    const d = depth[c.parent[i]] + 1;
    depth[i] = d;
    if (d > maxDepth) maxDepth = d;
  }
  for (let i = count - 1; i >= 0; i--) {
    if (end[i] <= i) end[i] = i + 1;
    const p = c.parent[i];
    if (p >= 0 && end[p] < end[i]) end[p] = end[i];
  }
  return { ...c, count, end, depth, maxDepth };
}

/** A tree that has a root and nothing else. */
export function emptyTree(strings: string[] = [""]): Tree {
  return treeFromColumns({
    strings,
    parent: Int32Array.of(-1), kind: Uint8Array.of(Kind.root), name: Uint32Array.of(0),
    binary: Uint32Array.of(0), file: Uint32Array.of(0), line: Uint32Array.of(0),
    self: Float64Array.of(0), total: Float64Array.of(0),
  });
}

/** The path from the root to a node, both included. */
export function pathTo(t: Tree, node: number): number[] {
  const path: number[] = [];
  for (let i = node; i >= 0; i = t.parent[i]) path.push(i);
  return path.reverse();
}

/** Whether `node` lies in the subtree of `ancestor` (a node lies in its own). */
export function isWithin(t: Tree, node: number, ancestor: number): boolean {
  return node >= ancestor && node < t.end[ancestor];
}

/** The children of a node, in their order. */
export function childrenOf(t: Tree, node: number): number[] {
  const children: number[] = [];
  for (let i = node + 1; i < t.end[node]; i = t.end[i]) children.push(i);
  return children;
}

const hashedStrings = new WeakMap<string[], Uint32Array>();

/** FNV-1a of a string. */
export function hashString(s: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** The hash of a string of a table, made when it is first asked for. */
function stringHash(strings: string[], i: number): number {
  let known = hashedStrings.get(strings);
  if (!known || known.length !== strings.length) hashedStrings.set(strings, (known = new Uint32Array(strings.length)));
  return known[i] || (known[i] = hashString(strings[i]));
}

/**
 * A short name for a node that another profile with the same stack has too: a 52-bit hash of the names from the
 * root, in base 36. It goes into links, so it depends on nothing but names and kinds.
 */
export function nodeKey(t: Tree, node: number): string {
  let low = 0;
  let high = 0;
  for (const i of pathTo(t, node)) {
    const h = nodeHash(t, i);
    low = mixLow(low, h);
    high = mixHigh(high, low, h);
  }
  return keyText(low, high);
}

/** The node a key stands for; -1 = this profile has no such stack. */
export function nodeByKey(t: Tree, key: string): number {
  const low = new Uint32Array(t.count);
  const high = new Uint32Array(t.count);
  const wanted = keyNumber(key);
  for (let i = 0; i < t.count; i++) {
    const p = t.parent[i];
    const h = nodeHash(t, i);
    low[i] = mixLow(p < 0 ? 0 : low[p], h);
    high[i] = mixHigh(p < 0 ? 0 : high[p], low[i], h);
    if ((high[i] & 0xfffff) * 0x100000000 + low[i] === wanted) return i;
  }
  return -1;
}

function nodeHash(t: Tree, i: number): number {
  return i === 0 ? 1 : Math.imul(stringHash(t.strings, t.name[i]), 31) + t.kind[i];
}

function mixLow(low: number, value: number): number {
  const a = Math.imul(low ^ value, 0x9e3779b1);
  return (a ^ (a >>> 15)) >>> 0;
}

function mixHigh(high: number, low: number, value: number): number {
  const b = Math.imul(high ^ value ^ (low >>> 7), 0x85ebca6b);
  return (b ^ (b >>> 13)) >>> 0;
}

function keyText(low: number, high: number): string {
  return ((high & 0xfffff) * 0x100000000 + low).toString(36);
}

function keyNumber(key: string): number {
  return /^[0-9a-z]{1,11}$/.test(key) ? parseInt(key, 36) : NaN;
}
