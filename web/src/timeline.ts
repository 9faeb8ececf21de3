// SPDX-License-Identifier: Apache-2.0
//
// The overview: CPU cores in use over time, stacked by a label. Dragging selects a range; a click on a name in the
// legend narrows the selector to it.
import { fetchLabels, fetchTimeSeries, type TimeSeries } from "./api";
import { categoryColour, inks, restColour, type Theme } from "./colour";
import { fill, h, icon, icons, perFrame } from "./dom";
import { formatClock, formatDay, formatFigure } from "./format";
import { openMenu, type MenuEntry } from "./menu";
import { cleanName } from "./names";
import { isMoving, parseTime, timeText } from "./time";
import { needsFetch, type State } from "./url";

const shownSeries = 7;
const height = 64;
const axis = 16;

export interface TimelineEvents {
  change: (patch: Partial<State>) => void;
  choose: (label: string, value: string) => void;
}

/** A band of the stack; the last one gathers the rest. NaN = not sampled then. */
interface Band {
  name: string;
  rest: boolean;
  cores: Float64Array;
  mean: number;
}

function band(name: string, rest: boolean, values: (number | null)[]): Band {
  const cores = Float64Array.from(values, (v) => v ?? NaN);
  const known = cores.filter((v) => !Number.isNaN(v));
  return { name, rest, cores, mean: known.length ? known.reduce((a, b) => a + b, 0) / known.length : 0 };
}

/** The series as bands, largest first, what the server summed up last. */
export function bandsOf(t: TimeSeries): Band[] {
  const bands = t.series.map((s) => band(s.value, false, s.cores));
  if (t.other) bands.push(band(`${t.other.series} other${t.other.series === 1 ? "" : "s"}`, true, t.other.cores));
  return bands;
}

/** A step that gives about one point in three pixels, in whole seconds that people expect. */
export function stepFor(seconds: number, width: number): number {
  const least = seconds / Math.max(40, width / 4);
  return [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200].find((s) => s >= least) ?? 86400;
}

export class Timeline {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas.timeline-canvas", {
    role: "img", tabindex: 0, "aria-label": "CPU cores in use over time. Left and Right move, with Shift they select, Enter takes the selected range, Escape drops it.",
    onkeydown: (e) => this.keyed(e as KeyboardEvent), onblur: () => this.leave(),
  });
  private readonly legend = h("div.legend", { role: "group", "aria-label": "Legend" });
  private readonly picker: HTMLButtonElement;
  private readonly pickerText = h("span");
  private readonly note = h("div.timeline-note");
  private readonly readout = h("div.timeline-readout", { role: "status", hidden: true });
  private data: TimeSeries | null = null;
  private bands: Band[] = [];
  private theme: Theme = "light";
  private state: State | null = null;
  private shownFor: State | null = null;
  private asked: AbortController | null = null;
  private brush: { from: number; to: number } | null = null;
  /** Where the keyboard is, Unix seconds. */
  private at = NaN;

  constructor(private readonly events: TimelineEvents) {
    const plot = h("div.timeline-plot", null, this.canvas, this.readout, this.note);
    this.picker = h("button.by", {
      type: "button", "aria-haspopup": "menu", title: "What the overview is split by", onclick: () => void this.pick(),
    }, "by ", this.pickerText, icon(icons.down));
    this.element = h("section.timeline", { "aria-label": "Overview" }, plot, h("div.timeline-foot", null, this.picker, this.legend));
    new ResizeObserver(() => this.draw()).observe(plot);
    this.attach();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.showLegend();
    this.draw();
  }

  /** Load what a state asks for; `again` also when nothing changed but time. */
  async update(s: State, again = false): Promise<void> {
    this.state = s;
    this.pickerText.textContent = s.by;
    if (!again && this.shownFor && !needsFetch(this.shownFor, s) && this.shownFor.by === s.by) return;
    this.shownFor = s;
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    const now = Date.now() / 1000;
    const seconds = parseTime(s.to, now) - parseTime(s.from, now);
    try {
      const data = await fetchTimeSeries(s.query, s, stepFor(seconds, this.canvas.clientWidth || 900), s.by, shownSeries, asked.signal);
      if (asked.signal.aborted) return;
      this.data = data;
      this.bands = bandsOf(data);
      this.note.textContent = this.bands.length ? "" : "No CPU time in this range";
    } catch (e) {
      if (asked.signal.aborted) return;
      this.data = null;
      this.bands = [];
      this.note.textContent = `No overview: ${(e as Error).message}`;
    }
    this.showLegend();
    this.draw();
  }

  /** Offer every label that the range knows. */
  private async pick(): Promise<void> {
    const s = this.state;
    if (!s) return;
    let labels = [s.by];
    try {
      labels = await fetchLabels(s);
    } catch {
      // what is chosen is offered alone
    }
    const usual = ["comm", "container", "unit", "pod", "host"].filter((l) => labels.includes(l));
    const names = [...usual, ...labels.filter((l) => !usual.includes(l)).sort()];
    const box = this.picker.getBoundingClientRect();
    const entries: MenuEntry[] = names.map((by) => ({ label: by, checked: by === s.by, run: () => this.events.change({ by }) }));
    openMenu("Split by", entries, box.left, box.bottom + 4);
  }

  private colourOf(i: number): string {
    return this.bands[i].rest ? restColour(this.theme) : categoryColour(i, this.theme);
  }

  private showLegend(): void {
    const by = this.data?.by ?? this.state?.by ?? "";
    fill(this.legend, ...this.bands.map((b, i) => {
      const swatch = h("span.swatch");
      swatch.style.background = this.colourOf(i);
      const parts = [swatch, h("span.legend-name", { dir: "auto" }, cleanName(b.name) || "(none)"), h("span.legend-figure", null, formatFigure(b.mean))];
      if (b.rest) return h("span.legend-item", null, ...parts);
      return h("button.legend-item", { type: "button", title: `Only ${by}="${cleanName(b.name)}"`, onclick: () => this.events.choose(by, b.name) }, ...parts);
    }));
  }

  private readonly draw = perFrame(() => this.drawNow());

  private drawNow(): void {
    const width = this.canvas.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round((height + axis) * ratio);
    const ctx = this.canvas.getContext("2d")!;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height + axis);
    const d = this.data;
    if (!d || !this.bands.length || width === 0) return;
    const n = this.bands[0].cores.length;
    const stack = new Float64Array(n);
    let most = 0;
    for (const b of this.bands) for (let i = 0; i < n; i++) most = Math.max(most, (stack[i] += b.cores[i] || 0));
    const top = niceCeiling(most);
    const x = (i: number) => (Math.min(n, i) / n) * width;
    const y = (v: number) => height - (v / top) * (height - 4);
    const base = new Float64Array(n);
    this.bands.forEach((b, k) => {
      ctx.fillStyle = this.colourOf(k);
      ctx.beginPath();
      for (let i = 0; i < n; i++) {
        const level = y(base[i] + (b.cores[i] || 0));
        ctx.lineTo(x(i), level);
        ctx.lineTo(x(i + 1), level);
      }
      for (let i = n - 1; i >= 0; i--) {
        ctx.lineTo(x(i + 1), y(base[i]));
        ctx.lineTo(x(i), y(base[i]));
        base[i] += b.cores[i] || 0;
      }
      ctx.fill();
    });
    this.drawGaps(ctx, x);
    this.drawAxis(ctx, width, top);
    if (this.brush) this.drawBrush(ctx, width);
  }

  /** Hatch the time that was not sampled, so that it does not look idle. */
  private drawGaps(ctx: CanvasRenderingContext2D, x: (i: number) => number): void {
    const cores = this.bands[0].cores;
    ctx.save();
    ctx.beginPath();
    for (let i = 0; i < cores.length; i++) if (Number.isNaN(cores[i])) ctx.rect(x(i), 0, x(i + 1) - x(i), height);
    ctx.clip();
    ctx.strokeStyle = inks[this.theme].dimText;
    ctx.globalAlpha = 0.16;
    ctx.beginPath();
    for (let at = -height; at < x(cores.length); at += 7) {
      ctx.moveTo(at, height);
      ctx.lineTo(at + height, 0);
    }
    ctx.stroke();
    ctx.restore();
  }

  private drawAxis(ctx: CanvasRenderingContext2D, width: number, top: number): void {
    const d = this.data!;
    const ink = inks[this.theme];
    ctx.font = `11px ${getComputedStyle(this.element).fontFamily}`;
    ctx.textBaseline = "top";
    ctx.fillStyle = ink.dimText;
    ctx.globalAlpha = 0.35;
    ctx.fillRect(0, height, width, 1);
    ctx.globalAlpha = 1;
    const scale = `${Number(top.toPrecision(3))} core${top === 1 ? "" : "s"}`;
    ctx.globalAlpha = 0.82;
    ctx.fillStyle = ink.background;
    ctx.fillRect(0, 0, ctx.measureText(scale).width + 10, 16);
    ctx.globalAlpha = 1;
    ctx.fillStyle = ink.dimText;
    ctx.fillText(scale, 5, 3);
    const span = d.to - d.from;
    const least = (span / width) * 90;
    const tick = [1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].find((s) => s >= least) ?? 172800;
    const shift = new Date(d.from * 1000).getTimezoneOffset() * 60;
    for (let t = Math.ceil((d.from - shift) / tick) * tick + shift; t < d.to; t += tick) {
      const at = ((t - d.from) / span) * width;
      const text = tick >= 86400 ? formatDay(t) : formatClock(t, tick < 60);
      if (at + 6 + ctx.measureText(text).width > width) continue;
      ctx.fillRect(at, height, 1, 4);
      ctx.fillText(text, at + 4, height + 4);
    }
  }

  private drawBrush(ctx: CanvasRenderingContext2D, width: number): void {
    const d = this.data!;
    const place = (t: number) => ((t - d.from) / (d.to - d.from)) * width;
    const a = place(Math.min(this.brush!.from, this.brush!.to));
    const b = place(Math.max(this.brush!.from, this.brush!.to));
    ctx.fillStyle = inks[this.theme].background;
    ctx.globalAlpha = 0.6;
    ctx.fillRect(0, 0, a, height);
    ctx.fillRect(b, 0, width - b, height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = inks[this.theme].outline;
    ctx.fillRect(a, 0, 1, height);
    ctx.fillRect(b - 1, 0, 1, height);
  }

  private timeAt(clientX: number): number {
    const d = this.data!;
    const box = this.canvas.getBoundingClientRect();
    return d.from + Math.max(0, Math.min(1, (clientX - box.left) / box.width)) * (d.to - d.from);
  }

  private attach(): void {
    const c = this.canvas;
    c.addEventListener("pointerdown", (e) => {
      if (!this.data || e.button !== 0) return;
      c.setPointerCapture(e.pointerId);
      const t = this.timeAt(e.clientX);
      this.brush = { from: t, to: t };
    });
    c.addEventListener("pointermove", (e) => {
      if (!this.data) return;
      if (this.brush) {
        this.brush.to = this.timeAt(e.clientX);
        this.draw();
      }
      this.read(e.clientX);
    });
    c.addEventListener("pointerleave", () => (this.readout.hidden = true));
    c.addEventListener("pointercancel", () => {
      this.brush = null;
      this.draw();
    });
    c.addEventListener("pointerup", () => this.take());
    c.addEventListener("dblclick", () => this.widen());
  }

  /** The brushed stretch becomes the range. */
  private take(): void {
    const b = this.brush;
    this.brush = null;
    this.draw();
    if (!b || !this.data) return;
    const from = Math.min(b.from, b.to);
    const to = Math.max(b.from, b.to);
    if (((to - from) / (this.data.to - this.data.from)) * this.canvas.clientWidth < 4) return;
    const round = (t: number) => timeText(to - from > 5 ? Math.round(t) : Math.round(t * 1000) / 1000);
    this.events.change({ from: round(from), to: round(to), live: false });
  }

  private keyed(e: KeyboardEvent): void {
    const d = this.data;
    if (!d || e.ctrlKey || e.metaKey || e.altKey) return;
    const go: Record<string, number> = { ArrowLeft: -d.step, ArrowRight: d.step, PageUp: -10 * d.step, PageDown: 10 * d.step, Home: -Infinity, End: Infinity };
    if (e.key in go) {
      const was = Number.isNaN(this.at) ? (go[e.key] < 0 ? d.to : d.from) : this.at;
      this.at = Math.max(d.from, Math.min(d.to, was + go[e.key]));
      this.brush = { from: e.shiftKey ? this.brush?.from ?? was : this.at, to: this.at };
      const box = this.canvas.getBoundingClientRect();
      this.read(box.left + ((this.at - d.from) / (d.to - d.from)) * box.width);
      this.draw();
    } else if (e.key === "Enter" && this.brush && this.brush.from !== this.brush.to) {
      this.take();
      this.leave();
    } else if (e.key === "Escape" && this.brush) this.leave();
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  /** Forget where the keyboard was. */
  private leave(): void {
    this.at = NaN;
    this.brush = null;
    this.readout.hidden = true;
    this.draw();
  }

  /** Double the range, around its middle or back from now. */
  private widen(): void {
    const s = this.state;
    if (!s) return;
    const now = Date.now() / 1000;
    const from = parseTime(s.from, now);
    const to = parseTime(s.to, now);
    const span = to - from;
    if (isMoving(s.to)) this.events.change({ from: `now-${Math.round(span * 2)}s` });
    else this.events.change({ from: timeText(Math.round(from - span / 2)), to: timeText(Math.round(Math.min(now, to + span / 2))) });
  }

  /** Say what there is below the pointer. */
  private read(clientX: number): void {
    const d = this.data!;
    const n = this.bands[0]?.cores.length ?? 0;
    if (!n) return;
    const t = this.timeAt(clientX);
    const i = Math.min(n - 1, Math.floor(((t - d.from) / (d.to - d.from)) * n));
    const total = this.bands.reduce((a, b) => a + b.cores[i], 0);
    const first = this.bands.reduce((a, b) => (b.cores[i] > a.cores[i] ? b : a));
    const what = Number.isNaN(total)
      ? "not sampled"
      : `${formatFigure(total)} cores · most ${cleanName(first.name) || "(none)"} ${formatFigure(first.cores[i])}`;
    this.readout.textContent = this.brush && this.brush.from !== this.brush.to
      ? `${formatClock(Math.min(this.brush.from, this.brush.to), true)} – ${formatClock(Math.max(this.brush.from, this.brush.to), true)}`
      : `${formatClock(t, true)} · ${what}`;
    this.readout.hidden = false;
    const box = this.canvas.getBoundingClientRect();
    const x = clientX - box.left;
    this.readout.style.left = `${Math.max(0, Math.min(box.width - this.readout.offsetWidth, x - this.readout.offsetWidth / 2))}px`;
  }
}

/** The next round number for the top of a scale. */
export function niceCeiling(v: number): number {
  if (v <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(v));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((m) => m * power >= v * 0.999) ?? 10) * power;
}
