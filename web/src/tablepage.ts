// SPDX-License-Identifier: Apache-2.0
//
// The tab with the table of functions.
import { h } from "./dom";
import type { PageHost, PageView, Picture } from "./page";
import { quotePattern, searchTree } from "./search";
import { TableView } from "./table";

export class TablePage implements PageView {
  readonly needsProfile = true;
  readonly element = h("div.page-table");
  private readonly table: TableView;
  private picture: Picture | null = null;

  constructor(private readonly host: PageHost) {
    this.table = new TableView({
      choose: (r) => host.change({ view: "flame", search: quotePattern(r.name), zoom: "" }),
      menu: (r, x, y) => host.menu(this.picture!.stacks, r.node, x, y),
      sort: (sort) => host.change({ sort }, true),
    });
    this.element.append(this.table.element);
  }

  update(p: Picture): void {
    this.picture = p;
    this.table.update(p.profile, p.stacks, p.state.sort, p.pattern);
    this.host.found(p.pattern ? searchTree(p.stacks, p.pattern) : null, p.stacks.total[0]);
  }

  focus(): void {
    this.table.focus();
  }
}
