// SPDX-License-Identifier: Apache-2.0
//
// Comparing two profiles that the server merged into one tree.
//
// Samples before are scaled to the length and rate of the range after, so that equal use of the CPU is no change.
// A box is as wide as the larger of both sides needs, so that what vanished has its place too. A change that sampling
// alone explains (within two standard errors) has no colour.
import { differenceColour, type Colouring, type Theme } from "./colour";
import { parseProfile, type Profile, type ProfileJson } from "./profile";
import { internFrames } from "./builder";
import { Kind, type Tree } from "./tree";

/** The JSON of /api/v1/diff. */
export interface DiffJson extends ProfileJson {
  base: { from: number; to: number; query: string; period_ns: number; total: number };
}

export interface Difference {
  profile: Profile;
  base: DiffJson["base"];
  /** What one sample before counts after. */
  scale: number;
}

/** Read the JSON. Throws an Error that can be shown. */
export function parseDifference(json: DiffJson): Difference {
  const profile = parseProfile(json);
  const self = json.nodes.base_self;
  const total = json.nodes.base_total;
  if (!self || !total || !json.base || self.length !== profile.tree.count || total.length !== profile.tree.count)
    throw new Error("The answer is no difference.");
  const before = json.base.to - json.base.from;
  const after = json.to - json.from;
  const scale = before > 0 && after > 0 && json.period_ns > 0 ? (after / before) * ((json.base.period_ns || json.period_ns) / json.period_ns) : 1;
  profile.tree.baseSelf = Float64Array.from(self, (v) => v * scale);
  profile.tree.baseTotal = Float64Array.from(total, (v) => v * scale);
  return { profile, base: json.base, scale };
}

/** Width of each box: room for the larger side of its own time, and for its callees. */
export function differenceWidths(t: Tree): Float64Array {
  const width = new Float64Array(t.count);
  for (let i = t.count - 1; i >= 0; i--) {
    width[i] += Math.max(t.self[i], t.baseSelf![i]);
    if (i > 0) width[t.parent[i]] += width[i];
  }
  return width;
}

/** How far a change stands out of the noise: -1 (vanished) to 1 (new), 0 when sampling explains it. */
export function changeOf(after: number, before: number, scale: number): number {
  const change = after - before;
  const error = Math.sqrt(after + before * scale);
  if (Math.abs(change) <= 2 * error || after + before === 0) return 0;
  return change / Math.max(after, before);
}

const steps = 16;

/** Colours of a difference. */
export function differenceColouring(t: Tree, theme: Theme, scale: number): Colouring {
  const palette = Array.from({ length: 2 * steps + 1 }, (_, i) => differenceColour((i - steps) / steps, theme));
  return { of: (i) => steps + Math.round(steps * changeOf(t.total[i], t.baseTotal![i], scale)), palette };
}

export interface Change {
  node: number;
  name: string;
  kind: number;
  before: number;
  after: number;
}

/** Functions whose own time changed, largest change first; those within the noise are left out. */
export function largestChanges(t: Tree, scale: number, most: number): Change[] {
  const frames = internFrames(t);
  const before = new Float64Array(frames.count);
  const after = new Float64Array(frames.count);
  for (let i = 0; i < t.count; i++) {
    before[frames.of[i]] += t.baseSelf![i];
    after[frames.of[i]] += t.self[i];
  }
  const changes: Change[] = [];
  for (let f = 0; f < frames.count; f++) {
    const node = frames.sample[f];
    if (t.kind[node] === Kind.elided || changeOf(after[f], before[f], scale) === 0) continue;
    changes.push({ node, name: t.strings[t.name[node]], kind: t.kind[node], before: before[f], after: after[f] });
  }
  return changes.sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before)).slice(0, most);
}
