// SPDX-License-Identifier: Apache-2.0
//
// Keys of the page, and the window that lists them.
import { h, iconButton, icons } from "./dom";

export interface Shortcut {
  key: string;
  what: string;
  run: () => void;
  /** Shown in the list; left out for keys that are listed otherwise. */
  shown?: string;
}

/** Keys that the flame graph and the table handle themselves. */
const inside: [string, string][] = [
  ["← → ↑ ↓", "Move between frames, or rows of the table"],
  ["Home  End", "To the root, to the hottest leaf"],
  ["Enter", "Zoom to the frame; choose the row"],
  ["Shift F10", "Menu of the frame or row"],
  ["Ctrl wheel", "Zoom about the pointer; drag to pan"],
];

function isTyping(e: KeyboardEvent): boolean {
  const t = e.target as HTMLElement;
  return t.matches("input, textarea, select, [contenteditable]");
}

/** Listen for the shortcuts wherever the focus is, but not while the user types. */
export function listenForKeys(shortcuts: Shortcut[]): void {
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey) return;
    if (isTyping(e) || document.querySelector("dialog[open], .menu")) return;
    const s = shortcuts.find((x) => x.key === e.key);
    if (!s) return;
    e.preventDefault();
    s.run();
  });
}

function listed(key: string, what: string): HTMLElement {
  return h("div.key-row", null, h("dt", null, ...key.split("  ").map((k) => h("kbd", null, k))), h("dd", null, what));
}

/** Show the list of keys. */
export function showHelp(shortcuts: Shortcut[]): void {
  const dialog = h("dialog.dialog", { "aria-labelledby": "help-title", onclose: () => dialog.remove() });
  const rows = shortcuts.filter((s) => s.shown !== "").map((s) => listed(s.shown ?? s.key, s.what));
  dialog.append(
    h("div.dialog-head", null, h("h2", { id: "help-title" }, "Keys"), iconButton(icons.close, "Close", () => dialog.close())),
    h("dl.keys", null, ...rows, ...inside.map(([k, w]) => listed(k, w))),
    h("p.dialog-note", null, "Search takes regular expressions; bin: and file: in front search binaries and source files. Widths are CPU time. ± is the 95 % interval that sampling leaves."),
  );
  document.body.append(dialog);
  dialog.addEventListener("click", (e) => {
    if (e.target === dialog) dialog.close();
  });
  dialog.showModal();
}
