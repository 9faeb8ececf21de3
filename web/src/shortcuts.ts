// SPDX-License-Identifier: Apache-2.0
//
// The keys of the page as a whole. Those of the flame graph itself are in flamekeys.ts.
import type { App } from "./app";
import { tabs } from "./header";
import { showHelp, type Shortcut } from "./keyboard";
import { quotePattern } from "./search";
import { toggleTheme } from "./theme";
import { FlamePage } from "./flameview";
import { nodeLabel } from "./hovercard";
import type { PageView } from "./page";
import { presets } from "./time";

/** All shortcuts. @param embedded an exported file has no server, so no time range */
export function shortcutsOf(app: App, embedded: boolean, current: () => PageView | null, range: () => void): Shortcut[] {
  const s = () => app.state;
  const keys: Shortcut[] = [
    { key: "/", what: "Search", run: () => app.toolbar.search.select() },
    { key: "n", shown: "n  N", what: "Next, previous match", run: () => current()?.next?.(1) },
    { key: "N", shown: "", what: "Previous match", run: () => current()?.next?.(-1) },
    { key: "g", what: "Put the keyboard on the picture", run: () => current()?.focus?.() },
    { key: "Escape", shown: "Esc", what: "Close, zoom out, clear the search", run: () => app.escape() },
    { key: "Backspace", shown: "Backspace", what: "Back", run: () => history.back() },
    { key: "f", what: "Icicle or flame", run: () => app.change({ upward: !s().upward, inverted: false, zoom: s().inverted ? "" : s().zoom }) },
    { key: "i", what: "Inverted: leaves first", run: () => app.change({ inverted: !s().inverted, upward: false, zoom: "" }) },
    {
      key: "c", what: "Callers and callees of the frame", run: () => {
        const page = current();
        if (!(page instanceof FlamePage) || page.view.cursor <= 0) return app.change({ view: "callers" });
        app.change({ view: "callers", focus: quotePattern(nodeLabel(page.view.tree, page.view.cursor)), zoom: "" });
      },
    },
    { key: "d", what: "Light or dark", run: toggleTheme },
    { key: "?", what: "This list", run: () => showHelp(keys) },
  ];
  tabs.forEach(([view, label], i) => keys.push({ key: String(i + 1), what: label, run: () => app.change({ view }) }));
  if (!embedded) {
    keys.push(
      { key: "t", what: "Time range", run: range },
      { key: "l", what: "Follow now", run: () => app.change({ live: !s().live, to: "now", from: s().to === "now" ? s().from : presets[1][0] }) },
      { key: "r", what: "Load again", run: () => app.load() },
    );
  }
  return keys;
}
