// SPDX-License-Identifier: Apache-2.0
//
// The tab with the state of the daemon: every figure of /api/v1/status, in groups.
import { fetchJson } from "./api";
import { fill, h } from "./dom";
import { formatCount, formatDuration, formatFigure } from "./format";
import { Loader } from "./loader";
import type { PageView, Picture } from "./page";

type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
type Group = Record<string, Value>;

const titles: Record<string, string> = {
  sampler: "Sampler", budgets: "Budgets", store: "History", symbols: "Symbols", self: "Hearth itself", balance: "Balance",
};

/** 12345678 → "11.8 MiB". */
export function formatBytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  let v = n;
  while (v >= 1024 && i < units.length - 1) {
    v /= 1024;
    i++;
  }
  return `${i === 0 ? formatCount(v) : formatFigure(v)} ${units[i]}`;
}

/** A figure with the unit that its name tells. */
function valueText(key: string, v: Value): string {
  if (typeof v === "boolean") return v ? "yes" : "no";
  if (typeof v !== "number") return v === null ? "–" : String(v);
  if (key.endsWith("bytes")) return formatBytes(v);
  if (key.endsWith("seconds")) return v === 0 ? "0 s" : formatDuration(v);
  if (/^(oldest|newest|started)$/.test(key)) return v > 0 ? new Date(v * 1000).toLocaleString() : "–";
  return Number.isInteger(v) ? formatCount(v) : formatFigure(v);
}

/** Rows of a group; groups inside of it become "outer · inner". */
function rowsOf(group: Group, prefix = ""): [string, string][] {
  return Object.entries(group).flatMap(([key, v]): [string, string][] => {
    const label = `${prefix}${key.replace(/_/g, " ")}`;
    if (v !== null && typeof v === "object" && !Array.isArray(v)) return rowsOf(v, `${label} · `);
    if (Array.isArray(v)) return [[label, v.length ? v.map((x) => valueText(key, x)).join(", ") : "none"]];
    return [[label.replace(/ (bytes|seconds)$/, ""), valueText(key, v)]];
  });
}

function card(title: string, rows: [string, string][]): HTMLElement {
  return h("section.status-card", { "aria-label": title }, h("h2.section-title", null, title),
    h("dl.status-rows", null, ...rows.map(([k, v]) => h("div", null, h("dt", null, k), h("dd", null, v)))));
}

export class StatusPage implements PageView {
  readonly needsProfile = false;
  readonly element: HTMLElement;
  private readonly cards = h("div.status-cards");
  private readonly loader: Loader<Group>;

  constructor() {
    this.loader = new Loader((signal) => fetchJson<Group>("/api/v1/status", {}, signal), (s) => this.show(s));
    this.element = h("div.page-status", { tabindex: 0, role: "region", "aria-label": "Status of the daemon" }, this.loader.notice, this.cards);
  }

  update(p: Picture): void {
    this.loader.load(String(p.loads));
  }

  focus(): void {
    this.element.focus();
  }

  private show(status: Group): void {
    const groups = Object.entries(status).filter((e): e is [string, Group] => e[1] !== null && typeof e[1] === "object" && !Array.isArray(e[1]));
    const plain = Object.entries(status).filter(([, v]) => typeof v !== "object");
    fill(this.cards, card("Daemon", rowsOf(Object.fromEntries(plain))), ...groups.map(([k, g]) => card(titles[k] ?? k.replace(/_/g, " "), rowsOf(g))));
  }
}
