// SPDX-License-Identifier: Apache-2.0
//
// Search by regular expression: which frames match, and which share of the samples runs below them.
//
// The expression is tried once on each distinct string, not on each frame. "bin:" and "file:" in front search
// binaries and source files. Without a capital letter, case does not matter.
import type { Tree } from "./tree";

export interface Matches {
  /** 1 for each node that matches. */
  marked: Uint8Array;
  count: number;
  /** Samples with at least one matching frame: each is counted once, however many of its frames match. */
  samples: number;
  baseSamples: number;
  /** Matching nodes, in pre-order. */
  nodes: Int32Array;
}

export interface Pattern {
  regex: RegExp;
  field: "name" | "binary" | "file";
}

const fields = { "bin:": "binary", "binary:": "binary", "file:": "file", "name:": "name" } as const;

/** Read a search text. Returns null for an empty one. Throws SyntaxError for an expression that does not parse. */
export function parsePattern(text: string): Pattern | null {
  let field: Pattern["field"] = "name";
  let rest = text;
  for (const [prefix, f] of Object.entries(fields)) {
    if (text.startsWith(prefix)) {
      field = f;
      rest = text.slice(prefix.length);
      break;
    }
  }
  if (!rest) return null;
  return { regex: new RegExp(rest, /\p{Lu}/u.test(rest.replace(/\\./g, "")) ? "" : "i"), field };
}

/** Text that matches literally when read as a pattern. */
export function quotePattern(text: string): string {
  return `^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
}

/** Which strings of a table match. */
export function matchStrings(strings: string[], regex: RegExp): Uint8Array {
  const hit = new Uint8Array(strings.length);
  for (let i = 1; i < strings.length; i++) if (regex.test(strings[i])) hit[i] = 1;
  return hit;
}

/** Find the frames of a tree that match. */
export function searchTree(t: Tree, pattern: Pattern): Matches {
  const hit = matchStrings(t.strings, pattern.regex);
  const column = t[pattern.field];
  const marked = new Uint8Array(t.count);
  let count = 0;
  for (let i = 1; i < t.count; i++) {
    if (hit[column[i]]) {
      marked[i] = 1;
      count++;
    }
  }
  const nodes = new Int32Array(count);
  let samples = 0;
  let baseSamples = 0;
  let covered = 0;
  for (let i = 1, at = 0; i < t.count; i++) {
    if (!marked[i]) continue;
    nodes[at++] = i;
    if (i < covered) continue;
    samples += t.total[i];
    if (t.baseTotal) baseSamples += t.baseTotal[i];
    covered = t.end[i];
  }
  return { marked, count, samples, baseSamples, nodes };
}

/** The match after (direction 1) or before (-1) a node, going round; -1 = there are none. */
export function nextMatch(m: Matches, node: number, direction: 1 | -1): number {
  if (m.count === 0) return -1;
  let low = 0;
  let high = m.count;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (m.nodes[mid] < node || (direction === 1 && m.nodes[mid] === node)) low = mid + 1;
    else high = mid;
  }
  const at = direction === 1 ? low : low - 1;
  return m.nodes[(at + m.count) % m.count];
}
