// SPDX-License-Identifier: Apache-2.0
//
// The bar above the picture: search with its matched share, and how the picture is drawn.
import { fill, h, icon, iconButton, icons } from "./dom";
import { formatCount, formatShare } from "./format";
import { menuButton, type MenuEntry } from "./menu";
import { cleanName } from "./names";
import type { Matches } from "./search";
import { collapsePresets, hidePresets } from "./transform";
import { pathTo, type Tree } from "./tree";
import type { State } from "./url";
import { nodeLabel } from "./hovercard";
import { kindColour, type ColourBy, type Theme } from "./colour";
import { Kind, kindNames } from "./tree";

export interface ToolbarEvents {
  change: (patch: Partial<State>, replace?: boolean) => void;
  next: (direction: 1 | -1) => void;
  zoom: (node: number) => void;
}

const colours: [ColourBy, string][] = [["kind", "Kind"], ["binary", "Binary"], ["package", "Package"]];

export class Toolbar {
  readonly element: HTMLElement;
  readonly search: HTMLInputElement;
  private readonly result = h("output.search-result", { "aria-live": "polite" });
  private readonly searchBox: HTMLElement;
  private readonly shape = h("div.segmented", { role: "group", "aria-label": "Direction" });
  private readonly hideButton: HTMLButtonElement;
  private readonly hideCount = h("span.badge", { hidden: true });
  private readonly colourButton: HTMLButtonElement;
  private readonly colourText = h("span");
  private readonly crumbs = h("nav.crumbs", { "aria-label": "Path to the zoomed frame", hidden: true });
  private readonly filters = h("div.filters", { hidden: true });
  private readonly tools: HTMLElement;
  private state: State | null = null;
  private filtersFor = "";
  private typing = 0;

  constructor(private readonly events: ToolbarEvents) {
    this.search = h("input.search-input", {
      type: "search", placeholder: "Search functions (regex)", "aria-label": "Search functions by regular expression",
      spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      oninput: () => {
        clearTimeout(this.typing);
        this.typing = window.setTimeout(() => events.change({ search: this.search.value }, true), 25);
      },
      onkeydown: (e) => this.searchKey(e as KeyboardEvent),
    });
    this.searchBox = h("div.search", null, icon(icons.search), this.search, this.result,
      iconButton(icons.up, "Previous match (N)", () => events.next(-1)), iconButton(icons.down, "Next match (n)", () => events.next(1)));
    this.hideButton = menuButton("Hide or collapse frames, keep or remove stacks", () => this.framesMenu(), "Frames", this.hideCount, icon(icons.down));
    this.colourButton = menuButton("What colours stand for", () => colours.map(([id, label]) => ({
      label: `By ${label.toLowerCase()}`, checked: this.state?.colour === id, run: () => events.change({ colour: id }),
    })), this.colourText, icon(icons.down));
    this.tools = h("div.tools", null, this.shape, this.colourButton, this.hideButton);
    this.element = h("section.toolbar", { "aria-label": "Search and drawing" }, h("div.toolbar-row", null, this.searchBox, this.crumbs, this.tools), this.filters);
  }

  update(s: State, withShape: boolean): void {
    const before = this.state;
    this.state = s;
    if (document.activeElement !== this.search) this.search.value = s.search;
    this.tools.hidden = !withShape;
    this.colourText.textContent = colours.find(([id]) => id === s.colour)![1];
    if (!before || before.inverted !== s.inverted || before.upward !== s.upward) this.showShape(s);
    const filters = JSON.stringify([s.keep, s.drop, s.hide, s.hideFrames, s.collapse, s.collapseFrames]);
    if (filters === this.filtersFor) return;
    this.filtersFor = filters;
    const hidden = s.hide.length + s.collapse.length + [s.keep, s.drop, s.hideFrames, s.collapseFrames].filter(Boolean).length;
    this.hideCount.hidden = hidden === 0;
    this.hideCount.textContent = hidden ? String(hidden) : "";
    this.showFilters(s);
  }

  /** The buttons for the direction that stacks are drawn in. */
  private showShape(s: State): void {
    const button = (label: string, title: string, on: boolean, patch: Partial<State>) => h("button", {
      type: "button", title, "aria-pressed": String(on), onclick: () => this.events.change({ ...patch, zoom: this.state!.inverted || patch.inverted ? "" : this.state!.zoom }),
    }, label);
    const focused = this.shape.contains(document.activeElement) ? [...this.shape.children].indexOf(document.activeElement!) : -1;
    fill(this.shape,
      button("Icicle", "Root at the top (f)", !s.inverted && !s.upward, { inverted: false, upward: false }),
      button("Flame", "Root at the bottom (f)", !s.inverted && s.upward, { inverted: false, upward: true }),
      button("Inverted", "Leaves first (i)", s.inverted, { inverted: true, upward: false }));
    if (focused >= 0) (this.shape.children[focused] as HTMLElement).focus();
  }

  /** Show what a search found; `problem` when its expression does not parse. */
  found(m: Matches | null, all: number, problem: string): void {
    this.searchBox.classList.toggle("wrong", problem !== "");
    this.search.setAttribute("aria-invalid", String(problem !== ""));
    this.searchBox.classList.toggle("filled", m !== null);
    if (problem) this.result.textContent = problem;
    else if (!m) this.result.textContent = "";
    else this.result.textContent = m.count === 0 ? "no match" : `${formatShare(all ? m.samples / all : 0)} · ${formatCount(m.count)} frame${m.count === 1 ? "" : "s"}`;
  }

  /** Show the path to the zoomed frame. */
  path(t: Tree, zoom: number): void {
    this.crumbs.hidden = zoom === 0;
    if (zoom === 0) return;
    const path = pathTo(t, zoom);
    const shown = path.length > 4 ? [path[0], ...path.slice(-3)] : path;
    const parts: (Node | string)[] = [];
    shown.forEach((node, i) => {
      if (i > 0) parts.push(h("span.crumb-gap", { "aria-hidden": "true" }, i === 1 && shown.length < path.length ? "› … ›" : "›"));
      const last = node === zoom;
      parts.push(h("button.crumb", {
        type: "button", dir: "auto", title: cleanName(nodeLabel(t, node)), "aria-current": last ? "true" : null, onclick: () => this.events.zoom(node),
      }, cleanName(nodeLabel(t, node))));
    });
    const reset = iconButton(icons.close, "Show all (Esc)", () => this.events.zoom(0));
    fill(this.crumbs, ...parts, reset);
  }

  private showFilters(s: State): void {
    const chip = (text: string, patch: Partial<State>) => h("span.chip", null, h("span", { dir: "auto" }, text), iconButton(icons.close, `Remove: ${text}`, () => this.events.change({ ...patch, zoom: "" })));
    const label = (presets: { id: string; label: string }[], id: string) => presets.find((p) => p.id === id)?.label ?? id;
    const chips = [
      s.keep ? chip(`Only stacks with ${s.keep}`, { keep: "" }) : null,
      s.drop ? chip(`Without stacks with ${s.drop}`, { drop: "" }) : null,
      ...s.hide.map((id) => chip(`Hidden: ${label(hidePresets, id)}`, { hide: s.hide.filter((x) => x !== id) })),
      s.hideFrames ? chip(`Hidden: ${s.hideFrames}`, { hideFrames: "" }) : null,
      ...s.collapse.map((id) => chip(`As one: ${label(collapsePresets, id)}`, { collapse: s.collapse.filter((x) => x !== id) })),
      s.collapseFrames ? chip(`As one: ${s.collapseFrames}`, { collapseFrames: "" }) : null,
    ].filter((c) => c !== null);
    this.filters.hidden = chips.length === 0;
    fill(this.filters, ...chips);
  }

  private framesMenu(): MenuEntry[] {
    const s = this.state!;
    const toggle = (list: string[], id: string) => (list.includes(id) ? list.filter((x) => x !== id) : [...list, id]);
    const search = (label: string, patch: Partial<State>) => ({ label, disabled: !s.search, run: () => this.events.change({ ...patch, search: "", zoom: "" }) });
    return [
      { heading: "Hide" },
      ...hidePresets.map((p) => ({ label: p.label, checked: s.hide.includes(p.id), run: () => this.events.change({ hide: toggle(s.hide, p.id), zoom: "" }) })),
      { heading: "Draw as one frame" },
      ...collapsePresets.map((p) => ({ label: p.label, checked: s.collapse.includes(p.id), run: () => this.events.change({ collapse: toggle(s.collapse, p.id), zoom: "" }) })),
      { heading: s.search ? `What matches ${s.search.length > 24 ? `${s.search.slice(0, 24)}…` : s.search}` : "What matches the search" },
      search("Keep only stacks with it", { keep: s.search }),
      search("Remove stacks with it", { drop: s.search }),
      search("Hide these frames", { hideFrames: s.search }),
      search("Draw runs of them as one", { collapseFrames: s.search }),
    ];
  }

  private searchKey(e: KeyboardEvent): void {
    if (e.key === "Enter") {
      clearTimeout(this.typing);
      this.events.change({ search: this.search.value }, true);
      this.events.next(e.shiftKey ? -1 : 1);
    }
    else if (e.key === "Escape") {
      if (this.search.value) {
        this.search.value = "";
        this.events.change({ search: "" }, true);
      } else this.search.blur();
    } else return;
    e.preventDefault();
    e.stopPropagation();
  }
}

/** The legend of colours by kind: only the kinds that the tree has. */
export function kindLegend(t: Tree, theme: Theme): HTMLElement[] {
  const present = new Uint8Array(9);
  for (let i = 1; i < t.count; i++) present[t.kind[i]] = 1;
  const kinds = [Kind.native, Kind.inlined, Kind.kernel, Kind.jit, Kind.interpreter, Kind.marker, Kind.elided].filter((k) => present[k]);
  return kinds.map((k) => {
    const swatch = h("span.swatch");
    swatch.style.background = kindColour(k, theme);
    return h("span.legend-item", null, swatch, kindNames[k]);
  });
}
