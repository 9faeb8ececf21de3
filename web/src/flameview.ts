// SPDX-License-Identifier: Apache-2.0
//
// The tab with the flame graph: icicle, flame or inverted.
import { foldedName } from "./builder";
import { h } from "./dom";
import { FlameView } from "./flame";
import { describeNode, nodeLabel } from "./hovercard";
import type { PageHost, PageView, Picture } from "./page";
import { nextMatch, searchTree, type Matches } from "./search";
import { kindLegend, type Toolbar } from "./toolbar";
import { invert, leastFor } from "./transform";
import { Kind, nodeByKey, nodeKey, type Tree } from "./tree";

export class FlamePage implements PageView {
  readonly needsProfile = true;
  readonly element = h("div.page-flame");
  readonly view: FlameView;
  private shown: Picture | null = null;
  private tree: Tree | null = null;
  private from: Tree | null = null;
  private inverted = false;
  /** How far small frames of the inverted graph have been opened: 1, 16, 256... */
  private opened = 1;
  private matches: Matches | null = null;
  private searched: { tree: Tree; text: string } | null = null;
  private zoomKey = "";
  /** What the legend was made for. */
  private legendTree: Tree | null = null;
  private legendFor = "";
  /** The node of the last key, so that a click need not look for what it came from. */
  private known = { tree: null as Tree | null, key: "", node: 0 };

  constructor(private readonly host: PageHost, private readonly toolbar: Toolbar, private readonly legend: HTMLElement) {
    this.view = new FlameView({
      title: "Flame graph. Arrow keys move between frames, Enter zooms, question mark lists all keys.",
      label: nodeLabel,
      describe: (t, n) => (this.shown ? describeNode(this.shown.profile, t, n) : ""),
      zoom: (n) => this.zoom(n),
      hover: (n, x, y) => host.hover(this.view.tree, n, this.view.zoom, x, y),
      menu: (n, x, y) => host.menu(this.view.tree, n, x, y),
    });
    this.element.append(this.view.element);
  }

  update(p: Picture): void {
    const before = this.shown;
    this.shown = p;
    const s = p.state;
    if (!before || before.theme !== p.theme) this.view.setTheme(p.theme);
    if (!before || before.state.colour !== s.colour) this.view.setColour(s.colour);
    this.view.setUpward(s.upward);
    if (this.from !== p.stacks || this.inverted !== s.inverted) {
      if (this.inverted !== s.inverted) this.opened = 1;
      this.from = p.stacks;
      this.inverted = s.inverted;
      this.rebuild();
    } else if (s.zoom !== this.zoomKey) this.view.zoomTo(this.zoomNode());
    else if (!this.view.atZoom) this.view.zoomTo(this.view.zoom);
    this.zoomKey = s.zoom;
    this.showMatches(p);
    this.toolbar.path(this.view.tree, this.view.zoom);
    const legendFor = `${s.colour} ${p.theme}`;
    if (this.legendTree === this.view.tree && this.legendFor === legendFor) return;
    this.legendTree = this.view.tree;
    this.legendFor = legendFor;
    this.legend.replaceChildren(...(s.colour === "kind" ? kindLegend(this.view.tree, p.theme) : []));
  }

  next(direction: 1 | -1): void {
    if (!this.matches?.count) return;
    const from = this.view.cursor >= 0 ? this.view.cursor : direction === 1 ? 0 : 1;
    this.view.moveCursor(nextMatch(this.matches, from, direction));
    this.view.element.focus({ preventScroll: true });
  }

  focus(): void {
    this.view.element.focus({ preventScroll: true });
  }

  drawing() {
    const p = this.shown;
    return p && { view: this.view, describe: (n: number) => describeNode(p.profile, this.view.tree, n) };
  }

  private rebuild(): void {
    const p = this.shown!;
    this.tree = p.state.inverted ? invert(p.stacks, leastFor(p.stacks, this.opened)) : p.stacks;
    this.view.setTree(this.tree, 0);
    const node = this.zoomNode();
    if (node > 0) this.view.zoomTo(node, false);
  }

  private zoomNode(): number {
    const key = this.shown!.state.zoom;
    const tree = this.view.tree;
    if (!key) return 0;
    if (this.known.tree !== tree || this.known.key !== key) this.known = { tree, key, node: Math.max(0, nodeByKey(tree, key)) };
    return this.known.node;
  }

  private zoom(node: number): void {
    const t = this.view.tree;
    if (t.kind[node] === Kind.elided) {
      if (!this.inverted || t.strings[t.name[node]] !== foldedName) {
        this.host.open(t, node);
        return;
      }
      this.opened *= 16;
      this.rebuild();
      this.update(this.shown!);
      return;
    }
    if (node === this.view.zoom && !this.view.atZoom) this.view.zoomTo(node);
    const key = node > 0 ? nodeKey(t, node) : "";
    this.known = { tree: t, key, node };
    this.host.change({ zoom: key });
  }

  private showMatches(p: Picture): void {
    const t = this.view.tree;
    if (this.searched?.tree === t && this.searched.text === p.state.search) {
      this.host.found(this.matches, t.total[0]);
      return;
    }
    this.searched = { tree: t, text: p.state.search };
    this.matches = p.pattern ? searchTree(t, p.pattern) : null;
    this.view.setMatches(this.matches);
    this.host.found(this.matches, t.total[0]);
  }
}
