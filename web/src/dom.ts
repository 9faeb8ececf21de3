// SPDX-License-Identifier: Apache-2.0
//
// Making elements. Text is always set as text, never as markup, and styles only by class or by the CSSOM, so that
// the strictest Content-Security-Policy holds and no name can become HTML.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | EventListener>;

/**
 * Make an element: h("button.primary", { onclick, "aria-label": "Close" }, "Close").
 *
 * Attributes that start with "on" are listeners; true is an empty attribute; false, null and undefined are left out.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K | `${K}.${string}`, attributes?: Attributes | null, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const [name, ...classes] = tag.split(".");
  const e = document.createElement(name) as HTMLElementTagNameMap[K];
  if (classes.length) e.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value as EventListener);
    else e.setAttribute(key, value === true ? "" : String(value));
  }
  add(e, children);
  return e;
}

/** Append children; strings become text nodes. */
export function add(e: Element, children: Child[]): void {
  for (const c of children) if (c || c === "") e.append(c as Node | string);
}

/** Replace what an element holds. */
export function fill(e: Element, ...children: Child[]): void {
  e.replaceChildren();
  add(e, children);
}

const svgNamespace = "http://www.w3.org/2000/svg";

/** An icon of 16 by 16 drawn with one stroke; its path data is ours. */
export function icon(path: string, className = "icon"): SVGSVGElement {
  const svg = document.createElementNS(svgNamespace, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(svgNamespace, "path");
  p.setAttribute("d", path);
  svg.append(p);
  return svg;
}

export const icons = {
  search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9M10.3 10.3L14 14",
  up: "M4 10l4-4 4 4",
  down: "M4 6l4 4 4-4",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 5a3 3 0 1 1 0 6a3 3 0 0 1 0-6M8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M3.2 12.8l1-1M11.8 4.2l1-1",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z",
  help: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.8.5-1.1.9-1.1 1.7M8 12.2v.1",
  download: "M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.2h10",
  clock: "M8 2a6 6 0 1 1 0 12a6 6 0 0 1 0-12M8 4.6V8l2.4 1.4",
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2.2v3h-3",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-1 1M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l1-1",
  filter: "M2.5 3.5h11L9.4 8.4v4.1l-2.8-1.4V8.4z",
  chevron: "M6 4l4 4-4 4",
  menu: "M3 4.5h10M3 8h10M3 11.5h10",
} as const;

/** A button with an icon and a name for those who do not see it. */
export function iconButton(path: string, label: string, onclick: EventListener): HTMLButtonElement {
  const b = h("button.icon-button", { type: "button", "aria-label": label, title: label, onclick });
  b.append(icon(path));
  return b;
}

/** Call a function at most once per frame, with the latest request winning. */
export function perFrame(run: () => void): () => void {
  let asked = 0;
  return () => {
    if (asked) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      run();
    });
  };
}
