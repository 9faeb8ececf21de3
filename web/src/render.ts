// SPDX-License-Identifier: Apache-2.0
//
// Draws the visible part of a laid-out tree.
//
// The cost grows with the pixels, not with the frames: only visible rows are drawn, a row starts at the first visible
// frame by binary search, and frames narrower than a pixel are stepped over a pixel at a time. Boxes are filled as
// pixels (pixels.ts), a row once as a line and then repeated; names go on top as text. A pixel that hides a search
// match is drawn as a match, so that no match is too small to be seen.
import type { Colouring, Ink } from "./colour";
import { firstEndingAfter, type Layout } from "./layout";
import { mixPixels, pixelOf, type Pixel, type Pixels } from "./pixels";
import type { TextFitter } from "./text";
import { Kind, type Tree } from "./tree";

/** All that a picture depends on. */
export interface Scene {
  tree: Tree;
  layout: Layout;
  colouring: Colouring;
  ink: Ink;
  /** Visible stretch, in units of width. */
  x0: number;
  x1: number;
  /** Size in CSS pixels, and device pixels in one. */
  width: number;
  height: number;
  ratio: number;
  scrollTop: number;
  rowHeight: number;
  /** Height of all rows, at least the viewport's. */
  contentHeight: number;
  /** Rows above this one are not shown. */
  firstRow: number;
  /** Root at the bottom. */
  upward: boolean;
  /** 1 for each node that a search matches, and the running count by row; null = no search. */
  marked: Uint8Array | null;
  marks: Int32Array | null;
  /** Depth of the frame that is zoomed to: those above it are drawn faded. */
  zoomDepth: number;
  /** Name of a node as shown. */
  label: (node: number) => string;
}

/** Text to be put on the boxes, in CSS pixels. */
export interface Label {
  text: string;
  x: number;
  y: number;
  colour: string;
  faded: boolean;
}

/** How much of a frame above the zoomed one is left. */
const faded = 0.68;

/** Top of a row in CSS pixels, relative to the viewport. */
export function rowTop(s: Scene, row: number): number {
  const at = row - s.firstRow;
  return (s.upward ? s.contentHeight - (at + 1) * s.rowHeight : at * s.rowHeight) - s.scrollTop;
}

/** The row at a height of the viewport; may lie outside of the tree. */
export function rowAt(s: Scene, y: number): number {
  const at = y + s.scrollTop;
  return s.firstRow + Math.floor((s.upward ? s.contentHeight - at : at) / s.rowHeight);
}

/** The colours of a scene as pixels, made once a picture. */
interface Palette {
  frames: Uint32Array;
  background: Pixel;
  dim: Pixel;
  match: Pixel;
  hatch: Pixel;
}

function paletteOf(s: Scene): Palette {
  return {
    frames: Uint32Array.from(s.colouring.palette, pixelOf), background: pixelOf(s.ink.background), dim: pixelOf(s.ink.dim),
    match: pixelOf(s.ink.match), hatch: pixelOf(s.ink.dimText),
  };
}

/** Draw the boxes of a scene; returns the names to be written on them. */
export function drawBoxes(px: Pixels, s: Scene, text: TextFitter): Label[] {
  const palette = paletteOf(s);
  const labels: Label[] = [];
  px.clear(palette.background);
  if (s.x1 <= s.x0) return labels;
  const a = rowAt(s, 0);
  const b = rowAt(s, s.height);
  const first = Math.max(s.firstRow, Math.min(a, b));
  const last = Math.min(s.layout.rows - 1, Math.max(a, b));
  const line = new Uint32Array(px.width);
  for (let row = first; row <= last; row++) drawRow({ px, s, palette, text, labels, line, row });
  return labels;
}

/** Write names on boxes. */
export function drawLabels(ctx: CanvasRenderingContext2D, labels: Label[], font: string): void {
  ctx.font = font;
  ctx.textBaseline = "middle";
  let colour = "";
  for (const l of labels) {
    if (l.colour !== colour) ctx.fillStyle = colour = l.colour;
    ctx.globalAlpha = l.faded ? 0.75 : 1;
    ctx.fillText(l.text, l.x, l.y);
  }
  ctx.globalAlpha = 1;
}

/** What drawing a row needs. */
interface RowJob {
  px: Pixels;
  s: Scene;
  palette: Palette;
  text: TextFitter;
  labels: Label[];
  /** Scratch of the width of the picture. */
  line: Uint32Array;
  row: number;
}

function drawRow(j: RowJob): void {
  const { px, s, palette, line, row } = j;
  const { start, width, rowNodes, rowFirst } = s.layout;
  const scale = px.width / (s.x1 - s.x0);
  const end = rowFirst[row + 1];
  const gapWidth = Math.max(1, Math.floor(s.ratio));
  const top = Math.round(rowTop(s, row) * s.ratio);
  const bottom = Math.round((rowTop(s, row) + s.rowHeight) * s.ratio) - gapWidth;
  const matches: number[] = [];
  const boxes: number[] = [];
  line.fill(palette.background);
  for (let at = firstEndingAfter(s.layout, row, s.x0); at < end; ) {
    const node = rowNodes[at];
    const left = (start[node] - s.x0) * scale;
    if (left >= px.width) break;
    const right = left + width[node] * scale;
    if (right - left < 1) {
      at = drawSliver(j, at, left, matches);
      continue;
    }
    const from = Math.max(0, Math.round(left));
    const to = Math.min(px.width, Math.max(from + 1, Math.round(right)));
    const filled = to - from > 3 * s.ratio ? to - gapWidth : to;
    line.fill(colourOf(s, palette, node), from, filled);
    if (to - from > 3) boxes.push(node, from, filled);
    at++;
  }
  for (const x of matches) line.fill(palette.match, x, x + Math.ceil(1.5 * s.ratio));
  px.stamp(line, top, bottom);
  for (let i = 0; i < boxes.length; i += 3) finishBox(j, boxes[i], boxes[i + 1], boxes[i + 2], top, bottom);
}

/** The colour of a frame's box. */
function colourOf(s: Scene, palette: Palette, node: number): Pixel {
  if (s.marked !== null) return s.marked[node] ? palette.match : palette.dim;
  const colour = palette.frames[s.colouring.of(node)];
  return s.tree.depth[node] < s.zoomDepth ? mixPixels(colour, palette.background, faded) : colour;
}

/** Draw the frames of one pixel, as much as they cover of it; returns where to go on. */
function drawSliver(j: RowJob, from: number, left: number, matches: number[]): number {
  const { px, s, palette } = j;
  const { start, width, rowNodes, rowFirst } = s.layout;
  const scale = px.width / (s.x1 - s.x0);
  const column = Math.max(0, left | 0);
  const edge = s.x0 + (column + 1) / scale;
  const end = rowFirst[j.row + 1];
  // The first frame that ends beyond this pixel: steps double before they are halved.
  let low = from + 1;
  let step = 1;
  while (low + step < end && start[rowNodes[low + step]] + width[rowNodes[low + step]] <= edge) {
    low += step;
    step *= 2;
  }
  for (let high = Math.min(end, low + step); low < high; ) {
    const mid = (low + high) >>> 1;
    if (start[rowNodes[mid]] + width[rowNodes[mid]] <= edge) low = mid + 1;
    else high = mid;
  }
  const last = rowNodes[low - 1];
  const covered = (start[last] + width[last] - s.x0) * scale - left;
  if (s.marks !== null && s.marks[low] > s.marks[from]) matches.push(column);
  const colour = s.marks === null ? colourOf(s, palette, rowNodes[from]) : palette.dim;
  j.line[column] = mixPixels(colour, palette.background, covered < 0.3 ? 0.3 : covered > 1 ? 1 : covered);
  return low;
}

/** What a box has besides its colour: a bridge to its caller when it is inlined, hatching, its name. */
function finishBox(j: RowJob, node: number, left: number, right: number, top: number, bottom: number): void {
  const { px, s, palette } = j;
  const kind = s.tree.kind[node];
  const gap = Math.max(1, Math.floor(s.ratio));
  // An inlined frame has no code of its own: it hangs on its caller without a gap.
  if (kind === Kind.inlined && s.tree.depth[node] > s.firstRow) {
    const y = s.upward ? bottom : top - gap;
    px.rectangle(left, y, right, y + gap, colourOf(s, palette, node));
  }
  if (kind >= Kind.marker && right - left > 4) px.hatch(left, top, right, bottom, palette.hatch, Math.round(6 * s.ratio));
  const room = (right - left) / s.ratio - 9;
  if (room < 14) return;
  const text = j.text.fit(s.label(node), room);
  if (!text) return;
  const marked = s.marked === null ? 0 : s.marked[node] ? 1 : 2;
  j.labels.push({
    text, x: left / s.ratio + 5, y: (top + bottom) / (2 * s.ratio) + 0.5,
    colour: marked === 0 ? s.ink.text : marked === 1 ? s.ink.matchText : s.ink.dimText, faded: s.tree.depth[node] < s.zoomDepth,
  });
}
