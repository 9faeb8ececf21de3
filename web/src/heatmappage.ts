// SPDX-License-Identifier: Apache-2.0
//
// The tab with the sub-second heatmap: a column is a second, a row 20 ms of it, darker is busier. A short stall is a
// gap or a bar that no average shows. Dragging over it opens its flame graph; with Shift it becomes the other side of a
// comparison.
import { fetchJson } from "./api";
import { inks, oklch, type Theme } from "./colour";
import { h, perFrame } from "./dom";
import { formatClock, formatCount } from "./format";
import { Loader } from "./loader";
import type { PageHost, PageView, Picture } from "./page";
import { parseTime, timeText } from "./time";
import type { State } from "./url";

/** The JSON of /api/v1/heatmap; counts by column, null = not sampled. */
export interface HeatmapJson {
  from: number;
  to: number;
  cell_ms: number;
  rows: number;
  columns: number;
  counts: (number | null)[];
}

const axis = 18;
const shades = 24;
const longestSeconds = 3600;

export class HeatmapPage implements PageView {
  readonly needsProfile = false;
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly readout = h("output.heatmap-readout", { "aria-live": "polite" });
  private readonly loader: Loader<HeatmapJson>;
  private data: HeatmapJson | null = null;
  private most = 0;
  private state: State | null = null;
  private theme: Theme = "light";
  /** Cells selected, both included; from may lie after to. */
  private selection: { from: number; to: number } | null = null;
  private dragging = false;

  constructor(private readonly host: PageHost) {
    this.loader = new Loader((signal) => this.fetch(signal), (d) => this.received(d));
    this.canvas = h("canvas.heatmap-canvas", {
      tabindex: 0, role: "application", "aria-label": "Heatmap of samples. Arrow keys move by cells, with Shift they extend the selection, Enter opens its flame graph, b compares with it.",
      onkeydown: (e) => this.keyed(e as KeyboardEvent),
    });
    this.element = h("div.page-heatmap", null,
      h("div.heatmap-head", null, h("p", null, "A column is a second, a row 20 ms. Drag to open a stretch; with Shift, to compare with it."), this.readout),
      this.loader.notice, this.canvas);
    this.attach();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  update(p: Picture): void {
    const s = (this.state = p.state);
    if (this.theme !== p.theme) {
      this.theme = p.theme;
      this.draw();
    }
    this.loader.load(JSON.stringify([s.query, s.from, s.to, p.loads]));
  }

  focus(): void {
    this.canvas.focus();
  }

  private fetch(signal: AbortSignal): Promise<HeatmapJson> {
    const s = this.state!;
    const now = Date.now() / 1000;
    const to = parseTime(s.to, now);
    const from = Math.max(parseTime(s.from, now), to - longestSeconds);
    const range = Number.isFinite(from) && Number.isFinite(to) ? { from: timeText(Math.floor(from)), to: timeText(Math.ceil(to)) } : { from: s.from, to: s.to };
    return fetchJson<HeatmapJson>("/api/v1/heatmap", { query: s.query, ...range }, signal);
  }

  private received(d: HeatmapJson): void {
    this.data = d;
    this.selection = null;
    this.most = d.counts.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);
    if (this.most === 0) this.loader.tell("No samples in this range.", "Choose another range or a wider selector.");
    this.draw();
  }

  private readonly draw = perFrame(() => this.drawNow());

  private drawNow(): void {
    const c = this.canvas;
    const width = c.clientWidth;
    const height = c.clientHeight;
    const ratio = window.devicePixelRatio || 1;
    c.width = Math.round(width * ratio);
    c.height = Math.round(height * ratio);
    const ctx = c.getContext("2d")!;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const d = this.data;
    const ink = inks[this.theme];
    ctx.fillStyle = ink.background;
    ctx.fillRect(0, 0, width, height);
    if (!d || d.columns === 0) return;
    const cellWidth = width / d.columns;
    const cellHeight = (height - axis) / d.rows;
    const palette = Array.from({ length: shades + 1 }, (_, i) => shade(i / shades, this.theme));
    const gap = cellWidth > 6 && cellHeight > 6 ? 1 : 0;
    for (let i = 0; i < d.counts.length; i++) {
      const v = d.counts[i];
      if (v === null) continue;
      ctx.fillStyle = palette[v === 0 || this.most === 0 ? 0 : Math.max(1, Math.round(Math.sqrt(v / this.most) * shades))];
      const x = Math.floor(i / d.rows) * cellWidth;
      ctx.fillRect(x, (i % d.rows) * cellHeight, cellWidth - gap + (gap ? 0 : 0.5), cellHeight - gap + (gap ? 0 : 0.5));
    }
    this.drawSelection(ctx, cellWidth, cellHeight);
    ctx.fillStyle = ink.dimText;
    ctx.font = `11px ${getComputedStyle(this.element).fontFamily}`;
    ctx.textBaseline = "top";
    const every = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900].find((s) => s * cellWidth > 80) ?? 1800;
    for (let t = Math.ceil(d.from / every) * every; t < d.to; t += every) {
      const x = (t - d.from) * cellWidth;
      if (x + 60 < width) ctx.fillText(formatClock(t, every < 60), x + 2, height - axis + 4);
    }
  }

  private drawSelection(ctx: CanvasRenderingContext2D, w: number, ht: number): void {
    if (!this.selection || !this.data) return;
    const rows = this.data.rows;
    const a = Math.min(this.selection.from, this.selection.to);
    const b = Math.max(this.selection.from, this.selection.to);
    ctx.fillStyle = inks[this.theme].match;
    for (let column = Math.floor(a / rows); column <= Math.floor(b / rows); column++) {
      const top = column === Math.floor(a / rows) ? a % rows : 0;
      const bottom = column === Math.floor(b / rows) ? (b % rows) + 1 : rows;
      ctx.globalAlpha = 0.45;
      ctx.fillRect(column * w, top * ht, w, (bottom - top) * ht);
      ctx.globalAlpha = 1;
      ctx.strokeStyle = inks[this.theme].outline;
      ctx.strokeRect(column * w + 0.5, top * ht + 0.5, Math.max(1, w - 1), (bottom - top) * ht - 1);
    }
  }

  private cellAt(e: PointerEvent): number {
    const d = this.data!;
    const box = this.canvas.getBoundingClientRect();
    const column = Math.max(0, Math.min(d.columns - 1, Math.floor(((e.clientX - box.left) / box.width) * d.columns)));
    const row = Math.max(0, Math.min(d.rows - 1, Math.floor(((e.clientY - box.top) / (box.height - axis)) * d.rows)));
    return column * d.rows + row;
  }

  private attach(): void {
    const c = this.canvas;
    c.addEventListener("pointerdown", (e) => {
      if (!this.data || e.button !== 0) return;
      c.setPointerCapture(e.pointerId);
      const cell = this.cellAt(e);
      this.selection = { from: cell, to: cell };
      this.dragging = true;
      this.draw();
    });
    c.addEventListener("pointermove", (e) => {
      if (!this.data?.columns) return;
      const cell = this.cellAt(e);
      if (this.dragging && this.selection) {
        this.selection.to = cell;
        this.draw();
      }
      this.tell(cell);
    });
    c.addEventListener("pointerup", (e) => {
      if (!this.dragging) return;
      this.dragging = false;
      this.open(e.shiftKey);
    });
    c.addEventListener("pointercancel", () => (this.dragging = false));
  }

  private tell(cell: number): void {
    const d = this.data!;
    const s = this.selection;
    const at = d.from + (cell * d.cell_ms) / 1000;
    const ms = String(Math.round((cell % d.rows) * d.cell_ms)).padStart(3, "0");
    const v = d.counts[cell];
    const length = s ? (Math.abs(s.to - s.from) + 1) * d.cell_ms : 0;
    this.readout.textContent = `${formatClock(Math.floor(at), true)}.${ms} · ${v === null ? "not sampled" : `${formatCount(v)} samples`}${length > d.cell_ms ? ` · ${formatCount(length)} ms selected` : ""}`;
  }

  /** Open the selection as a flame graph, or make it the side to compare with. */
  private open(asBase: boolean): void {
    const d = this.data;
    const s = this.selection;
    if (!d || !s) return;
    const from = timeText(Math.round((d.from + (Math.min(s.from, s.to) * d.cell_ms) / 1000) * 1000) / 1000);
    const to = timeText(Math.round((d.from + ((Math.max(s.from, s.to) + 1) * d.cell_ms) / 1000) * 1000) / 1000);
    if (asBase) this.host.change({ view: "diff", baseFrom: from, baseTo: to });
    else this.host.change({ view: "flame", from, to, live: false, zoom: "" });
  }

  private keyed(e: KeyboardEvent): void {
    const d = this.data;
    if (!d?.columns || e.ctrlKey || e.metaKey || e.altKey) return;
    const last = d.columns * d.rows - 1;
    const at = this.selection ? this.selection.to : 0;
    const go: Record<string, number> = { ArrowRight: at + d.rows, ArrowLeft: at - d.rows, ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last };
    if (e.key in go) {
      const to = Math.max(0, Math.min(last, go[e.key]));
      this.selection = { from: e.shiftKey && this.selection ? this.selection.from : to, to };
      this.tell(to);
      this.draw();
    } else if (e.key === "Enter") this.open(false);
    else if (e.key === "b") this.open(true);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }
}

/** One hue from the ground to full strength. */
function shade(t: number, theme: Theme): string {
  return theme === "light" ? oklch(0.965 - 0.36 * t, 0.012 + 0.135 * t, 78 - 30 * t) : oklch(0.23 + 0.43 * t, 0.01 + 0.12 * t, 40 + 20 * t);
}
