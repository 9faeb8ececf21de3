// SPDX-License-Identifier: Apache-2.0
//
// Draws the heatmap: cells as pixels, stretches of cells as outlines, the time of columns below.
import { inks, oklch, type Theme } from "./colour";
import { formatClock } from "./format";
import { pixelOf, Pixels } from "./pixels";

/** The JSON of /api/v1/heatmap; counts by column, null = not sampled. */
export interface HeatmapJson {
  from: number;
  to: number;
  cell_ms: number;
  rows: number;
  columns: number;
  counts: (number | null)[];
}

/** A stretch of cells, both ends included; `from` may lie after `to`. */
export interface Stretch {
  from: number;
  to: number;
}

/** Height of the time axis below the cells, in CSS pixels. */
export const axis = 18;
const shades = 24;

/** One hue from the ground to full strength; t in 0..1. */
export function shade(t: number, theme: Theme): string {
  return theme === "light" ? oklch(0.965 - 0.36 * t, 0.012 + 0.135 * t, 78 - 30 * t) : oklch(0.23 + 0.43 * t, 0.01 + 0.12 * t, 40 + 20 * t);
}

export interface HeatmapScene {
  data: HeatmapJson;
  /** The count of the strongest shade. */
  most: number;
  theme: Theme;
  selection: Stretch | null;
  baseline: Stretch | null;
  font: string;
}

/** Draw on a canvas that has the size it is shown with. */
export function drawHeatmap(c: HTMLCanvasElement, s: HeatmapScene): void {
  const ratio = window.devicePixelRatio || 1;
  const width = c.clientWidth;
  const height = c.clientHeight;
  c.width = Math.max(1, Math.round(width * ratio));
  c.height = Math.max(1, Math.round(height * ratio));
  const ctx = c.getContext("2d")!;
  const px = new Pixels(c.width, c.height);
  fillCells(px, s, Math.round((height - axis) * ratio), ratio);
  ctx.putImageData(px.image, 0, 0);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  const cell = { width: width / s.data.columns, height: (height - axis) / s.data.rows };
  if (s.baseline) outline(ctx, s, s.baseline, cell, oklch(s.theme === "light" ? 0.5 : 0.72, 0.13, 252));
  if (s.selection) outline(ctx, s, s.selection, cell, inks[s.theme].outline);
  drawTimes(ctx, s, cell.width, width, height);
}

function fillCells(px: Pixels, s: HeatmapScene, bottom: number, ratio: number): void {
  const { rows, columns, counts } = s.data;
  const palette = Array.from({ length: shades + 1 }, (_, i) => pixelOf(shade(i / shades, s.theme)));
  px.clear(pixelOf(inks[s.theme].background));
  const wide = px.width / columns;
  const high = bottom / rows;
  const gap = wide > 6 * ratio && high > 6 * ratio ? Math.round(ratio) : 0;
  for (let column = 0; column < columns; column++) {
    const left = Math.round(column * wide);
    const right = Math.max(left + 1, Math.round((column + 1) * wide) - gap);
    for (let row = 0; row < rows; row++) {
      const v = counts[column * rows + row];
      if (v === null) continue;
      const strength = v === 0 || s.most === 0 ? 0 : Math.min(shades, Math.max(2, Math.round((v / s.most) * shades)));
      px.rectangle(left, Math.round(row * high), right, Math.round((row + 1) * high) - gap, palette[strength]);
    }
  }
}

/** Outline a stretch: it runs down a column and goes on at the top of the next. */
function outline(ctx: CanvasRenderingContext2D, s: HeatmapScene, x: Stretch, cell: { width: number; height: number }, colour: string): void {
  const { rows } = s.data;
  const a = Math.min(x.from, x.to);
  const b = Math.max(x.from, x.to);
  ctx.fillStyle = ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  for (let column = Math.floor(a / rows); column <= Math.floor(b / rows); column++) {
    const top = column === Math.floor(a / rows) ? a % rows : 0;
    const bottom = column === Math.floor(b / rows) ? (b % rows) + 1 : rows;
    ctx.globalAlpha = 0.3;
    ctx.fillRect(column * cell.width, top * cell.height, cell.width, (bottom - top) * cell.height);
    ctx.globalAlpha = 1;
    ctx.strokeRect(column * cell.width + 0.5, top * cell.height + 0.5, Math.max(1, cell.width - 1), (bottom - top) * cell.height - 1);
  }
}

function drawTimes(ctx: CanvasRenderingContext2D, s: HeatmapScene, wide: number, width: number, height: number): void {
  const d = s.data;
  ctx.fillStyle = inks[s.theme].dimText;
  ctx.font = `11px ${s.font}`;
  ctx.textBaseline = "top";
  const every = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900].find((n) => n * wide > 80) ?? 1800;
  for (let t = Math.ceil(d.from / every) * every; t < d.to; t += every) {
    const x = (t - d.from) * wide;
    if (x + 60 < width) ctx.fillText(formatClock(t, every < 60), x + 2, height - axis + 4);
  }
}
