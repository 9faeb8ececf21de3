// SPDX-License-Identifier: Apache-2.0
//
// Sharing and downloads.
import { downloadLink } from "./api";
import type { App } from "./app";
import { h } from "./dom";
import { separator, type MenuEntry } from "./menu";
import { copyText } from "./nodemenu";
import { pngOf, svgOf } from "./picture";
import { timeText } from "./time";
import { writeState } from "./url";

/** The link that shows the same picture tomorrow: with absolute times. */
export function permanentLink(app: App): string {
  const p = app.profile;
  const s = p ? { ...app.state, from: timeText(p.from), to: timeText(p.to), live: false } : app.state;
  return location.origin + location.pathname + writeState(s);
}

/** Hand a file made here to the user. */
function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const a = h("a", { href: url, download: name, hidden: true });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** The picture on show as files; only views with a flame graph have one. */
function pictureEntries(app: App, name: string): MenuEntry[] {
  const on = app.drawing();
  const png = async () => {
    try {
      save(await pngOf(on!.view), `${name}.png`);
    } catch (e) {
      app.say((e as Error).message);
    }
  };
  return [
    { label: "Picture with names", hint: ".svg", disabled: !on, run: () => save(new Blob([svgOf(on!.view, on!.describe)], { type: "image/svg+xml" }), `${name}.svg`) },
    { label: "Picture", hint: ".png", disabled: !on, run: () => void png() },
  ];
}

/** The entries of the export menu. @param embedded an exported file has nothing but its picture */
export function downloadMenu(app: App, embedded: boolean): MenuEntry[] {
  const name = `hearth-${Math.round(app.profile?.from ?? 0)}`;
  return embedded ? pictureEntries(app, name) : [...serverEntries(app, name), separator, ...pictureEntries(app, name)];
}

function serverEntries(app: App, name: string): MenuEntry[] {
  const p = app.profile;
  const range = p ? { from: timeText(p.from), to: timeText(p.to) } : app.state;
  const file = (label: string, format: string, end: string) => ({
    label, href: downloadLink(app.state.query, range, format), download: `${name}.${end}`, hint: `.${end}`,
  });
  return [
    { label: "Copy link to this picture", run: () => void copyText(app, permanentLink(app), "Link") },
    separator,
    file("pprof", "pprof", "pb.gz"),
    file("Folded stacks", "folded", "folded.txt"),
    file("speedscope", "speedscope", "speedscope.json"),
    file("Self-contained page", "html", "html"),
  ];
}
