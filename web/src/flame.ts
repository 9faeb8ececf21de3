// SPDX-License-Identifier: Apache-2.0
//
// The flame graph: a scrolling viewport with one canvas of the viewport's size, whatever the depth of the tree.
//
// It shows one tree and reports what the user points at, zooms to or asks for; it decides nothing about the page
// around it. Every view that draws stacks uses this class: flame graph, inverted, callers, callees, difference and
// the exported file.
import { colourTree, inks, type ColourBy, type Colouring, type Theme } from "./colour";
import { h, perFrame } from "./dom";
import { treeKey, widestChild } from "./flamekeys";
import { attachPointer } from "./flamepointer";
import { layoutTree, nodeAt, rowMarks, type Layout } from "./layout";
import { Pixels } from "./pixels";
import { drawBoxes, drawLabels, rowAt, rowTop, type Scene } from "./render";
import type { Matches } from "./search";
import { describePath } from "./srtree";
import { TextFitter } from "./text";
import { childrenOf, emptyTree, isWithin, type Tree } from "./tree";

export interface FlameEvents {
  /** The user chose a node to zoom to; the owner answers with zoomTo(). */
  zoom?: (node: number) => void;
  /** The pointer is on a node; -1 = on none. */
  hover?: (node: number, x: number, y: number) => void;
  /** The menu of a node was asked for. */
  menu?: (node: number, x: number, y: number) => void;
}

export interface FlameOptions extends FlameEvents {
  /** Name for those who do not see it. */
  title: string;
  /** How a node's name is shown. */
  label: (t: Tree, node: number) => string;
  /** One line on a node, read out when the keyboard moves to it. */
  describe: (t: Tree, node: number) => string;
  upward?: boolean;
  /** Rows from the root that are not shown; 0 when left out. */
  firstRow?: number;
}

const zoomTimeMs = 140;
let instances = 0;

export class FlameView {
  readonly element: HTMLElement;
  readonly canvas = h("canvas.flame-canvas", { "aria-hidden": "true" });
  // Its pixels are made here, so it is kept where they are written, not in the graphics card.
  private readonly ctx = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
  private pixels: Pixels | null = null;
  private dirty = false;
  private readonly hoverMark = h("div.flame-mark", { hidden: true });
  private readonly cursorMark = h("div.flame-mark.strong", { hidden: true });
  private readonly spacer = h("div.flame-spacer", { role: "presentation" });
  private readonly spoken = h("div.visually-hidden", { role: "presentation" });
  private readonly id = `flame${++instances}`;
  private text: TextFitter | null = null;
  private theme: Theme = "light";
  private colourBy: ColourBy = "kind";
  private paint: ((t: Tree, theme: Theme) => Colouring) | null = null;
  private zoomed = 0;
  private hovered = -1;
  private animation = 0;
  /** The node the keyboard is on; -1 = none yet. */
  cursor = -1;
  layout: Layout;
  readonly scene: Scene;
  /** Milliseconds the last picture took; read by the benchmark. */
  lastDrawMs = 0;

  constructor(readonly options: FlameOptions) {
    const tree = emptyTree();
    this.layout = layoutTree(tree);
    this.scene = {
      tree, layout: this.layout, colouring: colourTree(tree, "kind", "light"), ink: inks.light, x0: 0, x1: 0,
      width: 0, height: 0, ratio: 1, scrollTop: 0, rowHeight: 20, contentHeight: 0, firstRow: options.firstRow ?? 0, upward: options.upward ?? false,
      marked: null, marks: null, zoomDepth: 0, label: (n) => this.options.label(this.scene.tree, n),
    };
    this.element = h("div.flame", {
      tabindex: 0, role: "tree", "aria-label": options.title,
      onscroll: () => this.scrolled(),
      onkeydown: (e) => this.keyed(e as KeyboardEvent),
      onfocus: () => this.focused(),
      onblur: () => this.placeMarks(),
    }, h("div.flame-view", { role: "presentation" }, this.canvas, this.hoverMark, this.cursorMark), this.spacer, this.spoken);
    attachPointer(this);
    new ResizeObserver(() => this.resized()).observe(this.element);
  }

  get tree(): Tree {
    return this.scene.tree;
  }

  get zoom(): number {
    return this.zoomed;
  }

  /**
   * Show a tree. @param zoom the node zoomed to; 0 = all
   * @param width width of each node, its total when left out
   */
  setTree(tree: Tree, zoom = 0, width?: Float64Array): void {
    const s = this.scene;
    s.tree = tree;
    s.layout = this.layout = layoutTree(tree, width);
    s.marked = s.marks = null;
    this.cursor = this.hovered = -1;
    this.recolour();
    this.measure();
    this.zoomTo(zoom, false);
    this.element.scrollTop = s.upward ? s.contentHeight : zoom ? this.scrollFor(zoom) : 0;
    this.describeCursor();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.recolour();
  }

  /** Colour frames by kind, binary or package; or by a rule of the owner's. */
  setColour(by: ColourBy, paint: ((t: Tree, theme: Theme) => Colouring) | null = null): void {
    this.colourBy = by;
    this.paint = paint;
    this.recolour();
  }

  setUpward(upward: boolean): void {
    if (this.scene.upward === upward) return;
    this.scene.upward = upward;
    this.element.scrollTop = upward ? this.scene.contentHeight : 0;
    this.scrolled();
  }

  /** Highlight the matches of a search; null = none. */
  setMatches(m: Matches | null): void {
    if (!m && !this.scene.marked) return;
    this.scene.marked = m ? m.marked : null;
    this.scene.marks = m ? rowMarks(this.layout, m.marked) : null;
    this.invalidate();
  }

  /** Zoom so that a node fills the width. */
  zoomTo(node: number, animate = true): void {
    this.zoomed = node;
    const x0 = this.layout.start[node];
    const still = !animate || matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scene.zoomDepth = this.tree.depth[node];
    this.moveTo(x0, x0 + this.layout.width[node], still ? 0 : zoomTimeMs, this.scrollFor(node));
  }

  /** Show a stretch; used while panning and pinching. */
  setRange(x0: number, x1: number): void {
    const all = this.layout.width[0];
    const span = Math.min(all, Math.max(x1 - x0, all / 1e9));
    const left = Math.max(0, Math.min(x0, all - span));
    cancelAnimationFrame(this.animation);
    this.scene.x0 = left;
    this.scene.x1 = left + span;
    this.invalidate();
  }

  /** Whether the picture shows exactly the node zoomed to. */
  get atZoom(): boolean {
    const x0 = this.layout.start[this.zoomed];
    return this.scene.x0 === x0 && this.scene.x1 === x0 + this.layout.width[this.zoomed];
  }

  /** Put the keyboard on a node and bring it into view. */
  moveCursor(node: number): void {
    this.cursor = node;
    const s = this.scene;
    const top = rowTop(s, s.tree.depth[node]) + s.scrollTop;
    if (top < s.scrollTop) this.element.scrollTop = top;
    else if (top + s.rowHeight > s.scrollTop + s.height) this.element.scrollTop = top + s.rowHeight - s.height;
    const left = this.layout.start[node];
    const right = left + this.layout.width[node];
    if (right <= s.x0 || left >= s.x1) this.options.zoom?.(s.tree.parent[node] >= 0 ? s.tree.parent[node] : 0);
    this.describeCursor();
    this.placeMarks();
    const at = this.boxOf(node);
    this.options.hover?.(node, at.left + Math.min(at.width / 2, 160), at.bottom);
  }

  /** The node at a place of the page; -1 = none. */
  nodeAtPoint(clientX: number, clientY: number): number {
    const box = this.canvas.getBoundingClientRect();
    const s = this.scene;
    const x = s.x0 + ((clientX - box.left) / s.width) * (s.x1 - s.x0);
    return nodeAt(this.layout, rowAt(s, clientY - box.top), x);
  }

  /** Where a node lies on the page, clipped to the viewport's width. */
  boxOf(node: number): DOMRect {
    const box = this.canvas.getBoundingClientRect();
    const s = this.scene;
    const scale = s.width / (s.x1 - s.x0 || 1);
    const left = Math.max(0, (this.layout.start[node] - s.x0) * scale);
    const right = Math.min(s.width, (this.layout.start[node] + this.layout.width[node] - s.x0) * scale);
    return new DOMRect(box.left + left, box.top + rowTop(s, s.tree.depth[node]), Math.max(0, right - left), s.rowHeight);
  }

  /** Outline the node under the pointer. */
  setHovered(node: number): void {
    if (node === this.hovered) return;
    this.hovered = node;
    this.placeMarks();
  }

  private readonly drawSoon = perFrame(() => this.dirty && this.drawNow());

  /** Draw with the next frame. */
  invalidate(): void {
    this.dirty = true;
    this.drawSoon();
  }


  /** Draw at once. */
  drawNow(): void {
    const s = this.scene;
    if (s.width === 0 || s.height === 0) return;
    const began = performance.now();
    this.dirty = false;
    const { width, height } = this.canvas;
    if (this.pixels?.width !== width || this.pixels.height !== height) this.pixels = new Pixels(width, height);
    this.text ??= new TextFitter(this.ctx, `12px ${getComputedStyle(this.element).fontFamily}`);
    const labels = drawBoxes(this.pixels, s, this.text);
    this.ctx.putImageData(this.pixels.image, 0, 0);
    this.ctx.setTransform(s.ratio, 0, 0, s.ratio, 0, 0);
    drawLabels(this.ctx, labels, this.text.font);
    this.placeMarks();
    this.lastDrawMs = performance.now() - began;
  }

  /** Put the outlines around the frames of pointer and keyboard; the picture below stays as it is. */
  private placeMarks(): void {
    this.placeMark(this.hoverMark, this.hovered);
    this.placeMark(this.cursorMark, this.element.matches(":focus") ? this.cursor : -1);
  }

  private placeMark(mark: HTMLElement, node: number): void {
    const s = this.scene;
    const scale = s.width / (s.x1 - s.x0 || 1);
    const start = (this.layout.start[node] - s.x0) * scale;
    const end = start + this.layout.width[node] * scale;
    const there = node >= 0 && node < this.tree.count && end >= 0 && start <= s.width && s.tree.depth[node] >= s.firstRow;
    mark.hidden = !there;
    if (!there) return;
    const left = Math.max(0, start);
    const width = Math.max(2, Math.min(s.width, end) - left - (end - start > 3 ? 1 : 0));
    mark.style.transform = `translate(${left}px, ${rowTop(s, s.tree.depth[node])}px)`;
    mark.style.width = `${width}px`;
    mark.style.height = `${s.rowHeight - 1}px`;
  }

  private moveTo(x0: number, x1: number, duration: number, scrollTop: number): void {
    cancelAnimationFrame(this.animation);
    const s = this.scene;
    const from = { x0: s.x0, x1: s.x1, scroll: this.element.scrollTop };
    const began = performance.now();
    const step = (now: number) => {
      const t = duration > 0 ? Math.min(1, Math.max(0, (now - began) / duration)) : 1;
      const e = 1 - (1 - t) ** 3;
      s.x0 = t === 1 ? x0 : from.x0 + (x0 - from.x0) * e;
      s.x1 = t === 1 ? x1 : from.x1 + (x1 - from.x1) * e;
      this.element.scrollTop = s.scrollTop = from.scroll + (scrollTop - from.scroll) * e;
      s.scrollTop = this.element.scrollTop;
      if (t < 1) this.animation = requestAnimationFrame(step);
      this.drawNow();
    };
    step(began);
  }

  /** Where to scroll so that a node and what hangs on it are in view. */
  private scrollFor(node: number): number {
    const s = this.scene;
    const row = this.tree.depth[node];
    const now = this.element.scrollTop;
    const limit = Math.max(0, s.contentHeight - s.height);
    const top = rowTop(s, row) + s.scrollTop;
    const near = s.upward ? top - now < s.height * 0.6 : top - now > s.height * 0.4;
    if (top >= now && top + s.rowHeight <= now + s.height && !near) return now;
    const wanted = s.upward ? top + 3 * s.rowHeight - s.height : top - 2 * s.rowHeight;
    return Math.max(0, Math.min(limit, wanted));
  }

  private recolour(): void {
    this.scene.ink = inks[this.theme];
    this.scene.colouring = this.paint ? this.paint(this.tree, this.theme) : colourTree(this.tree, this.colourBy, this.theme);
    this.invalidate();
  }

  private resized(): void {
    const bottom = this.scene.contentHeight - this.scene.scrollTop - this.scene.height;
    if (!this.measure()) return;
    if (this.scene.upward) this.element.scrollTop = this.scene.contentHeight - this.scene.height - bottom;
    this.drawNow();
  }

  /** Take the viewport's size and fit the canvas and the scrolled height to it. Returns whether the canvas changed. */
  private measure(): boolean {
    const s = this.scene;
    const width = this.element.clientWidth;
    const height = this.element.clientHeight;
    const ratio = (s.ratio = window.devicePixelRatio || 1);
    s.rowHeight = matchMedia("(pointer: coarse)").matches ? 26 : 20;
    s.contentHeight = Math.max(height, (this.layout.rows - s.firstRow) * s.rowHeight + 4);
    this.spacer.style.height = `${s.contentHeight - height}px`;
    const changed = width !== s.width || height !== s.height || this.canvas.width !== Math.round(width * ratio);
    if (changed) {
      s.width = width;
      s.height = height;
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    this.scene.scrollTop = this.element.scrollTop;
    return changed;
  }

  private scrolled(): void {
    if (this.scene.scrollTop === this.element.scrollTop) return;
    this.scene.scrollTop = this.element.scrollTop;
    this.options.hover?.(-1, 0, 0);
    this.invalidate();
  }

  private focused(): void {
    if (this.cursor < 0) this.cursor = this.zoomed;
    while (this.tree.depth[this.cursor] < this.scene.firstRow && childrenOf(this.tree, this.cursor).length) this.cursor = widestChild(this.tree, this.cursor);
    this.describeCursor();
    this.placeMarks();
  }

  private keyed(e: KeyboardEvent): void {
    if (this.cursor < 0 || !isWithin(this.tree, this.cursor, 0)) this.cursor = this.zoomed;
    const at = this.boxOf(this.cursor);
    const to = treeKey(e, this.tree, this.cursor, this.scene.upward);
    if (to === "zoom") this.options.zoom?.(this.cursor);
    else if (to === "menu") this.options.menu?.(this.cursor, at.left + 12, at.bottom);
    else if (typeof to === "number") this.moveCursor(this.tree.depth[to] < this.scene.firstRow ? this.cursor : to);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  private describeCursor(): void {
    const node = this.cursor < 0 ? this.zoomed : this.cursor;
    const active = describePath(this.spoken, this.id, this.tree, node, (n) => this.options.describe(this.tree, n));
    this.element.setAttribute("aria-activedescendant", active);
  }
}
