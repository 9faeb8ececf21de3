// SPDX-License-Identifier: Apache-2.0
//
// The tab with callers and callees: a function, or all that match an expression, in the middle; who calls it above,
// what it calls below. Both have the same scale and order, so that they join: the upper graph leaves its first row, the
// functions themselves, to the lower one.
import { foldedName } from "./builder";
import { fill, h } from "./dom";
import { FlameView } from "./flame";
import { formatSeconds, formatShare } from "./format";
import { describeNode, nodeLabel } from "./hovercard";
import type { PageHost, PageView, Picture } from "./page";
import { cpuSeconds } from "./profile";
import { parsePattern, quotePattern, searchTree } from "./search";
import { sortRows, topFunctions } from "./top";
import { calleesOf, callersOf, leastFor } from "./transform";
import { emptyTree, Kind, type Tree } from "./tree";

export class CallersPage implements PageView {
  readonly needsProfile = true;
  readonly element: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly summary = h("p.callers-summary", { "aria-live": "polite" });
  private readonly suggestions = h("div.callers-start", { hidden: true });
  private readonly callers: FlameView;
  private readonly callees: FlameView;
  private readonly graphs: HTMLElement;
  private picture: Picture | null = null;
  private shown: { tree: Tree; focus: string; opened: number } | null = null;
  private opened = 1;

  constructor(private readonly host: PageHost) {
    this.input = h("input.focus-input", {
      type: "search", placeholder: "Function (regex)", "aria-label": "Function whose callers and callees to show, a regular expression", spellcheck: "false", autocomplete: "off",
      onchange: () => host.change({ focus: this.input.value, zoom: "" }),
    });
    this.callers = this.flame("Callers. Arrow keys move between frames, Enter shows the callers of a frame.", true);
    this.callees = this.flame("Callees. Arrow keys move between frames, Enter shows the callers of a frame.", false);
    this.graphs = h("div.callers-graphs", null,
      h("div.callers-half", null, h("h2.section-tag", null, "Callers"), this.callers.element),
      h("div.callers-half.below", null, h("h2.section-tag", null, "Callees"), this.callees.element));
    this.element = h("div.page-callers", null, h("div.callers-head", null, this.input, this.summary), this.suggestions, this.graphs);
  }

  update(p: Picture): void {
    const before = this.picture;
    this.picture = p;
    if (document.activeElement !== this.input) this.input.value = p.state.focus;
    for (const v of [this.callers, this.callees]) {
      if (!before || before.theme !== p.theme) v.setTheme(p.theme);
      if (!before || before.state.colour !== p.state.colour) v.setColour(p.state.colour);
    }
    const focus = p.state.focus;
    if (this.shown?.focus !== focus) this.opened = 1;
    if (this.shown?.tree === p.stacks && this.shown.focus === focus && this.shown.opened === this.opened) return;
    this.shown = { tree: p.stacks, focus, opened: this.opened };
    this.suggestions.hidden = focus !== "";
    this.graphs.hidden = focus === "";
    if (focus === "") this.suggest(p);
    else this.build(p, focus);
  }

  focus(): void {
    this.input.focus();
  }

  private build(p: Picture, focus: string): void {
    let pattern = null;
    try {
      pattern = parsePattern(focus);
    } catch (e) {
      this.summary.textContent = (e as Error).message;
    }
    const t = p.stacks;
    const m = pattern ? searchTree(t, pattern) : null;
    this.callers.setTree(m ? callersOf(t, m.marked, leastFor(t, this.opened)) : emptyTree(t.strings));
    this.callees.setTree(m ? calleesOf(t, m.marked) : emptyTree(t.strings));
    const rows = Math.max(0, this.callers.tree.maxDepth - 1);
    this.callers.element.parentElement!.style.flexBasis = `${rows * this.callers.scene.rowHeight + 6}px`;
    if (!m) return;
    const self = this.callees.tree;
    let own = 0;
    for (let i = 1; i < self.count; i = self.end[i]) own += self.self[i];
    this.summary.textContent = m.count === 0
      ? "No frame matches in this profile."
      : `${formatShare(t.total[0] ? m.samples / t.total[0] : 0)} of all · total ${formatSeconds(cpuSeconds(p.profile, m.samples))} · self ${formatSeconds(cpuSeconds(p.profile, own))}`;
    this.graphs.hidden = m.count === 0;
  }

  /** Without a function: offer those with the most time of their own. */
  private suggest(p: Picture): void {
    this.summary.textContent = "";
    const rows = sortRows(topFunctions(p.stacks), "-self").filter((r) => r.kind !== Kind.marker).slice(0, 12);
    fill(this.suggestions, h("p", null, "Choose a function: the hottest ones, or type a name above."),
      ...rows.map((r) => h("button.suggest-function", { type: "button", dir: "auto", onclick: () => this.host.change({ focus: quotePattern(r.name) }) },
        r.name, h("span.share", null, formatShare(p.stacks.total[0] ? r.self / p.stacks.total[0] : 0)))));
  }

  private flame(title: string, upward: boolean): FlameView {
    const v: FlameView = new FlameView({
      title, upward, label: nodeLabel, firstRow: upward ? 2 : 1,
      describe: (t, n) => (this.picture ? describeNode(this.picture.profile, t, n) : ""),
      zoom: (n) => this.choose(v, n),
      hover: (n, x, y) => this.host.hover(v.tree, n, 0, x, y),
      menu: (n, x, y) => this.host.menu(v.tree, n, x, y),
    });
    return v;
  }

  /** A frame becomes the function in the middle. */
  private choose(v: FlameView, node: number): void {
    if (node === 0) return;
    if (v.tree.kind[node] === Kind.elided) {
      if (v.tree.strings[v.tree.name[node]] !== foldedName) return this.host.open(v.tree, node);
      this.opened *= 16;
      this.update(this.picture!);
      return;
    }
    this.host.change({ focus: quotePattern(v.tree.strings[v.tree.name[node]]) });
  }
}
