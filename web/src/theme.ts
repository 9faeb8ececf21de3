// SPDX-License-Identifier: Apache-2.0
//
// Light or dark: the system's wish, unless the user chose; the choice is kept in this browser.
import type { Theme } from "./colour";

const storageKey = "hearth-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<(t: Theme) => void>();

function stored(): Theme | null {
  try {
    const t = localStorage.getItem(storageKey);
    return t === "light" || t === "dark" ? t : null;
  } catch {
    return null;
  }
}

/** The theme in force. */
export function currentTheme(): Theme {
  return stored() ?? (system.matches ? "dark" : "light");
}

function apply(): void {
  const t = currentTheme();
  document.documentElement.dataset.theme = t;
  for (const l of listeners) l(t);
}

/** Change to the other theme. Choosing what the system wants forgets the choice, so that the system leads again. */
export function toggleTheme(): void {
  const wanted: Theme = currentTheme() === "dark" ? "light" : "dark";
  try {
    if (wanted === (system.matches ? "dark" : "light")) localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, wanted);
  } catch {
    document.documentElement.dataset.theme = wanted;
    for (const l of listeners) l(wanted);
    return;
  }
  apply();
}

/** Hear of changes; called at once with the theme in force. */
export function onTheme(listener: (t: Theme) => void): void {
  listeners.add(listener);
  listener(currentTheme());
}

/** Put the theme on the document and follow the system. */
export function startTheme(): void {
  system.addEventListener("change", apply);
  apply();
}
