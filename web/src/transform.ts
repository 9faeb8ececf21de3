// SPDX-License-Identifier: Apache-2.0
//
// Rearranging a profile, in this fixed order: drop stacks, keep stacks, hide frames, collapse runs, invert. Each step gives
// a new tree and leaves the old one alone.
import { internFrames, TreeBuilder, type Frames } from "./builder";
import { matchStrings, parsePattern, type Pattern } from "./search";
import type { State } from "./url";
import { Kind, type Tree } from "./tree";

/** Frames that can be hidden by a click: their time goes to their callers. */
export const hidePresets: { id: string; label: string; hides: (name: string, binary: string, kind: number) => boolean }[] = [
  { id: "kernel", label: "Kernel", hides: (_n, _b, kind) => kind === Kind.kernel },
  { id: "libc", label: "C library", hides: (_n, b) => /(^|\/)(libc|libm|libpthread|ld-linux[^/]*|ld-musl[^/]*|libc-[\d.]+)\.(so|[\d.]+so)/.test(b) },
  { id: "cxx", label: "C++ and Rust standard library", hides: (n, b) => /(^|\/)lib(stdc\+\+|c\+\+)\.so/.test(b) || /^(?:<)?(std|core|alloc|__gnu_cxx)::/.test(n) },
  { id: "python", label: "Python internals", hides: (n, b) => /(^|\/)(libpython|python)[\d.]*/.test(b) || /^_?Py[A-Z_]|^_PyEval/.test(n) },
  { id: "runtime", label: "Go and Java runtime", hides: (n, b) => /^runtime\.|^runtime\//.test(n) || /(^|\/)libjvm\.so/.test(b) },
  { id: "inlined", label: "Inlined functions", hides: (_n, _b, kind) => kind === Kind.inlined },
];

/** Runs of frames that can be drawn as one: the first stands for those that follow it. */
export const collapsePresets: { id: string; label: string; joins: (name: string, above: string) => boolean }[] = [
  { id: "unnamed", label: "Runs of unnamed frames", joins: (name, above) => name === above && name.startsWith("[") },
  { id: "recursion", label: "Direct recursion", joins: (name, above) => name === above },
];

export type Rearrangement = Pick<State, "keep" | "drop" | "hide" | "hideFrames" | "collapse" | "collapseFrames">;

/** The profile as it is. */
export const noFilters: Rearrangement = { keep: "", drop: "", hide: [], hideFrames: "", collapse: [], collapseFrames: "" };

/** Whether a state asks for anything but the profile as it is. */
export function isRearranged(r: Rearrangement): boolean {
  return r.keep !== "" || r.drop !== "" || r.hide.length > 0 || r.hideFrames !== "" || r.collapse.length > 0 || r.collapseFrames !== "";
}

function safePattern(text: string): Pattern | null {
  try {
    return parsePattern(text);
  } catch {
    return null;
  }
}

function nodeTest(t: Tree, pattern: Pattern | null): ((i: number) => boolean) | null {
  if (!pattern) return null;
  const hit = matchStrings(t.strings, pattern.regex);
  const column = t[pattern.field];
  return (i) => i > 0 && hit[column[i]] === 1;
}

/** Frames that are hidden: a flag for each frame of the tree. */
function hiddenFrames(t: Tree, frames: Frames, r: Rearrangement): Uint8Array {
  const matches = nodeTest(t, safePattern(r.hideFrames));
  const presets = hidePresets.filter((p) => r.hide.includes(p.id));
  const hidden = new Uint8Array(frames.count);
  for (let f = 0; f < frames.count; f++) {
    const i = frames.sample[f];
    if (t.kind[i] === Kind.root || t.kind[i] === Kind.label) continue;
    if (presets.some((p) => p.hides(t.strings[t.name[i]], t.strings[t.binary[i]], t.kind[i])) || matches?.(i)) hidden[f] = 1;
  }
  return hidden;
}

/** Whether a frame is drawn as part of the one above it; null = none is. */
function collapseTest(t: Tree, frames: Frames, r: Rearrangement): ((frame: number, above: number) => boolean) | null {
  const presets = collapsePresets.filter((p) => r.collapse.includes(p.id));
  const matches = nodeTest(t, safePattern(r.collapseFrames));
  if (!presets.length && !matches) return null;
  const matched = Uint8Array.from(frames.sample, (i) => (matches?.(i) && t.kind[i] !== Kind.label ? 1 : 0));
  const name = (f: number) => t.strings[t.name[frames.sample[f]]];
  const binary = (f: number) => t.binary[frames.sample[f]];
  const isFunction = (f: number) => t.kind[frames.sample[f]] > Kind.label && t.kind[frames.sample[f]] !== Kind.elided;
  return (frame, above) => {
    if (!isFunction(frame) || !isFunction(above)) return false;
    return (matched[frame] === 1 && matched[above] === 1) || (binary(frame) === binary(above) && presets.some((p) => p.joins(name(frame), name(above))));
  };
}

/** Apply drop, keep, hide and collapse. Returns the tree itself when there is nothing to do. */
export function rearrange(t: Tree, r: Rearrangement): Tree {
  if (!isRearranged(r)) return t;
  const drops = nodeTest(t, safePattern(r.drop));
  const keeps = nodeTest(t, safePattern(r.keep));
  const frames = internFrames(t);
  const hidden = hiddenFrames(t, frames, r);
  const joins = collapseTest(t, frames, r);
  const builder = new TreeBuilder(t, frames);
  const place = new Int32Array(t.count);
  /** The frame that stands where each node went, and the last one that was joined to it. */
  const shown = new Int32Array(t.count);
  const kept = new Uint8Array(t.count);
  const dropped = new Uint8Array(t.count);
  for (let i = 0; i < t.count; i++) {
    const p = t.parent[i];
    const frame = frames.of[i];
    kept[i] = !keeps || (p >= 0 && kept[p]) || keeps(i) ? 1 : 0;
    dropped[i] = drops && ((p >= 0 && dropped[p]) || drops(i)) ? 1 : 0;
    const joined = p >= 0 && (hidden[frame] === 1 || (joins !== null && joins(frame, shown[p])));
    place[i] = p < 0 ? 0 : joined ? place[p] : builder.child(place[p], frame);
    shown[i] = joined ? shown[p] : frame;
    if (kept[i] && !dropped[i]) builder.addSelf(place[i], t.self[i]);
  }
  return builder.finish();
}

/** Where a walk towards the root starts: a node, the samples it stands for, and its place in the new tree. */
interface Climb {
  at: Int32Array;
  weight: Float64Array;
  place: Int32Array;
}

/**
 * Walk all climbers a level at a time towards the root. Groups below `least` samples are folded together, so that the
 * work is bounded by what can be seen.
 */
function climb(t: Tree, builder: TreeBuilder, start: Climb, least: number): void {
  const { of } = internFrames(t);
  let now = start;
  while (now.at.length) {
    const n = now.at.length;
    const place = new Int32Array(n);
    const sums = new Map<number, number>();
    for (let i = 0; i < n; i++) {
      const up = t.parent[now.at[i]];
      if (up <= 0) {
        builder.addSelf(now.place[i], now.weight[i]);
        place[i] = -1;
        continue;
      }
      place[i] = builder.child(now.place[i], of[up]);
      if (least > 0) sums.set(place[i], (sums.get(place[i]) ?? 0) + now.weight[i]);
    }
    const stays: number[] = [];
    for (let i = 0; i < n; i++) {
      if (place[i] < 0) continue;
      if (least > 0 && sums.get(place[i])! < least) builder.addSelf(builder.child(now.place[i], builder.folded), now.weight[i]);
      else stays.push(i);
    }
    now = {
      at: Int32Array.from(stays, (i) => t.parent[now.at[i]]),
      weight: Float64Array.from(stays, (i) => now.weight[i]),
      place: Int32Array.from(stays, (i) => place[i]),
    };
  }
}

/** The least samples a box of an inverted tree has: nothing is folded in small trees. */
export function leastFor(t: Tree, zoom = 1): number {
  return t.count > 20000 ? t.total[0] / (16384 * zoom) : 0;
}

/** Bottom-up: the functions that spent the time come first, their callers hang below. */
export function invert(t: Tree, least = leastFor(t)): Tree {
  const builder = new TreeBuilder(t);
  const { of } = internFrames(t);
  const leaves: number[] = [];
  for (let i = 1; i < t.count; i++) if (t.self[i] > 0) leaves.push(i);
  if (t.self[0] > 0) builder.addSelf(0, t.self[0]);
  climb(t, builder, {
    at: Int32Array.from(leaves),
    weight: Float64Array.from(leaves, (i) => t.self[i]),
    place: Int32Array.from(leaves, (i) => builder.child(0, of[i])),
  }, least);
  return builder.finish();
}

/** Outermost frames that match: each sample passes at most one of them. */
export function outermost(t: Tree, marked: Uint8Array): number[] {
  const nodes: number[] = [];
  for (let i = 1; i < t.count; ) {
    if (marked[i]) {
      nodes.push(i);
      i = t.end[i];
    } else i++;
  }
  return nodes;
}

/** Who calls the marked functions: they come first, their callers hang below. */
export function callersOf(t: Tree, marked: Uint8Array, least = leastFor(t)): Tree {
  const builder = new TreeBuilder(t);
  const { of } = internFrames(t);
  const nodes = outermost(t, marked);
  climb(t, builder, {
    at: Int32Array.from(nodes),
    weight: Float64Array.from(nodes, (i) => t.total[i]),
    place: Int32Array.from(nodes, (i) => builder.child(0, of[i])),
  }, least);
  return builder.finish();
}

/** What the marked functions call, merged over all places they are called from. */
export function calleesOf(t: Tree, marked: Uint8Array): Tree {
  const builder = new TreeBuilder(t);
  const { of } = internFrames(t);
  const place = new Int32Array(t.count);
  for (const top of outermost(t, marked)) {
    for (let i = top; i < t.end[top]; i++) {
      place[i] = builder.child(i === top ? 0 : place[t.parent[i]], of[i]);
      builder.addSelf(place[i], t.self[i]);
    }
  }
  return builder.finish();
}
