// SPDX-License-Identifier: Apache-2.0
//
// Draws the visible part of a laid-out tree on a canvas.
//
// The cost grows with the pixels, not with the frames: only visible rows are drawn, a row starts at the first
// visible frame by binary search, and frames narrower than a pixel are stepped over a pixel at a time, drawn as one
// sliver. Slivers that hide a search match are drawn as matches, so that no match is too small to be seen.
import type { Colouring, Ink } from "./colour";
import { firstEndingAfter, type Layout } from "./layout";
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
  /** Size in CSS pixels. */
  width: number;
  height: number;
  scrollTop: number;
  rowHeight: number;
  /** Height of all rows, at least the viewport's. */
  contentHeight: number;
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

const minimumBox = 0.75;

/** Top of a row in CSS pixels, relative to the viewport. */
export function rowTop(s: Scene, row: number): number {
  return (s.upward ? s.contentHeight - (row + 1) * s.rowHeight : row * s.rowHeight) - s.scrollTop;
}

/** The row at a height of the viewport; may lie outside of the tree. */
export function rowAt(s: Scene, y: number): number {
  const at = y + s.scrollTop;
  return Math.floor((s.upward ? s.contentHeight - at : at) / s.rowHeight);
}

/** Draw the scene. */
export function draw(ctx: CanvasRenderingContext2D, s: Scene, text: TextFitter): void {
  ctx.fillStyle = s.ink.background;
  ctx.fillRect(0, 0, s.width, s.height);
  if (s.x1 <= s.x0) return;
  ctx.font = text.font;
  ctx.textBaseline = "middle";
  const a = rowAt(s, 0);
  const b = rowAt(s, s.height);
  const first = Math.max(0, Math.min(a, b));
  const last = Math.min(s.layout.rows - 1, Math.max(a, b));
  for (let row = first; row <= last; row++) drawRow(ctx, s, text, row);
}

function drawRow(ctx: CanvasRenderingContext2D, s: Scene, text: TextFitter, row: number): void {
  const { layout, x0 } = s;
  const scale = s.width / (s.x1 - s.x0);
  const end = layout.rowFirst[row + 1];
  const y = rowTop(s, row);
  ctx.globalAlpha = row < s.zoomDepth ? 0.72 : 1;
  let at = firstEndingAfter(layout, row, x0);
  while (at < end) {
    const node = layout.rowNodes[at];
    const left = (layout.start[node] - x0) * scale;
    if (left >= s.width) break;
    const width = layout.width[node] * scale;
    if (width >= minimumBox) {
      drawBox(ctx, s, text, node, Math.max(0, left), Math.min(s.width, left + width), y);
      at++;
      continue;
    }
    at = drawSlivers(ctx, s, row, at, left, y);
  }
  ctx.globalAlpha = 1;
}

/** Draw a run of frames too narrow for a box of their own; returns where to go on. */
function drawSlivers(
  ctx: CanvasRenderingContext2D, s: Scene, row: number, from: number, left: number, y: number,
): number {
  const { layout, x0 } = s;
  const scale = s.width / (s.x1 - s.x0);
  const end = layout.rowFirst[row + 1];
  const next = Math.max(from + 1, firstEndingAfter(layout, row, x0 + (left + 1) / scale, from));
  let right = left + 1;
  if (next < end) right = Math.min(right, Math.max(left + 0.5, (layout.start[layout.rowNodes[next]] - x0) * scale));
  const matched = s.marks !== null && s.marks[next] > s.marks[from];
  if (s.marks !== null && !matched) ctx.fillStyle = s.ink.dim;
  else ctx.fillStyle = matched ? s.ink.match : s.ink.sliver;
  ctx.fillRect(left, y, matched ? 1.5 : right - left, s.rowHeight - 1);
  return next;
}

function drawBox(
  ctx: CanvasRenderingContext2D, s: Scene, text: TextFitter, node: number, left: number, right: number, y: number,
): void {
  const { tree, ink, colouring } = s;
  const gap = right - left > 3 ? 1 : right - left > 1.5 ? 0.5 : 0;
  const width = right - left - gap;
  const dimmed = s.marked !== null && !s.marked[node];
  const kind = tree.kind[node];
  // An inlined frame has no code of its own: it hangs on its caller without a gap.
  const joined = kind === Kind.inlined ? 1 : 0;
  if (dimmed) ctx.fillStyle = ink.dim;
  else if (s.marked !== null) ctx.fillStyle = ink.match;
  else ctx.fillStyle = colouring.palette[colouring.index[node]];
  ctx.fillRect(left, s.upward ? y : y - joined, width, s.rowHeight - 1 + joined);
  if (kind >= Kind.marker && width > 4) hatch(ctx, s, left, y, width);
  const room = width - 10;
  if (room < 14) return;
  const shown = text.fit(s.label(node), room);
  if (!shown) return;
  ctx.fillStyle = s.marked === null ? ink.text : dimmed ? ink.dimText : ink.matchText;
  ctx.fillText(shown, left + 5, y + (s.rowHeight - 1) / 2 + 0.5);
}

/** Diagonal lines on what is no function: markers and folded subtrees. */
function hatch(ctx: CanvasRenderingContext2D, s: Scene, left: number, y: number, width: number): void {
  const h = s.rowHeight - 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, y, width, h);
  ctx.clip();
  ctx.beginPath();
  for (let x = left - h; x < left + width; x += 6) {
    ctx.moveTo(x, y + h);
    ctx.lineTo(x + h, y);
  }
  ctx.strokeStyle = s.ink.dimText;
  ctx.globalAlpha *= 0.28;
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.restore();
}

/** Outline a node: the one under the pointer or under the keyboard. */
export function drawOutline(ctx: CanvasRenderingContext2D, s: Scene, node: number, lineWidth: number): void {
  const scale = s.width / (s.x1 - s.x0);
  const left = Math.max(0, (s.layout.start[node] - s.x0) * scale);
  const right = Math.min(s.width, (s.layout.start[node] + s.layout.width[node] - s.x0) * scale);
  if (right < 0 || left > s.width) return;
  const width = Math.max(2, right - left - (right - left > 3 ? 1 : 0));
  ctx.strokeStyle = s.ink.outline;
  ctx.lineWidth = lineWidth;
  const half = lineWidth / 2;
  ctx.strokeRect(left + half, rowTop(s, s.tree.depth[node]) + half, width - lineWidth, s.rowHeight - 1 - lineWidth);
}
