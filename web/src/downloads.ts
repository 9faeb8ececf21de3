// SPDX-License-Identifier: Apache-2.0
//
// Sharing and downloads.
import { downloadLink } from "./api";
import type { App } from "./app";
import { separator, type MenuEntry } from "./menu";
import { copyText } from "./nodemenu";
import { timeText } from "./time";
import { writeState } from "./url";

/** The link that shows the same picture tomorrow: with absolute times. */
export function permanentLink(app: App): string {
  const p = app.profile;
  const s = p ? { ...app.state, from: timeText(p.from), to: timeText(p.to), live: false } : app.state;
  return location.origin + location.pathname + writeState(s);
}

/** The entries of the export menu. */
export function downloadMenu(app: App): MenuEntry[] {
  const p = app.profile;
  const range = p ? { from: timeText(p.from), to: timeText(p.to) } : app.state;
  const file = (label: string, format: string, name: string) => ({
    label, href: downloadLink(app.state.query, range, format), download: `hearth-${Math.round(p?.from ?? 0)}.${name}`, hint: `.${name}`,
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
