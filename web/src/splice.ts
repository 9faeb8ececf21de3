// SPDX-License-Identifier: Apache-2.0
//
// Opening what the server folded away: the subtree is fetched in full and takes the place of the short one.
import { fetchProfile } from "./api";
import type { Profile } from "./profile";
import { timeText } from "./time";
import { pathTo, treeFromColumns, type Columns, type Tree } from "./tree";

/** The node that a path of names leads to; -1 = it is not there. */
export function nodeByPath(t: Tree, names: string[]): number {
  let node = 0;
  for (const name of names) {
    let child = node + 1;
    while (child < t.end[node] && t.strings[t.name[child]] !== name) child = t.end[child];
    if (child >= t.end[node]) return -1;
    node = child;
  }
  return node;
}

/** A tree in which the subtree of `at` is that of `from` in `other`. Both stand for the same samples. */
export function spliceTree(t: Tree, at: number, other: Tree, from: number): Tree {
  const strings = t.strings.slice();
  const known = new Map(strings.map((s, i) => [s, i]));
  const string = Uint32Array.from(other.strings, (s) => {
    let id = known.get(s);
    if (id === undefined) known.set(s, (id = strings.push(s) - 1));
    return id;
  });
  const cut = t.end[at];
  const added = other.end[from] - from;
  const count = t.count - (cut - at) + added;
  const grow = added - (cut - at);
  const mix = <T extends Int32Array | Uint32Array | Uint8Array | Float64Array>(made: T, mine: T, theirs: T, map?: Uint32Array): T => {
    made.set(mine.subarray(0, at) as never, 0);
    for (let i = 0; i < added; i++) made[at + i] = map ? map[theirs[from + i]] : theirs[from + i];
    made.set(mine.subarray(cut) as never, at + added);
    return made;
  };
  const c: Columns = {
    strings,
    parent: mix(new Int32Array(count), t.parent, other.parent),
    kind: mix(new Uint8Array(count), t.kind, other.kind),
    name: mix(new Uint32Array(count), t.name, other.name, string),
    binary: mix(new Uint32Array(count), t.binary, other.binary, string),
    file: mix(new Uint32Array(count), t.file, other.file, string),
    line: mix(new Uint32Array(count), t.line, other.line),
    self: mix(new Float64Array(count), t.self, other.self),
    total: mix(new Float64Array(count), t.total, other.total),
  };
  c.parent[at] = t.parent[at];
  for (let i = 1; i < added; i++) c.parent[at + i] = other.parent[from + i] - from + at;
  for (let i = at + added; i < count; i++) if (c.parent[i] >= cut) c.parent[i] += grow;
  return treeFromColumns(c);
}

/** Fetch what is below a node in full. Throws an Error that says why it could not. */
export async function openFolded(p: Profile, query: string, node: number): Promise<Tree> {
  const t = p.tree;
  const names = pathTo(t, node).slice(1).map((n) => t.strings[t.name[n]]);
  const whole = await fetchProfile(query, { from: timeText(p.from), to: timeText(p.to) }, undefined, names);
  const from = nodeByPath(whole.tree, names);
  if (from < 0 || whole.tree.total[from] !== t.total[node]) throw new Error("The profile has changed meanwhile. Load it again (r).");
  return spliceTree(t, node, whole.tree, from);
}
