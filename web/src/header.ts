// SPDX-License-Identifier: Apache-2.0
//
// The head of the page: name, tabs, downloads, theme, help.
import { h, icon, iconButton, icons } from "./dom";
import { menuButton, type MenuEntry } from "./menu";
import { onTheme, toggleTheme } from "./theme";
import type { State, View } from "./url";

export interface HeaderEvents {
  view: (v: View) => void;
  help: () => void;
}

/** The tabs in their order. */
export const tabs: [View, string][] = [["flame", "Flame graph"], ["table", "Table"], ["callers", "Callers"], ["diff", "Compare"], ["heatmap", "Heatmap"], ["binaries", "Binaries"], ["status", "Status"]];
const exported: View[] = ["flame", "table", "callers"];

export class Header {
  readonly element: HTMLElement;
  private readonly tabs = new Map<View, HTMLButtonElement>();
  private readonly progress = h("div.progress", { role: "progressbar", "aria-label": "Loading", hidden: true });
  private timer = 0;

  constructor(events: HeaderEvents, embedded: boolean, downloads: () => MenuEntry[]) {
    const nav = h("nav.tabs", { "aria-label": "Views" });
    for (const [view, label] of tabs) {
      if (embedded && !exported.includes(view)) continue;
      const b = h("button.tab", { type: "button", onclick: () => events.view(view) }, label);
      this.tabs.set(view, b);
      nav.append(b);
    }
    const theme = iconButton(icons.moon, "Light or dark (d)", () => toggleTheme());
    onTheme((t) => theme.replaceChildren(icon(t === "dark" ? icons.sun : icons.moon)));
    const right = h("div.header-right", null,
      menuButton("Share and download", downloads, icon(icons.download), h("span.wide", null, "Export")),
      theme, iconButton(icons.help, "Keys and help (?)", () => events.help()));
    this.element = h("header.header", null, h("h1.brand", null, mark(), "Hearth"), nav, right, this.progress);
  }

  update(s: State): void {
    for (const [view, b] of this.tabs) {
      if (view === s.view) {
        if (!b.hasAttribute("aria-current")) b.scrollIntoView({ block: "nearest", inline: "center" });
        b.setAttribute("aria-current", "page");
      } else b.removeAttribute("aria-current");
    }
  }

  /** Show that something loads, unless it is there in a moment. */
  busy(on: boolean): void {
    clearTimeout(this.timer);
    if (on) this.timer = window.setTimeout(() => (this.progress.hidden = false), 150);
    else this.progress.hidden = true;
  }
}

/** The mark: a small flame graph. */
function mark(): SVGSVGElement {
  return icon("M1 12.4h14V15H1zM1 8.7h8.4v2.6H1zM10.4 8.7h3.4v2.6h-3.4zM2.4 5h5.2v2.6H2.4zM4 1.3h2.2v2.6H4zM10.4 5h1.8v2.6h-1.8z", "mark");
}
