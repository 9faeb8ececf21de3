// SPDX-License-Identifier: Apache-2.0
//
// The state of the page, and the link that says the same. Everything a person chose is in the link: reloading it,
// going back, or sending it shows the same picture. What is at its default is left out.
import type { ColourBy } from "./colour";

export const views = ["flame", "table", "callers", "diff", "heatmap", "binaries", "status"] as const;
export type View = (typeof views)[number];

export interface State {
  view: View;
  /** Selector, as in the API. */
  query: string;
  from: string;
  to: string;
  /** Search text. */
  search: string;
  /** Key of the node zoomed to (tree.ts, nodeKey); "" = all. */
  zoom: string;
  /** Bottom-up: leaves first. */
  inverted: boolean;
  /** Root at the bottom. */
  upward: boolean;
  colour: ColourBy;
  /** Label that the overview is stacked by. */
  by: string;
  /** Names of presets of hidden frames. */
  hide: string[];
  /** Only stacks with a frame that matches. */
  keep: string;
  /** Drop stacks with a frame that matches. */
  drop: string;
  /** Hide frames that match. */
  hideFrames: string;
  /** Names of presets of runs drawn as one frame. */
  collapse: string[];
  /** Draw runs of frames that match as one. */
  collapseFrames: string;
  /** Function or expression of the callers view. */
  focus: string;
  sort: string;
  baseQuery: string;
  baseFrom: string;
  baseTo: string;
  live: boolean;
}

export const defaults: State = {
  view: "flame", query: "", from: "now-15m", to: "now", search: "", zoom: "", inverted: false, upward: false,
  colour: "kind", by: "comm", hide: [], keep: "", drop: "", hideFrames: "", collapse: [], collapseFrames: "", focus: "", sort: "-self", baseQuery: "",
  baseFrom: "", baseTo: "", live: false,
};

type Text = { [K in keyof State]: State[K] extends string ? K : never }[keyof State];
type Flag = { [K in keyof State]: State[K] extends boolean ? K : never }[keyof State];

const texts: [Text, string][] = [
  ["view", "view"], ["query", "query"], ["from", "from"], ["to", "to"], ["search", "s"], ["zoom", "z"],
  ["colour", "color"], ["by", "by"], ["keep", "keep"], ["drop", "drop"], ["hideFrames", "hideframes"], ["collapseFrames", "collapseframes"], ["focus", "fn"],
  ["sort", "sort"], ["baseQuery", "base_query"], ["baseFrom", "base_from"], ["baseTo", "base_to"],
];
const flags: [Flag, string][] = [["inverted", "inverted"], ["upward", "up"], ["live", "live"]];

/** Read the state from a link's query part; what makes no sense there falls back to its default. */
export function readState(search: string): State {
  const p = new URLSearchParams(search);
  const s: State = { ...defaults, hide: [], collapse: [] };
  for (const [key, name] of texts) {
    const value = p.get(name);
    if (value !== null) (s as unknown as Record<string, string>)[key] = value;
  }
  for (const [key, name] of flags) s[key] = p.get(name) === "1";
  const list = (name: string) => (p.get(name) ?? "").split(",").filter((x) => /^[a-z]+$/.test(x));
  s.hide = list("hide");
  s.collapse = list("collapse");
  if (!views.includes(s.view)) s.view = "flame";
  if (!["kind", "binary", "package"].includes(s.colour)) s.colour = "kind";
  if (!/^[a-z_][a-z0-9_]*$/i.test(s.by)) s.by = defaults.by;
  if (!s.from) s.from = defaults.from;
  if (!s.to) s.to = defaults.to;
  return s;
}

/** The query part of the link of a state: "" or "?...". */
export function writeState(s: State): string {
  const p = new URLSearchParams();
  for (const [key, name] of texts) if (s[key] !== defaults[key]) p.set(name, s[key]);
  for (const [key, name] of flags) if (s[key]) p.set(name, "1");
  if (s.hide.length) p.set("hide", s.hide.join(","));
  if (s.collapse.length) p.set("collapse", s.collapse.join(","));
  const text = p.toString().replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/");
  return text ? `?${text}` : "";
}

/** Whether going from one state to the other needs another profile from the server. */
export function needsFetch(a: State, b: State): boolean {
  return a.query !== b.query || a.from !== b.from || a.to !== b.to;
}
