// SPDX-License-Identifier: Apache-2.0
//
// The tab with the sub-second heatmap: a column is a second, a row 20 ms of it, darker is busier. A short stall is a
// gap or a bar that no average shows. Dragging over it opens its flame graph. With Shift the stretch becomes the baseline:
// the next stretch is compared with it.
import { fetchJson } from "./api";
import type { Theme } from "./colour";
import { fill, h, iconButton, icons, perFrame } from "./dom";
import { formatClock, formatCount } from "./format";
import { axis, drawHeatmap, shade, type HeatmapJson, type Stretch } from "./heatmapdraw";
import { Loader } from "./loader";
import type { PageHost, PageView, Picture } from "./page";
import { parseTime, timeText } from "./time";
import type { State } from "./url";

const longestSeconds = 3600;

export class HeatmapPage implements PageView {
  readonly needsProfile = false;
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly help = h("p", null, "A column is a second, a row 20 ms of it. Drag to open a stretch as a flame graph; with Shift, to make it the baseline.");
  private readonly base = h("div.heatmap-base", { hidden: true });
  private readonly scale = h("div.heatmap-scale");
  private readonly readout = h("output.heatmap-readout", { "aria-live": "polite" });
  private readonly loader: Loader<HeatmapJson>;
  private data: HeatmapJson | null = null;
  private most = 0;
  private state: State | null = null;
  private theme: Theme = "light";
  /** Cells selected, both included; from may lie after to. */
  private selection: Stretch | null = null;
  private dragging = false;

  constructor(private readonly host: PageHost) {
    this.loader = new Loader((signal) => this.fetch(signal), (d) => this.received(d));
    this.canvas = h("canvas.heatmap-canvas", {
      tabindex: 0, role: "application", "aria-label": "Heatmap of samples. Arrow keys move by cells, with Shift they extend the selection, Enter opens its flame graph, b makes it the baseline that Enter then compares with.",
      onkeydown: (e) => this.keyed(e as KeyboardEvent),
    });
    this.element = h("div.page-heatmap", null,
      h("div.heatmap-head", null, this.help, this.base, this.readout, this.scale), this.loader.notice,
      h("div.heatmap-body", null, h("div.heatmap-rows", { "aria-hidden": "true" }, ...[0, 200, 400, 600, 800].map((ms) => h("span", null, `${ms} ms`))), this.canvas));
    this.attach();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  update(p: Picture): void {
    const s = (this.state = p.state);
    this.theme = p.theme;
    this.draw();
    this.legend();
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
    this.canvas.hidden = d.columns === 0;
    this.selection = null;
    this.most = d.counts.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);
    if (this.most === 0) this.loader.tell("No samples in this range.", "Choose another range or a wider selector.");
    this.legend();
    this.draw();
  }

  private readonly draw = perFrame(() => this.drawNow());

  private drawNow(): void {
    if (!this.data?.columns) return;
    drawHeatmap(this.canvas, {
      data: this.data, most: this.most, theme: this.theme, selection: this.selection, baseline: this.baseline(),
      font: getComputedStyle(this.element).fontFamily,
    });
  }

  /** The cells of the stretch that is compared with; null = none is chosen, or it lies elsewhere. */
  private baseline(): Stretch | null {
    const d = this.data;
    const s = this.state;
    if (!d || !s?.baseFrom || !s.baseTo) return null;
    const cell = (t: string) => ((parseTime(t) - d.from) * 1000) / d.cell_ms;
    const from = Math.round(cell(s.baseFrom));
    const to = Math.round(cell(s.baseTo)) - 1;
    return from >= 0 && to >= from && to < d.columns * d.rows ? { from, to } : null;
  }

  /** What the shades stand for, and the stretch to compare with. */
  private legend(): void {
    const s = this.state;
    const swatches = Array.from({ length: 7 }, (_, i) => {
      const e = h("span.swatch");
      e.style.background = shade(i / 6, this.theme);
      return e;
    });
    fill(this.scale, h("span", null, "0"), h("span.heatmap-shades", null, ...swatches), h("span", null, `${formatCount(this.most)} samples in 20 ms`));
    this.base.hidden = !s?.baseFrom || !s.baseTo;
    if (!s || this.base.hidden) return;
    fill(this.base, h("span.chip.base", null, `Baseline ${clockMs(parseTime(s.baseFrom))} – ${clockMs(parseTime(s.baseTo))}`,
      iconButton(icons.close, "Drop the baseline", () => this.host.change({ baseFrom: "", baseTo: "" }))),
    h("button.button", { type: "button", onclick: () => this.host.change({ view: "diff" }) }, "Compare the whole range with it"));
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
    const v = d.counts[cell];
    const length = s ? (Math.abs(s.to - s.from) + 1) * d.cell_ms : 0;
    this.readout.textContent = `${clockMs(at)} · ${v === null ? "not sampled" : `${formatCount(v)} samples`}${length > d.cell_ms ? ` · ${formatCount(length)} ms selected` : ""}`;
  }

  /** Open the selection as a flame graph, or make it the side to compare with. */
  private open(asBase: boolean): void {
    const d = this.data;
    const s = this.selection;
    if (!d || !s) return;
    const from = timeText(Math.round((d.from + (Math.min(s.from, s.to) * d.cell_ms) / 1000) * 1000) / 1000);
    const to = timeText(Math.round((d.from + ((Math.max(s.from, s.to) + 1) * d.cell_ms) / 1000) * 1000) / 1000);
    const compared = this.state?.baseFrom && this.state.baseTo;
    if (asBase) {
      this.selection = null;
      this.host.change({ baseFrom: from, baseTo: to });
    } else if (compared) this.host.change({ view: "diff", from, to, live: false, zoom: "" });
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

/** Time of day to the millisecond. */
function clockMs(unix: number): string {
  const ms = Math.round(unix * 1000);
  return `${formatClock(Math.floor(ms / 1000), true)}.${String(ms % 1000).padStart(3, "0")}`;
}
