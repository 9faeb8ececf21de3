// SPDX-License-Identifier: Apache-2.0
//
// Colours of frames: by kind, by binary or by package, for both themes.
//
// They are chosen in OKLCH, where equal steps look equal, and turned into sRGB here. Kinds differ in lightness as
// well as in hue, on the yellow-blue axis that every form of colour blindness keeps. Text on a frame has a contrast
// of at least 4.5 in both themes (tests/browser checks it).
import { baseName, packageOf } from "./names";
import { hashString, Kind, type Tree } from "./tree";

export type ColourBy = "kind" | "binary" | "package";
export type Theme = "light" | "dark";

/** The colours of a tree: which of the palette a node has is found out when it is drawn. */
export interface Colouring {
  of: (node: number) => number;
  palette: string[];
}

/** OKLCH to "#rrggbb": lightness 0..1, chroma, hue in degrees. */
export function oklch(l: number, c: number, hue: number): string {
  const a = c * Math.cos((hue * Math.PI) / 180);
  const b = c * Math.sin((hue * Math.PI) / 180);
  const l3 = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m3 = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s3 = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l3 - 3.3077115913 * m3 + 0.2309699292 * s3,
    -1.2684380046 * l3 + 2.6097574011 * m3 - 0.3413193965 * s3,
    -0.0041960863 * l3 - 0.7034186147 * m3 + 1.707614701 * s3,
  ];
  return `#${linear.map((v) => {
    const x = Math.min(1, Math.max(0, v));
    const g = x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
    return Math.round(g * 255).toString(16).padStart(2, "0");
  }).join("")}`;
}

/** Lightness, chroma and hue of each kind. */
const kinds: Record<Theme, [number, number, number][]> = {
  light: [
    [0.905, 0.006, 70], [0.875, 0.012, 75], [0.855, 0.072, 70], [0.915, 0.055, 92], [0.81, 0.052, 250],
    [0.83, 0.06, 168], [0.81, 0.065, 338], [0.86, 0.008, 70], [0.93, 0.006, 70],
  ],
  dark: [
    [0.35, 0.008, 70], [0.41, 0.014, 75], [0.5, 0.09, 56], [0.515, 0.075, 84], [0.46, 0.085, 252],
    [0.49, 0.072, 165], [0.48, 0.09, 335], [0.38, 0.008, 70], [0.31, 0.006, 70],
  ],
};

const shades = 6;
const hues = 18;

/** The colour that stands for a kind in a legend. */
export function kindColour(kind: number, theme: Theme): string {
  const [l, c, hue] = kinds[theme][kind];
  return oklch(l, c, hue);
}

/** The colour of the i-th of a few categories, for charts. */
export function categoryColour(i: number, theme: Theme): string {
  const wheel: [number, number, number][] = [
    [0.76, 0.11, 62], [0.64, 0.095, 252], [0.78, 0.08, 172], [0.67, 0.105, 345], [0.86, 0.09, 95], [0.56, 0.085, 288],
    [0.72, 0.055, 220], [0.6, 0.08, 35],
  ];
  const [l, c, hue] = wheel[i % wheel.length];
  return oklch(theme === "light" ? l : l * 0.93, c, hue);
}

/** The colour of everything that has no category of its own. */
export function restColour(theme: Theme): string {
  return theme === "light" ? oklch(0.84, 0.006, 70) : oklch(0.42, 0.008, 70);
}

/** Something that depends on a string alone, found out once a string, when it is first asked for. */
function perString(t: Tree, of: (text: string) => number): (string: number) => number {
  const known = new Int32Array(t.strings.length).fill(-1);
  return (string) => {
    if (known[string] < 0) known[string] = of(t.strings[string]);
    return known[string];
  };
}

function kindColouring(t: Tree, theme: Theme): Colouring {
  const palette: string[] = [];
  const step = theme === "light" ? 0.012 : 0.014;
  for (const [l, c, hue] of kinds[theme])
    for (let s = 0; s < shades; s++) palette.push(oklch(l + ((s % 3) - 1) * step, c, hue + (s - 2.5) * 2.6));
  const shade = perString(t, (text) => (hashString(text) >>> 7) % shades);
  return { of: (i) => Math.min(t.kind[i], 8) * shades + shade(t.name[i]), palette };
}

/** Frames of one group share a colour; group 0 is grey. @param group number of a node's group, from 1 */
function groupColouring(t: Tree, theme: Theme, group: (node: number) => number): Colouring {
  const palette = [kindColour(Kind.label, theme)];
  for (let i = 0; i < hues; i++) {
    const hue = (i * 360) / hues + 12;
    const lift = i % 3 === 0 ? 0.045 : i % 3 === 1 ? 0 : -0.045;
    palette.push(theme === "light" ? oklch(0.83 + lift, 0.07, hue) : oklch(0.45 + lift, 0.065, hue));
  }
  const of = (i: number) => {
    const g = t.kind[i] === Kind.root || t.kind[i] === Kind.label || t.kind[i] >= Kind.marker ? 0 : group(i);
    return g === 0 ? 0 : 1 + ((g >>> 3) % hues);
  };
  return { of, palette };
}

/** Colour a tree. */
export function colourTree(t: Tree, by: ColourBy, theme: Theme): Colouring {
  if (by === "kind") return kindColouring(t, theme);
  const group = perString(t, (text) => (text ? (hashString(text) & 0x7ffffff8) | 8 : 0));
  if (by === "binary") return groupColouring(t, theme, (i) => group(t.binary[i]));
  const own = perString(t, (text) => {
    const name = packageOf(text);
    return name ? (hashString(name) & 0x7ffffff8) | 8 : 0;
  });
  const base = perString(t, (text) => (text ? (hashString(baseName(text)) & 0x7ffffff8) | 8 : 0));
  return groupColouring(t, theme, (i) => own(t.name[i]) || base(t.binary[i]));
}

/** Red-free difference scale: blue = less than before, orange = more; t in -1..1. */
export function differenceColour(t: number, theme: Theme): string {
  const x = Math.min(1, Math.abs(t));
  const hue = t < 0 ? 252 : 55;
  return theme === "light" ? oklch(0.93 - 0.27 * x, 0.004 + 0.135 * x, hue) : oklch(0.34 + 0.16 * x, 0.004 + 0.115 * x, hue);
}

/** Colours of the canvas that are no frames. */
export interface Ink {
  text: string;
  dimText: string;
  sliver: string;
  /** A frame that a search does not match. */
  dim: string;
  match: string;
  matchText: string;
  outline: string;
  background: string;
}

export const inks: Record<Theme, Ink> = {
  light: {
    text: "#26231f", dimText: "#6b665f", sliver: "#d9cdbb", dim: "#eceae6", match: "#c2410c", matchText: "#ffffff",
    outline: "#1c1a17", background: "#fdfcfa",
  },
  dark: {
    text: "#f3efe8", dimText: "#a39d94", sliver: "#5d5247", dim: "#2b2a29", match: "#f08a4b", matchText: "#1d130b",
    outline: "#f7f3ec", background: "#181716",
  },
};
