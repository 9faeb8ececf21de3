// SPDX-License-Identifier: Apache-2.0
//
// The flame graph JSON of /api/v1/query: checked and turned into a tree.
import { treeFromColumns, type Tree } from "./tree";

/** The JSON as it comes. */
export interface ProfileJson {
  version: number;
  from: number;
  to: number;
  query: string;
  period_ns: number;
  total: number;
  strings: string[];
  nodes: {
    parent: number[]; name: number[]; kind: number[]; binary: number[]; file: number[]; line: number[];
    self: number[]; total: number[];
    /** Of a difference: the other side. */
    base_self?: number[]; base_total?: number[];
  };
  elided?: { nodes: number; samples: number };
  lost?: Record<string, number>;
  verdicts?: Record<string, number>;
}

export interface Profile {
  tree: Tree;
  /** Range covered, Unix seconds. */
  from: number;
  to: number;
  query: string;
  /** CPU time a sample stands for. */
  periodNs: number;
  elided: { nodes: number; samples: number };
  /** How much finer than usual it was asked for. */
  detail: number;
  /** Samples lost per reason. */
  lost: Record<string, number>;
  /** Samples per verdict on their stack: complete, truncated, failed. */
  verdicts: Record<string, number>;
}

/** CPU seconds that samples stand for. */
export function cpuSeconds(p: Profile, samples: number): number {
  return (samples * p.periodNs) / 1e9;
}

/** Cores kept busy by that many samples. */
export function cores(p: Profile, samples: number): number {
  const seconds = p.to - p.from;
  return seconds > 0 ? cpuSeconds(p, samples) / seconds : 0;
}

/**
 * Half the width of the 95 % interval of a share, from the number of samples it was estimated from (normal
 * approximation with the Agresti-Coull adjustment, so that a share of 0 or 1 has an interval as well).
 */
export function shareError(samples: number, total: number): number {
  if (total <= 0) return 0;
  const z = 1.96;
  const n = total + z * z;
  const p = Math.min(1, (samples + (z * z) / 2) / n);
  return z * Math.sqrt((p * (1 - p)) / n);
}

/** Check the JSON and make the profile. Throws an Error whose message can be shown. */
export function parseProfile(json: ProfileJson): Profile {
  if (!json || typeof json !== "object" || !json.nodes || !Array.isArray(json.strings))
    throw new Error("The answer is no flame graph.");
  if (json.version !== 1)
    throw new Error(`The flame graph has version ${json.version}, this page reads version 1. Reload the page.`);
  const n = json.nodes;
  const count = n.parent.length;
  for (const column of [n.name, n.kind, n.binary, n.file, n.line, n.self, n.total])
    if (!Array.isArray(column) || column.length !== count) throw new Error("The flame graph's columns differ in length.");
  if (count === 0) throw new Error("The flame graph has no root.");
  const parent = new Int32Array(n.parent);
  const name = new Uint32Array(n.name);
  const binary = new Uint32Array(n.binary);
  const file = new Uint32Array(n.file);
  for (let i = 0; i < count; i++) {
    if (i === 0 ? parent[i] !== -1 : parent[i] < 0 || parent[i] >= i)
      throw new Error(`Frame ${i} of the flame graph has no parent before it.`);
    if (Math.max(name[i], binary[i], file[i]) >= json.strings.length)
      throw new Error(`Frame ${i} of the flame graph has a name that is not there.`);
  }
  return {
    tree: treeFromColumns({
      strings: json.strings, parent, name, binary, file,
      kind: new Uint8Array(n.kind), line: new Uint32Array(n.line),
      self: new Float64Array(n.self), total: new Float64Array(n.total),
    }),
    from: json.from, to: json.to, query: json.query ?? "", periodNs: json.period_ns,
    elided: json.elided ?? { nodes: 0, samples: 0 }, detail: 1, lost: json.lost ?? {}, verdicts: json.verdicts ?? {},
  };
}
