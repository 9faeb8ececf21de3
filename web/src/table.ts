// SPDX-License-Identifier: Apache-2.0
//
// The table of functions: self and total, sortable, searched like the flame graph; only the rows in view exist.
import { add, fill, h, perFrame } from "./dom";
import { formatSeconds, formatShare } from "./format";
import { baseName, cleanName } from "./names";
import { cpuSeconds, shareError, type Profile } from "./profile";
import type { Pattern } from "./search";
import { sortRows, topFunctions, type Row } from "./top";
import { kindNames, type Tree } from "./tree";

const rowHeight = 28;

export interface TableEvents {
  /** A function was chosen. */
  choose: (row: Row) => void;
  menu: (row: Row, x: number, y: number) => void;
  sort: (by: string) => void;
}

export class TableView {
  readonly element: HTMLElement;
  private readonly head = h("div.table-head", { role: "rowgroup" });
  // Rows come and go with scrolling, so the body listens for them.
  private readonly body = h("div.table-rows", {
    role: "rowgroup",
    onclick: (e) => this.at(e as MouseEvent, (r) => this.events.choose(r)),
    oncontextmenu: (e) => this.at(e as MouseEvent, (r) => this.events.menu(r, (e as MouseEvent).clientX, (e as MouseEvent).clientY)),
  });
  private readonly scroller: HTMLElement;
  private readonly empty = h("p.table-empty", { hidden: true });
  private rows: Row[] = [];
  private shown: Row[] = [];
  private all = 0;
  private most = { self: 0, total: 0 };
  private profile: Profile | null = null;
  private exact: Row[] | null = null;
  private sortBy = "-self";
  private pattern: Pattern | null = null;
  private active = 0;

  constructor(private readonly events: TableEvents) {
    this.scroller = h("div.table-scroll", {
      role: "table", tabindex: 0, "aria-label": "Functions by CPU time",
      onscroll: () => this.draw(), onkeydown: (e) => this.keyed(e as KeyboardEvent), onfocus: () => this.mark(), onblur: () => this.mark(),
    }, this.head, this.body);
    this.element = h("div.table", null, this.scroller, this.empty);
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  /** Show the functions of a tree. @param exact rows that know more than the tree does */
  update(profile: Profile, tree: Tree, sortBy: string, pattern: Pattern | null, exact: Row[] | null = null): void {
    if (this.tree !== tree || this.exact !== exact) {
      this.rows = exact ?? topFunctions(tree);
      this.tree = tree;
      this.exact = exact;
    }
    this.profile = profile;
    this.all = tree.total[0];
    this.pattern = pattern;
    this.sortBy = sortBy;
    sortRows(this.rows, sortBy);
    this.most = { self: 0, total: 0 };
    for (const r of this.rows) {
      this.most.self = Math.max(this.most.self, r.self);
      this.most.total = Math.max(this.most.total, r.total);
    }
    this.shown = pattern ? this.rows.filter((r) => this.matches(r, tree)) : this.rows;
    this.active = Math.min(this.active, Math.max(0, this.shown.length - 1));
    this.heading();
    this.empty.hidden = this.shown.length > 0;
    this.empty.textContent = this.rows.length ? "No function matches the search." : "No samples, so no functions.";
    this.body.style.height = `${this.shown.length * rowHeight}px`;
    this.scroller.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.drawNow();
  }

  private tree: Tree | null = null;

  /** Take the keyboard. */
  focus(): void {
    this.scroller.focus({ preventScroll: true });
  }

  private matches(r: Row, t: Tree): boolean {
    const p = this.pattern!;
    return p.regex.test(p.field !== "file" ? r[p.field] : r.node >= 0 ? t.strings[t.file[r.node]] : "");
  }

  private heading(): void {
    const column = (id: string, label: string, className: string) => {
      const on = this.sortBy.replace("-", "") === id;
      const down = this.sortBy.startsWith("-");
      const next = on ? (down ? id : `-${id}`) : id === "name" ? id : `-${id}`;
      return h(`div.${className}`, { role: "columnheader", "aria-sort": on ? (down ? "descending" : "ascending") : "none" },
        h("button.sort", { type: "button", onclick: () => this.events.sort(next) }, label, h("span.sort-mark", { "aria-hidden": "true" }, on ? (down ? "↓" : "↑") : "")));
    };
    const focused = this.head.contains(document.activeElement) ? [...this.head.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement) : -1;
    fill(this.head, h("div.table-row", { role: "row", "aria-rowindex": 1 },
      column("self", "Self", "cell-figure"), column("total", "Total", "cell-figure"), column("name", "Function", "cell-name")));
    if (focused >= 0) this.head.querySelectorAll("button")[focused]?.focus();
  }

  private readonly draw = perFrame(() => this.drawNow());

  private drawNow(): void {
    const p = this.profile;
    if (!p) return;
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / rowHeight) - 4);
    const last = Math.min(this.shown.length, first + Math.ceil(this.scroller.clientHeight / rowHeight) + 8);
    const rows: HTMLElement[] = [];
    for (let i = first; i < last; i++) rows.push(this.row(p, this.shown[i], i));
    this.body.replaceChildren(...rows);
    this.mark();
  }

  /**
   * Show which row the keyboard is at. The rows stay the same elements: pressing a button moves the focus here, and a row
   * that is replaced before the button is let go never hears of the click.
   */
  private mark(): void {
    const focused = this.scroller.matches(":focus") && this.shown.length > 0;
    const id = `row-${this.active}`;
    for (const row of this.body.children) row.classList.toggle("active", focused && row.id === id);
    if (focused) this.scroller.setAttribute("aria-activedescendant", id);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  /** A figure with a bar that compares it with the largest one of its column. */
  private figure(p: Profile, samples: number, most: number, label: string): HTMLElement {
    const share = this.all ? samples / this.all : 0;
    const bar = h("span.bar");
    bar.style.width = `${most > 0 ? (samples / most) * 100 : 0}%`;
    const error = samples > 0 ? `±${formatShare(shareError(samples, this.all)).replace(" %", "")}` : "";
    return h("div.cell-figure", { role: "cell", title: `${label} ${formatShare(share)} ${error}, 95 % interval` },
      h("span.track", null, bar), h("span.share", null, formatShare(share)), h("span.error", null, error),
      h("span.time", null, formatSeconds(cpuSeconds(p, samples))));
  }

  private row(p: Profile, r: Row, i: number): HTMLElement {
    const e = h("div.table-row", {
      id: `row-${i}`, role: "row", "aria-rowindex": i + 2,
    });
    add(e, [
      this.figure(p, r.self, this.most.self, "Self"), this.figure(p, r.total, this.most.total, "Total"),
      h("div.cell-name", { role: "cell" },
        h(`span.kind-dot.kind-${r.kind}`, { title: kindNames[r.kind] }),
        h("span.name", { dir: "auto", title: cleanName(r.name) }, cleanName(r.name)),
        r.binary && !r.name.startsWith("[") ? h("span.binary", { title: r.binary }, baseName(r.binary)) : null),
    ]);
    e.style.top = `${i * rowHeight}px`;
    return e;
  }

  /** Do something with the row below the pointer. */
  private at(e: MouseEvent, run: (r: Row) => void): void {
    const i = Math.floor((e.clientY - this.body.getBoundingClientRect().top) / rowHeight);
    if (!this.shown[i]) return;
    e.preventDefault();
    this.active = i;
    run(this.shown[i]);
  }

  private keyed(e: KeyboardEvent): void {
    if (e.target !== this.scroller || e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / rowHeight) - 2);
    const go: Record<string, number> = {
      ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + page, PageUp: this.active - page,
      Home: 0, End: this.shown.length - 1,
    };
    const row = this.shown[this.active];
    if (e.key in go) this.move(go[e.key]);
    else if (e.key === "Enter" && row) this.events.choose(row);
    else if ((e.key === "ContextMenu" || (e.key === "F10" && e.shiftKey)) && row) {
      const box = document.getElementById(`row-${this.active}`)?.getBoundingClientRect();
      this.events.menu(row, (box?.left ?? 0) + 160, box?.bottom ?? 0);
    } else return;
    e.preventDefault();
    e.stopPropagation();
  }

  private move(to: number): void {
    this.active = Math.max(0, Math.min(this.shown.length - 1, to));
    const top = this.active * rowHeight;
    const room = this.scroller.clientHeight - this.head.offsetHeight;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + rowHeight > this.scroller.scrollTop + room) this.scroller.scrollTop = top + rowHeight - room;
    this.draw();
  }
}
