// SPDX-License-Identifier: Apache-2.0
//
// The tab that compares: what costs more, what costs less, what is new and what is gone.
import { fetchJson, leastShare } from "./api";
import { differenceColour, type Theme } from "./colour";
import { differenceColouring, differenceWidths, largestChanges, parseDifference, type DiffJson, type Difference } from "./difference";
import { fill, h } from "./dom";
import { FlameView } from "./flame";
import { formatFigure, formatRange, formatShare } from "./format";
import { describeNode, nodeLabel } from "./hovercard";
import { Loader } from "./loader";
import { cleanName } from "./names";
import type { PageHost, PageView, Picture } from "./page";
import { cores } from "./profile";
import { Kind } from "./tree";
import { parsePattern, quotePattern, searchTree } from "./search";
import { parseTime, timeText } from "./time";
import type { State } from "./url";

const shownChanges = 40;
const earlier: [string, number][] = [["Just before", 0], ["An hour earlier", 3600], ["A day earlier", 86400], ["A week earlier", 604800]];

/** The range compared with, as text for the API; the one just before when none was chosen. */
export function baseRange(s: State, now = Date.now() / 1000): { from: string; to: string } {
  if (s.baseFrom && s.baseTo) return { from: s.baseFrom, to: s.baseTo };
  const from = parseTime(s.from, now);
  const to = parseTime(s.to, now);
  return { from: timeText(2 * from - to), to: timeText(from) };
}

export class DiffPage implements PageView {
  readonly needsProfile = false;
  readonly element: HTMLElement;
  private readonly view: FlameView;
  private readonly head = h("div.diff-head");
  private readonly changes = h("div.diff-changes", { tabindex: 0, role: "region", "aria-label": "Largest changes" });
  private readonly body: HTMLElement;
  private readonly loader: Loader<Difference>;
  private state: State | null = null;
  private theme: Theme = "light";
  private shown: Difference | null = null;
  private asked = "";
  private detail = 1;

  constructor(private readonly host: PageHost) {
    this.loader = new Loader((signal) => this.fetch(signal), (d) => this.show(d));
    const view: FlameView = new FlameView({
      title: "Difference. Blue frames cost less than before, orange ones more. Arrow keys move between frames, Enter zooms.",
      label: (t, n) => `${nodeLabel(t, n)}${this.mark(n)}`,
      describe: (t, n) => (this.shown ? `${describeNode(this.shown.profile, t, n)}${this.mark(n)}` : ""),
      zoom: (n) => (view.tree.kind[n] === Kind.elided ? this.finer() : view.zoomTo(n === view.zoom && n > 0 ? 0 : n)),
      hover: (n, x, y) => host.hover(view.tree, n, view.zoom, x, y, this.shown?.profile),
      menu: (n, x, y) => host.menu(view.tree, n, x, y),
    });
    this.view = view;
    this.body = h("div.diff-body", { hidden: true }, view.element, this.changes);
    this.element = h("div.page-diff", null, this.head, this.loader.notice, this.body);
  }

  update(p: Picture): void {
    const s = (this.state = p.state);
    if (this.theme !== p.theme || !this.head.childElementCount) {
      this.theme = p.theme;
      this.view.setTheme(p.theme);
    }
    this.controls(s);
    const asked = JSON.stringify([s.query, s.from, s.to, s.baseQuery, s.baseFrom, s.baseTo, p.loads]);
    if (asked !== this.asked) this.detail = 1;
    this.asked = asked;
    this.loader.load(`${asked} ${this.detail}`);
    this.search(p);
  }

  /** Ask for more detail: a folded frame is to be opened. */
  private finer(): void {
    this.detail *= 16;
    this.loader.load(`${this.asked} ${this.detail}`);
  }

  focus(): void {
    this.view.element.focus({ preventScroll: true });
  }

  drawing() {
    const d = this.shown;
    return d && { view: this.view, describe: (n: number) => `${describeNode(d.profile, d.profile.tree, n)}${this.mark(n)}` };
  }

  private async fetch(signal: AbortSignal): Promise<Difference> {
    const s = this.state!;
    const base = baseRange(s);
    return parseDifference(await fetchJson<DiffJson>("/api/v1/diff", {
      query: s.query, from: s.from, to: s.to, base_query: s.baseQuery || s.query, base_from: base.from, base_to: base.to, format: "flamegraph",
      min_share: leastShare(this.detail),
    }, signal));
  }

  private show(d: Difference): void {
    this.shown = d;
    const t = d.profile.tree;
    const nothing = t.total[0] === 0 && t.baseTotal![0] === 0;
    this.body.hidden = nothing;
    if (nothing) this.loader.tell("Neither side has samples.", "Choose other ranges or a wider selector.");
    this.view.setTree(t, 0, differenceWidths(t));
    this.view.setColour("kind", (tree, theme) => differenceColouring(tree, theme, d.scale));
    this.list(d);
    this.controls(this.state!);
    if (this.picturePattern) this.view.setMatches(searchTree(t, this.picturePattern));
  }

  private picturePattern: Picture["pattern"] = null;

  private search(p: Picture): void {
    if (this.picturePattern === p.pattern) return;
    this.picturePattern = p.pattern;
    this.view.setMatches(p.pattern && this.shown ? searchTree(this.shown.profile.tree, p.pattern) : null);
  }

  /** How a node changed, in a few letters. */
  private mark(node: number): string {
    const t = this.shown?.profile.tree;
    if (!t?.baseTotal || node >= t.count) return "";
    const after = t.total[node];
    const before = t.baseTotal[node];
    if (before === 0) return after ? "  new" : "";
    if (after === 0) return "  gone";
    const relative = (after - before) / before;
    if (Math.abs(relative) < 0.005) return "";
    return `  ${relative < 0 ? "−" : "+"}${formatShare(Math.abs(relative))}`;
  }

  private controls(s: State): void {
    const d = this.shown;
    const now = Date.now() / 1000;
    const from = parseTime(s.from, now);
    const to = parseTime(s.to, now);
    const button = ([label, shift]: [string, number]) => {
      const patch = shift === 0 ? { baseFrom: "", baseTo: "" } : { baseFrom: timeText(Math.round(from - shift)), baseTo: timeText(Math.round(to - shift)) };
      const on = shift === 0 ? !s.baseFrom || Math.abs(parseTime(s.baseTo, now) - from) < 1 : Math.abs(parseTime(s.baseTo, now) - (to - shift)) < 30;
      return h("button", { type: "button", "aria-pressed": String(on), onclick: () => this.host.change(patch) }, label);
    };
    const query = h("input.focus-input", {
      type: "text", value: s.baseQuery, spellcheck: "false", "aria-label": "Selector of the other side", placeholder: "Other side: same selector",
      onchange: () => this.host.change({ baseQuery: query.value.trim() }),
    });
    const swatch = (t: number) => {
      const e = h("span.swatch");
      e.style.background = differenceColour(t, this.theme);
      return e;
    };
    const facts = d ? h("p.diff-facts", null,
      `${formatRange(d.base.from, d.base.to)}: ${formatFigure(beforeCores(d))} cores  →  ${formatRange(d.profile.from, d.profile.to)}: ${formatFigure(cores(d.profile, d.profile.tree.total[0]))} cores`) : null;
    if (this.head.contains(document.activeElement)) return;
    fill(this.head, h("div.segmented", { role: "group", "aria-label": "Compare with" }, ...earlier.map(button)), query, facts,
      h("span.legend", null, h("span.legend-item", null, swatch(-1), "less"), h("span.legend-item", null, swatch(0), "within the noise"), h("span.legend-item", null, swatch(1), "more")));
  }

  private list(d: Difference): void {
    const t = d.profile.tree;
    const changes = largestChanges(t, d.scale, shownChanges);
    const figure = (samples: number) => formatFigure(cores(d.profile, samples));
    fill(this.changes, h("h2.section-title", null, "Largest changes of self time, in cores"),
      changes.length ? null : h("p.diff-none", null, "No function changed by more than sampling explains."),
      ...changes.map((c) => {
        const change = c.after - c.before;
        const dot = h("span.kind-dot");
        dot.style.background = differenceColour(Math.sign(change), this.theme);
        return h("button.diff-change", {
          type: "button", title: cleanName(c.name), onclick: () => {
            this.host.change({ search: quotePattern(c.name) }, true);
            this.view.setMatches(searchTree(t, parsePattern(quotePattern(c.name))!));
          },
        }, dot, h("span.name", { dir: "auto" }, cleanName(c.name)),
        h("span.diff-figures", null, c.before === 0 ? "new" : figure(c.before), " → ", c.after === 0 ? "gone" : figure(c.after)),
        h("span.diff-delta", null, `${change < 0 ? "−" : "+"}${figure(Math.abs(change))}`));
      }));
  }
}

function beforeCores(d: Difference): number {
  const seconds = d.base.to - d.base.from;
  return seconds > 0 ? (d.base.total * d.base.period_ns) / 1e9 / seconds : 0;
}
