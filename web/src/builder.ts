// SPDX-License-Identifier: Apache-2.0
//
// Builds a tree by adding weight to (parent, frame) pairs, merging equal siblings; used by every view that
// rearranges stacks: inverted, callers and callees, hidden frames, differences.
//
// A frame is (name, kind, binary). Look-up is an open-addressing table keyed by parent and frame.
import { Kind, treeFromColumns, type Tree } from "./tree";

/** Frames of a tree, numbered so that equal frames have equal numbers. */
export interface Frames {
  /** Frame of each node. */
  of: Uint32Array;
  count: number;
  /** A node that shows the frame: where its name, file and line are read. */
  sample: Int32Array;
}

/** Name of what is folded away because it is too small to draw; a click opens it. */
export const foldedName = "(small frames)";

const framesOf = new WeakMap<Tree, Frames>();

/** Number the frames of a tree; made once per tree. */
export function internFrames(t: Tree): Frames {
  const known = framesOf.get(t);
  if (known) return known;
  const ids = new Map<number, number>();
  const of = new Uint32Array(t.count);
  const sample: number[] = [];
  const strings = t.strings.length;
  for (let i = 0; i < t.count; i++) {
    const key = (t.name[i] * strings + t.binary[i]) * 16 + t.kind[i];
    let id = ids.get(key);
    if (id === undefined) {
      id = sample.length;
      ids.set(key, id);
      sample.push(i);
    }
    of[i] = id;
  }
  const frames = { of, count: sample.length, sample: Int32Array.from(sample) };
  framesOf.set(t, frames);
  return frames;
}

export class TreeBuilder {
  private parents: number[] = [-1];
  private frames: number[] = [0];
  private selfs: number[] = [0];
  private bases: number[] = [0];
  private table = new Int32Array(1024);
  private readonly frameSource: Frames;
  /** The frame that stands for small frames folded together. */
  readonly folded: number;

  /** @param source the tree whose frames are used; frame numbers are those of internFrames(source) */
  constructor(private readonly source: Tree, frames?: Frames) {
    this.frameSource = frames ?? internFrames(source);
    this.folded = this.frameSource.count;
  }

  get count(): number {
    return this.parents.length;
  }

  /** The child of `parent` that shows `frame`, made if there is none. */
  child(parent: number, frame: number): number {
    if (this.parents.length * 2 > this.table.length) this.grow();
    let slot = this.slot(parent, frame);
    for (; this.table[slot]; slot = (slot + 1) & (this.table.length - 1)) {
      const node = this.table[slot];
      if (this.parents[node] === parent && this.frames[node] === frame) return node;
    }
    const node = this.parents.length;
    this.parents.push(parent);
    this.frames.push(frame);
    this.selfs.push(0);
    this.bases.push(0);
    this.table[slot] = node;
    return node;
  }

  addSelf(node: number, samples: number): void {
    this.selfs[node] += samples;
  }

  addBase(node: number, samples: number): void {
    this.bases[node] += samples;
  }

  /**
   * The tree: pre-order, siblings sorted by name, totals summed; nodes without any weight are left out.
   *
   * @param withBase whether the tree carries the weights of addBase()
   */
  finish(withBase = false): Tree {
    const n = this.parents.length;
    const total = Float64Array.from(this.selfs);
    const baseTotal = Float64Array.from(this.bases);
    for (let i = n - 1; i > 0; i--) {
      total[this.parents[i]] += total[i];
      baseTotal[this.parents[i]] += baseTotal[i];
    }
    const order = this.preorder().filter((i) => i === 0 || total[i] > 0 || baseTotal[i] > 0);
    const place = new Int32Array(n);
    order.forEach((from, to) => (place[from] = to));
    const { source, frameSource } = this;
    const usesFolded = this.frames.includes(this.folded);
    const strings = usesFolded ? [...source.strings, foldedName] : source.strings;
    const column = (of: (from: number, shown: number) => number) => (from: number) => {
      const f = this.frames[from];
      return from === 0 || f === this.folded ? 0 : of(from, frameSource.sample[f]);
    };
    const isFolded = (from: number) => from > 0 && this.frames[from] === this.folded;
    const tree = treeFromColumns({
      strings,
      parent: Int32Array.from(order, (from) => (from === 0 ? -1 : place[this.parents[from]])),
      kind: Uint8Array.from(order, (from) => (isFolded(from) ? Kind.elided : column((_, s) => source.kind[s])(from))),
      name: Uint32Array.from(order, (from) => (isFolded(from) ? strings.length - 1 : column((_, s) => source.name[s])(from))),
      binary: Uint32Array.from(order, column((_, s) => source.binary[s])),
      file: Uint32Array.from(order, column((_, s) => source.file[s])),
      line: Uint32Array.from(order, column((_, s) => source.line[s])),
      self: Float64Array.from(order, (from) => this.selfs[from]),
      total: Float64Array.from(order, (from) => total[from]),
    });
    if (withBase) {
      tree.baseSelf = Float64Array.from(order, (from) => this.bases[from]);
      tree.baseTotal = Float64Array.from(order, (from) => baseTotal[from]);
    }
    return tree;
  }

  /** Nodes in pre-order with siblings by name, without recursion. */
  private preorder(): Int32Array {
    const n = this.parents.length;
    const rank = this.nameRanks();
    const first = new Int32Array(n + 1);
    for (let i = 1; i < n; i++) first[this.parents[i] + 1]++;
    for (let i = 0; i < n; i++) first[i + 1] += first[i];
    const children = new Int32Array(Math.max(0, n - 1));
    const fill = first.slice();
    for (let i = 1; i < n; i++) children[fill[this.parents[i]]++] = i;
    const order = new Int32Array(n);
    const stack = [0];
    let at = 0;
    while (stack.length) {
      const node = stack.pop()!;
      order[at++] = node;
      const kids = children.subarray(first[node], first[node + 1]);
      if (kids.length > 1) kids.sort((a, b) => rank[this.frames[b]] - rank[this.frames[a]]);
      for (let k = 0; k < kids.length; k++) stack.push(kids[k]);
    }
    return order;
  }

  /** Position of each frame in the order of names; folded frames come last. */
  private nameRanks(): Int32Array {
    const { source, frameSource } = this;
    const name = (f: number) => (f === this.folded ? "\uffff" : source.strings[source.name[frameSource.sample[f]]]);
    const sorted = Array.from({ length: frameSource.count + 1 }, (_, f) => f);
    sorted.sort((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : a - b));
    const rank = new Int32Array(frameSource.count + 1);
    sorted.forEach((f, i) => (rank[f] = i));
    return rank;
  }

  private slot(parent: number, frame: number): number {
    const h = Math.imul(parent, 0x9e3779b1) ^ Math.imul(frame + 1, 0x85ebca6b);
    return (h ^ (h >>> 15)) & (this.table.length - 1);
  }

  private grow(): void {
    this.table = new Int32Array(this.table.length * 2);
    for (let i = 1; i < this.parents.length; i++) {
      let slot = this.slot(this.parents[i], this.frames[i]);
      while (this.table[slot]) slot = (slot + 1) & (this.table.length - 1);
      this.table[slot] = i;
    }
  }
}
