// SPDX-License-Identifier: Apache-2.0
//
// What can be done with a frame.
import { fetchJson } from "./api";
import type { App } from "./app";
import type { LedgerJson } from "./binariespage";
import { nodeLabel } from "./hovercard";
import { separator, type MenuEntry } from "./menu";
import { baseName } from "./names";
import { quotePattern } from "./search";
import { Kind, nodeKey, pathTo, type Tree } from "./tree";

/** Put text on the clipboard, also where the clipboard interface is not allowed (plain http). */
export async function copyText(app: App, text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) return app.say("The browser does not allow copying.");
  }
  app.say(`${what} copied`);
}

/** The menu of a frame. */
export function nodeMenu(app: App, t: Tree, node: number, embedded: boolean): MenuEntry[] {
  const name = nodeLabel(t, node);
  const exact = quotePattern(name);
  const kind = t.kind[node];
  const isFunction = kind !== Kind.root && kind !== Kind.label && kind !== Kind.elided;
  const entries: MenuEntry[] = [];
  if (app.state.view === "flame") entries.push({ label: "Zoom to this frame", hint: "Enter", run: () => app.change({ zoom: node ? nodeKey(t, node) : "" }) });
  if (kind === Kind.label && !embedded) entries.push({ label: "Only this process name", run: () => app.narrow("comm", name) });
  if (isFunction) {
    entries.push(
      { label: "Callers and callees", hint: "c", run: () => app.change({ view: "callers", focus: exact, zoom: "" }) },
      { label: "Find everywhere", run: () => app.change({ view: "flame", search: exact }) },
      separator,
      { label: "Keep only stacks with it", run: () => app.change({ keep: exact, zoom: "" }) },
      { label: "Remove stacks with it", run: () => app.change({ drop: exact, zoom: "" }) },
      { label: "Hide this function", run: () => app.change({ hideFrames: app.state.hideFrames ? `${app.state.hideFrames}|${exact}` : exact, zoom: "" }) },
    );
    const binary = t.strings[t.binary[node]];
    if (binary && !embedded) entries.push({ label: name.startsWith("[") ? "Why it has no name" : "Its binary in the ledger", run: () => app.change({ view: "binaries", search: `bin:${quotePattern(binary)}` }) });
    if (binary) entries.push({ label: "Hide this binary", run: () => app.change({ hideFrames: `bin:${exactBinary(app, binary)}`, zoom: "" }) });
  }
  if (node > 0) {
    const file = t.strings[t.file[node]];
    entries.push(separator, { label: "Copy name", run: () => void copyText(app, name, "Name") },
      { label: "Copy path from the root", run: () => void copyText(app, pathTo(t, node).slice(1).map((n) => nodeLabel(t, n)).join(";"), "Path") });
    const binary = t.strings[t.binary[node]];
    if (binary) entries.push({ label: "Copy binary", run: () => void copyText(app, binary, "Binary") });
    if (binary && !embedded) entries.push({ label: "Copy build id", run: () => void copyBuildId(app, binary) });
    if (file) entries.push({ label: "Copy file and line", run: () => void copyText(app, t.line[node] ? `${file}:${t.line[node]}` : file, "File and line") });
  }
  return entries;
}

/** Put the build id of a binary on the clipboard; the ledger knows it. */
async function copyBuildId(app: App, path: string): Promise<void> {
  try {
    const { query, from, to } = app.state;
    const ledger = await fetchJson<LedgerJson>("/api/v1/binaries", { query, from, to, limit: "10000" });
    const ids = ledger.binaries.filter((b) => (b.path === path || baseName(b.path) === path || `[${b.kind}]` === path) && b.has_build_id).map((b) => b.build_id);
    if (!ids.length) return app.say("This binary has no build id.");
    await copyText(app, ids.join("\n"), ids.length === 1 ? "Build id" : `${ids.length} build ids`);
  } catch (e) {
    app.say((e as Error).message);
  }
}

/** The pattern of hidden binaries with one more in it. */
function exactBinary(app: App, binary: string): string {
  const before = app.state.hideFrames.startsWith("bin:") ? `${app.state.hideFrames.slice(4)}|` : "";
  return before + quotePattern(binary);
}
