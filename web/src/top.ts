// SPDX-License-Identifier: Apache-2.0
//
// Self and total per function. A sample counts once for a function's total, however often the function is on its
// stack.
import { internFrames } from "./builder";
import { Kind, type Tree } from "./tree";

export interface Row {
  /** A node that shows the function. */
  node: number;
  name: string;
  binary: string;
  kind: number;
  self: number;
  total: number;
}

/** The functions of a tree, in no order. Root, processes and folded frames are no functions. */
export function topFunctions(t: Tree): Row[] {
  const frames = internFrames(t);
  const self = new Float64Array(frames.count);
  const total = new Float64Array(frames.count);
  const covered = new Int32Array(frames.count);
  for (let i = 0; i < t.count; i++) {
    const f = frames.of[i];
    self[f] += t.self[i];
    if (i < covered[f]) continue;
    total[f] += t.total[i];
    covered[f] = t.end[i];
  }
  const rows: Row[] = [];
  for (let f = 0; f < frames.count; f++) {
    const node = frames.sample[f];
    const kind = t.kind[node];
    if (kind === Kind.root || kind === Kind.label || kind === Kind.elided) continue;
    rows.push({
      node, name: t.strings[t.name[node]], binary: t.strings[t.binary[node]], kind, self: self[f], total: total[f],
    });
  }
  return rows;
}

const orders: Record<string, (a: Row, b: Row) => number> = {
  self: (a, b) => a.self - b.self || a.total - b.total,
  total: (a, b) => a.total - b.total || a.self - b.self,
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
};

/** Sort rows by "self", "total" or "name", "-" in front for descending. */
export function sortRows(rows: Row[], by: string): Row[] {
  const down = by.startsWith("-");
  const order = orders[down ? by.slice(1) : by] ?? orders.self;
  return rows.sort((a, b) => (down ? order(b, a) : order(a, b)) || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.node - b.node));
}
