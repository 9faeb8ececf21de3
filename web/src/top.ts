// SPDX-License-Identifier: Apache-2.0
//
// Self and total per function. A sample counts once for a function's total, however often the function is on its
// stack.
import { internFrames } from "./builder";
import { Kind, type Tree } from "./tree";

export interface Row {
  /** A node that shows the function; -1 = the tree on show has none. */
  node: number;
  name: string;
  binary: string;
  kind: number;
  self: number;
  total: number;
}

/** The functions of the server's own table: exact, with what a flame graph folds away. */
export interface TopJson {
  total: number;
  functions: { name: string; binary: string; kind: number; self: number; total: number }[];
}

/** Number of each node's function: its name and binary, inlined or not; 0 = none. */
function functionIds(t: Tree): { of: Uint32Array; first: number[] } {
  const frames = internFrames(t);
  const ids = new Map<number, number>();
  const first = [0];
  const idOfFrame = new Uint32Array(frames.count);
  for (let f = 0; f < frames.count; f++) {
    const i = frames.sample[f];
    const kind = t.kind[i] === Kind.inlined ? Kind.native : t.kind[i];
    if (kind === Kind.root || kind === Kind.label || kind === Kind.elided) continue;
    const key = (t.name[i] * t.strings.length + t.binary[i]) * 16 + kind;
    let id = ids.get(key);
    if (id === undefined) ids.set(key, (id = first.push(i) - 1));
    idOfFrame[f] = id;
  }
  return { of: Uint32Array.from(frames.of, (f) => idOfFrame[f]), first };
}

/** The functions of a tree, in no order. Root, processes and folded frames are no functions. */
export function topFunctions(t: Tree): Row[] {
  const { of, first } = functionIds(t);
  const self = new Float64Array(first.length);
  const total = new Float64Array(first.length);
  const covered = new Int32Array(first.length);
  for (let i = 0; i < t.count; i++) {
    const f = of[i];
    self[f] += t.self[i];
    if (i < covered[f]) continue;
    total[f] += t.total[i];
    covered[f] = t.end[i];
  }
  const rows: Row[] = [];
  for (let f = 1; f < first.length; f++) {
    const node = first[f];
    rows.push({
      node, name: t.strings[t.name[node]], binary: t.strings[t.binary[node]], kind: t.kind[node], self: self[f], total: total[f],
    });
  }
  return rows;
}

/** The rows of the server's table, tied to the nodes of a tree where it has them. */
export function rowsOfTop(top: TopJson, t: Tree): Row[] {
  const nodes = new Map(topFunctions(t).map((r) => [`${r.name}\0${r.binary}`, r.node]));
  return top.functions.map((f) => ({ ...f, node: nodes.get(`${f.name}\0${f.binary}`) ?? -1 }));
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
