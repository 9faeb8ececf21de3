// SPDX-License-Identifier: Apache-2.0
//
// The card beside the pointer: everything about a frame, at once.
import { fill, h } from "./dom";
import { formatCount, formatFigure, formatSeconds, formatShare } from "./format";
import { cleanName } from "./names";
import { cores, cpuSeconds, shareError, type Profile } from "./profile";
import { Kind, kindNames, type Tree } from "./tree";

/** What a card says of a node. */
export interface Details {
  tree: Tree;
  node: number;
  /** The node zoomed to. */
  zoom: number;
  profile: Profile;
}

/** How a node is named wherever it is shown. */
export function nodeLabel(t: Tree, node: number): string {
  if (node === 0) return t.strings[t.name[0]] || "all";
  return t.strings[t.name[node]] || "(no name)";
}

/** Where a node's code is: "binary · file:line", as far as known. */
export function nodePlace(t: Tree, node: number): string {
  const file = t.strings[t.file[node]];
  const parts = [t.strings[t.binary[node]], file ? (t.line[node] ? `${file}:${t.line[node]}` : file) : ""];
  return parts.filter(Boolean).join(" · ");
}

/** One line on a node, for a screen reader. */
export function describeNode(p: Profile, t: Tree, node: number): string {
  const share = t.total[0] ? t.total[node] / t.total[0] : 0;
  return `${cleanName(nodeLabel(t, node))}, ${formatShare(share)} of all, ${formatSeconds(cpuSeconds(p, t.total[node]))} CPU, self ${formatSeconds(cpuSeconds(p, t.self[node]))}`;
}

function line(label: string, ...values: string[]): HTMLElement {
  return h("tr", null, h("th", { scope: "row" }, label), ...values.map((v) => h("td", null, v)));
}

function comparison(d: Details): HTMLElement[] {
  const { tree: t, node, profile: p } = d;
  if (!t.baseTotal) return [];
  const before = t.baseTotal[node];
  const change = t.total[node] - before;
  const relative = before > 0 ? `${change < 0 ? "−" : "+"}${formatShare(Math.abs(change) / before)}` : "new";
  return [
    line("Before", formatSeconds(cpuSeconds(p, before)), t.baseTotal[0] ? formatShare(before / t.baseTotal[0]) : ""),
    line("Change", `${change < 0 ? "−" : "+"}${formatSeconds(cpuSeconds(p, Math.abs(change)))}`, t.total[node] === 0 ? "vanished" : relative),
  ];
}

/** What a card holds. */
export function detailRows(d: Details): HTMLElement[] {
  const { tree: t, node, zoom, profile: p } = d;
  const all = t.total[0];
  const total = t.total[node];
  const place = nodePlace(t, node);
  const share = all ? total / all : 0;
  const error = shareError(total, all);
  const ofZoom = zoom !== 0 && t.total[zoom] ? [line("Of zoomed", formatShare(total / t.total[zoom]))] : [];
  return [
    h("div.card-name", { dir: "auto" }, cleanName(nodeLabel(t, node))),
    h("div.card-place", null, h(`span.kind-dot.kind-${t.kind[node]}`), [kindNames[t.kind[node]] ?? "", place].filter(Boolean).join(" · ")),
    h("table.card-figures", null, h("tbody", null,
      line("Total", formatSeconds(cpuSeconds(p, total)), `${formatShare(share)} ± ${formatShare(error).replace(" %", "")}`),
      line("Self", formatSeconds(cpuSeconds(p, t.self[node])), all ? formatShare(t.self[node] / all) : ""),
      ...ofZoom,
      ...comparison(d),
      line("Cores", formatFigure(cores(p, total)), `${formatCount(total)} samples`),
    )),
    t.kind[node] === Kind.elided ? h("div.card-hint", null, "Too small to draw here. Click to open.") : h("div.visually-hidden"),
  ];
}

/** The card itself; one per page. */
export class HoverCard {
  readonly element = h("div.card", { role: "tooltip", hidden: true });

  show(d: Details, x: number, y: number): void {
    fill(this.element, ...detailRows(d));
    this.element.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = x + 14 + width > innerWidth - 8 ? x - 14 - width : x + 14;
    const top = y + 18 + height > innerHeight - 8 ? y - 12 - height : y + 18;
    this.element.style.left = `${Math.max(8, left)}px`;
    this.element.style.top = `${Math.max(8, top)}px`;
  }

  hide(): void {
    this.element.hidden = true;
  }
}
