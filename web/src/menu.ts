// SPDX-License-Identifier: Apache-2.0
//
// Menus: below a button, or at a place. Arrow keys move, Enter chooses, Escape closes and gives the focus back.
import { h } from "./dom";

export interface MenuItem {
  label: string;
  /** Shown at the right, such as a key. */
  hint?: string;
  run?: () => void;
  /** A link instead of an action. */
  href?: string;
  download?: string;
  /** Ticked or not; undefined = not a choice. */
  checked?: boolean;
  disabled?: boolean;
}

/** A line between groups of items. */
export const separator = "-";
/** A title above a group of items. */
export interface MenuHeading {
  heading: string;
}
export type MenuEntry = MenuItem | MenuHeading | typeof separator;

let close: (() => void) | null = null;

/** Close the open menu, if there is one. Returns whether there was. */
export function closeMenu(): boolean {
  const was = close !== null;
  close?.();
  return was;
}

function entry(item: MenuEntry): HTMLElement {
  if (item === separator) return h("div.menu-separator", { role: "separator" });
  if ("heading" in item) return h("div.menu-heading", { role: "presentation" }, item.heading);
  const role = item.checked === undefined ? "menuitem" : "menuitemcheckbox";
  const parts = [
    item.checked === undefined ? null : h("span.menu-check", { "aria-hidden": "true" }, item.checked ? "✓" : ""),
    h("span.menu-label", null, item.label),
    item.hint ? h("span.menu-hint", null, item.hint) : null,
  ];
  if (item.href) {
    return h("a.menu-item", { role, tabindex: -1, href: item.href, download: item.download ?? null, onclick: () => setTimeout(closeMenu) }, ...parts);
  }
  return h("button.menu-item", {
    type: "button", role, tabindex: -1, "aria-checked": item.checked === undefined ? null : String(item.checked),
    disabled: item.disabled ?? false,
    onclick: () => {
      closeMenu();
      item.run?.();
    },
  }, ...parts);
}

/** Open a menu with its corner at a place, kept inside of the window. */
export function openMenu(label: string, entries: MenuEntry[], x: number, y: number): void {
  closeMenu();
  const before = document.activeElement as HTMLElement | null;
  const menu = h("div.menu", { role: "menu", "aria-label": label }, ...entries.map(entry));
  const items = () => [...menu.querySelectorAll<HTMLElement>(".menu-item:not(:disabled)")];
  const outside = (e: Event) => {
    if (!menu.contains(e.target as Node)) closeMenu();
  };
  close = () => {
    close = null;
    menu.remove();
    document.removeEventListener("pointerdown", outside, true);
    if (document.activeElement === document.body || !document.activeElement) before?.focus({ preventScroll: true });
  };
  menu.addEventListener("keydown", (e) => {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const go: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    if (e.key in go) all[(go[e.key] + all.length) % all.length]?.focus();
    else if (e.key === "Escape" || e.key === "Tab") closeMenu();
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  document.body.append(menu);
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(y, innerHeight - menu.offsetHeight - 8))}px`;
  document.addEventListener("pointerdown", outside, true);
  items()[0]?.focus({ preventScroll: true });
}

/** A button that opens a menu below itself. */
export function menuButton(label: string, entries: () => MenuEntry[], ...content: (Node | string)[]): HTMLButtonElement {
  const b = h("button.button", {
    type: "button", "aria-haspopup": "menu", title: label,
    onclick: () => {
      const box = b.getBoundingClientRect();
      openMenu(label, entries(), box.left, box.bottom + 4);
    },
  }, ...content);
  return b;
}
