// SPDX-License-Identifier: Apache-2.0
//
// What the page says about the profile as a whole: the line at the bottom, and the notice that stands where the
// picture would be when there is none.
import type { App } from "./app";
import { ApiError } from "./api";
import { fill, h } from "./dom";
import { formatCount, formatDuration, formatFigure, formatRange, formatSeconds, formatShare } from "./format";
import { cores, cpuSeconds, type Profile } from "./profile";
import type { Tree } from "./tree";
import type { State } from "./url";
import { isRearranged, noFilters } from "./transform";

const sum = (o: Record<string, number>) => Object.values(o).reduce((a, b) => a + b, 0);

export class StatusLine {
  readonly legend = h("div.legend.kinds");
  private readonly facts = h("div.facts");
  readonly element = h("footer.status", null, this.legend, this.facts);

  update(p: Profile): void {
    const samples = p.tree.total[0];
    const hz = p.periodNs > 0 ? 1e9 / p.periodNs : 0;
    const judged = sum(p.verdicts);
    const complete = judged ? (p.verdicts.complete ?? 0) / judged : NaN;
    const lost = sum(p.lost);
    const fact = (text: string, title: string, className = "") => h(`span.fact${className}` as "span", { title }, text);
    fill(this.facts,
      fact(`${formatCount(samples)} samples`, `One sample stands for ${formatSeconds(p.periodNs / 1e9)} of CPU time`),
      fact(`${formatSeconds(cpuSeconds(p, samples))} CPU`, "CPU time of all samples"),
      fact(`${formatFigure(cores(p, samples))} cores`, `Mean over ${formatDuration(p.to - p.from)}`),
      fact(formatRange(p.from, p.to), "Time range covered"),
      hz ? fact(`${formatFigure(hz)} Hz`, "Samples per second and CPU") : null,
      Number.isNaN(complete) ? null : fact(`${formatShare(complete)} complete`, verdictText(p), complete < 0.98 ? ".warn" : ""),
      fact(lost ? `${formatCount(lost)} lost` : "none lost", lostText(p), lost > samples * 0.01 ? ".warn" : ""));
  }
}

function verdictText(p: Profile): string {
  const parts = Object.entries(p.verdicts).map(([k, v]) => `${k}: ${formatCount(v)}`);
  return `Stacks unwound to their root. ${parts.join(", ")}`;
}

function lostText(p: Profile): string {
  const parts = Object.entries(p.lost).filter(([, v]) => v > 0).map(([k, v]) => `${k.replace(/_/g, " ")}: ${formatCount(v)}`);
  return parts.length ? `Samples lost. ${parts.join(", ")}` : "Every sample that was taken is here.";
}

/** The notice in the middle of the stage, or a strip above a picture that is older than the error. */
export class Notice {
  readonly element = h("div.notice", { role: "status", hidden: true });
  private error: Error | null = null;

  constructor(private readonly app: App) {}

  get failing(): boolean {
    return this.error !== null;
  }

  failed(e: Error, strip: boolean): void {
    this.error = e;
    this.element.classList.toggle("strip", strip);
  }

  clear(): void {
    this.error = null;
    this.element.classList.remove("strip");
  }

  /** Decide what to say. */
  show(s: State, p: Profile | null, tree: Tree | null, needsProfile: boolean): void {
    const e = this.error;
    if (e && needsProfile) this.set(e.message, e instanceof ApiError ? e.advice : "Reload the page; if it stays so, tell us.", this.button("Try again", () => this.app.load()));
    else if (needsProfile && !p) this.set("Loading…", "");
    this.element.classList.toggle("floating", needsProfile && !p && !e);
    if ((e && needsProfile) || (needsProfile && !p)) return;
    if (needsProfile && p && p.tree.total[0] === 0) this.empty(s);
    else if (needsProfile && tree && tree.total[0] === 0 && isRearranged(s))
      this.set("Every stack is filtered out.", "Remove a filter above.", this.button("Remove all filters", () => this.app.change({ ...noFilters })));
    else this.element.hidden = true;
  }

  private empty(s: State): void {
    const wider = s.to === "now" ? this.button("Last hour", () => this.app.change({ from: "now-1h", to: "now", zoom: "" })) : this.button("Last 15 minutes", () => this.app.change({ from: "now-15m", to: "now", zoom: "" }));
    if (s.query) this.set("No samples match.", "Nothing that the selector names used a CPU in this range.", this.button("Clear the selector", () => this.app.change({ query: "", zoom: "" })), wider);
    else this.set("No samples in this range.", "The daemon was not sampling then, or its history does not reach back that far. The first samples appear about ten seconds after it starts.", wider);
  }

  private button(label: string, run: () => void): HTMLElement {
    return h("button.button", { type: "button", onclick: run }, label);
  }

  private set(title: string, advice: string, ...actions: HTMLElement[]): void {
    const key = JSON.stringify([title, advice, actions.map((a) => a.textContent)]);
    this.element.hidden = false;
    if (this.element.dataset.key === key) return;
    this.element.dataset.key = key;
    fill(this.element, h("p.notice-title", null, title), advice ? h("p.notice-advice", null, advice) : null, actions.length ? h("div.notice-actions", null, ...actions) : null);
  }
}
