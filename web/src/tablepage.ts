// SPDX-License-Identifier: Apache-2.0
//
// The tab with the table of functions.
//
// Its rows are summed up from the flame graph. Where that has small frames folded away, the server's own table, which
// counts every sample, takes their place as soon as it is there.
import { fetchJson } from "./api";
import { h } from "./dom";
import type { PageHost, PageView, Picture } from "./page";
import { quotePattern, searchTree } from "./search";
import { TableView } from "./table";
import { timeText } from "./time";
import { rowsOfTop, type Row, type TopJson } from "./top";
import type { Tree } from "./tree";

export class TablePage implements PageView {
  readonly needsProfile = true;
  readonly element = h("div.page-table");
  private readonly table: TableView;
  private picture: Picture | null = null;
  private exact: { tree: Tree; rows: Row[] } | null = null;
  private asked: Tree | null = null;

  constructor(private readonly host: PageHost) {
    this.table = new TableView({
      choose: (r) => host.change({ view: "flame", search: quotePattern(r.name), zoom: "" }),
      menu: (r, x, y) => r.node >= 0 && host.menu(this.picture!.stacks, r.node, x, y),
      sort: (sort) => host.change({ sort }, true),
    });
    this.element.append(this.table.element);
  }

  update(p: Picture): void {
    this.picture = p;
    const exact = this.exact?.tree === p.stacks ? this.exact.rows : null;
    this.table.update(p.profile, p.stacks, p.state.sort, p.pattern, exact);
    this.host.found(p.pattern ? searchTree(p.stacks, p.pattern) : null, p.stacks.total[0]);
    if (!exact && p.profile.elided.samples > 0 && p.stacks === p.profile.tree && !p.embedded) void this.ask(p);
  }

  focus(): void {
    this.table.focus();
  }

  /** Ask the server for its table of exactly the range that the flame graph covers. */
  private async ask(p: Picture): Promise<void> {
    if (this.asked === p.stacks) return;
    this.asked = p.stacks;
    const range = { from: timeText(p.profile.from), to: timeText(p.profile.to) };
    try {
      const top = await fetchJson<TopJson>("/api/v1/query", { query: p.state.query, ...range, format: "top" });
      this.exact = { tree: p.stacks, rows: rowsOfTop(top, p.stacks) };
    } catch {
      return; // the rows from the flame graph stay
    }
    if (this.picture?.stacks === p.stacks) this.update(this.picture);
  }
}
