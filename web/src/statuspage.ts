// SPDX-License-Identifier: Apache-2.0
//
// The tab with the state of the daemon: every figure of /api/v1/status, in groups.
import { fetchJson } from "./api";
import { balanceCard, type BalanceJson } from "./balancecard";
import { fill, h } from "./dom";
import { formatBytes, formatCount, formatDuration, formatFigure, formatShare } from "./format";
import { Loader } from "./loader";
import type { PageView, Picture } from "./page";

type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
type Group = Record<string, Value>;

const titles: Record<string, string> = {
  sampler: "Sampler", budgets: "Budgets", store: "History", symbols: "Symbols", self: "Hearth itself", balance: "Balance",
};

/** A figure with the unit that its name tells. */
function valueText(key: string, v: Value): string {
  if (typeof v === "boolean") return v ? "yes" : "no";
  if (typeof v !== "number") return v === null ? "–" : String(v);
  if (key.endsWith("bytes")) return formatBytes(v);
  if (key.endsWith("seconds")) return v === 0 ? "0 s" : formatDuration(v);
  if (/^(oldest|newest|started)$/.test(key)) return v > 0 ? new Date(v * 1000).toLocaleString() : "–";
  return Number.isInteger(v) ? formatCount(v) : formatFigure(v);
}

const spellings: Record<string, string> = { hz: "(Hz)", cpu: "CPU", cpus: "CPUs", bpf: "BPF", fds: "files" };

/** A field's name in words. */
function wordsOf(key: string): string {
  return key.split("_").map((w) => spellings[w] ?? w).join(" ");
}

/** Rows of a group; groups inside of it become "outer · inner". */
function rowsOf(group: Group, prefix = ""): [string, string][] {
  return Object.entries(group).flatMap(([key, v]): [string, string][] => {
    const label = `${prefix}${wordsOf(key)}`;
    if (v !== null && typeof v === "object" && !Array.isArray(v)) return rowsOf(v, `${label} · `);
    if (Array.isArray(v)) return [[label, v.length ? v.map((x) => valueText(key, x)).join(", ") : "none"]];
    return [[label.replace(/(^| · | )(bytes|seconds)$/, (_, gap: string) => (gap === " · " ? " · used" : gap ? "" : "used")), valueText(key, v)]];
  });
}

function card(title: string, rows: [string, string][]): HTMLElement {
  return h("section.status-card", { "aria-label": title }, h("h2.section-title", null, title),
    h("dl.status-rows", null, ...rows.map(([k, v]) => h("div", null, h("dt", null, k), h("dd", null, v)))));
}

const figure = (status: Group, ...path: string[]): number => {
  let v: Value | undefined = status;
  for (const name of path) v = v !== null && typeof v === "object" && !Array.isArray(v) ? v[name] : undefined;
  return typeof v === "number" ? v : NaN;
};

/** One of the figures that matter most. @param share how full or how good; NaN = no meter */
function tile(label: string, value: string, note: string, share = NaN, warn = false): HTMLElement {
  const bar = h("span.meter-bar");
  bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h(`div.tile${warn ? ".warn" : ""}` as "div", null, h("span.tile-label", null, label), h("span.tile-value", null, value),
    Number.isNaN(share) ? null : h("span.meter-track", null, bar), h("span.tile-note", null, note));
}

/** The figures that say whether all is well. */
function tiles(s: Group): HTMLElement[] {
  const f = (...path: string[]) => figure(s, ...path);
  const sampler = (s.sampler ?? {}) as Group;
  const lost = Object.values((sampler.lost ?? {}) as Group).reduce<number>((a, b) => a + (typeof b === "number" ? b : 0), 0);
  const samples = f("sampler", "samples", "user") + f("sampler", "samples", "kernel");
  const judged = f("sampler", "verdicts", "complete") + f("sampler", "verdicts", "truncated") + f("sampler", "verdicts", "failed");
  const complete = judged > 0 ? f("sampler", "verdicts", "complete") / judged : NaN;
  const cpu = (f("self", "cpu_seconds") + (f("self", "workers_cpu_seconds") || 0)) / f("uptime_seconds");
  const share = (v: number) => (Number.isNaN(v) ? "–" : formatShare(v));
  return [
    tile("Sampling", sampler.running === true ? `${Number(f("sampler", "frequency_hz").toPrecision(3))} Hz` : "off", `${formatCount(f("sampler", "sampled_cpus"))} of ${formatCount(f("sampler", "online_cpus"))} CPUs`, NaN,
      sampler.running === true && f("sampler", "sampled_cpus") < f("sampler", "online_cpus")),
    tile("Samples", formatCount(samples || 0), lost ? `${formatCount(lost)} lost` : "none lost", NaN, lost > samples * 0.01),
    tile("Complete stacks", share(complete), `${formatCount(f("sampler", "verdicts", "failed") || 0)} failed, ${formatCount(f("sampler", "verdicts", "truncated") || 0)} cut`, complete, complete < 0.98),
    tile("Kernel memory", formatBytes(f("budgets", "bpf_memory", "bytes") || 0), `of ${formatBytes(f("budgets", "bpf_memory", "limit_bytes") || 0)}`, f("budgets", "bpf_memory", "bytes") / f("budgets", "bpf_memory", "limit_bytes")),
    tile("History", formatBytes(f("store", "bytes") || 0), `of ${formatBytes(f("store", "limit_bytes") || 0)}, ${formatDuration(Math.max(0, f("store", "newest") - f("store", "oldest")) || 0)} back`, f("store", "bytes") / f("store", "limit_bytes")),
    tile("Own CPU", share(cpu), "of a core, workers included", NaN, cpu > 0.05),
    tile("Own memory", formatBytes(f("self", "resident_bytes") || 0), "resident"),
  ];
}

export class StatusPage implements PageView {
  readonly needsProfile = false;
  readonly element: HTMLElement;
  private readonly cards = h("div.status-cards");
  private readonly tiles = h("div.tiles");
  private readonly balance = h("div");
  private range = { from: "", to: "" };
  private readonly loader: Loader<Group>;

  constructor() {
    this.loader = new Loader((signal) => fetchJson<Group>("/api/v1/status", {}, signal), (s) => this.show(s));
    this.element = h("div.page-status", { tabindex: 0, role: "region", "aria-label": "Status of the daemon" }, this.loader.notice, this.tiles, this.balance, this.cards);
  }

  update(p: Picture): void {
    this.range = { from: p.state.from, to: p.state.to };
    this.loader.load(JSON.stringify([this.range, p.loads]));
  }

  focus(): void {
    this.element.focus();
  }

  private show(status: Group): void {
    const groups = Object.entries(status).filter((e): e is [string, Group] => e[1] !== null && typeof e[1] === "object" && !Array.isArray(e[1]));
    const plain = Object.entries(status).filter(([, v]) => typeof v !== "object");
    fill(this.tiles, ...tiles(status));
    void this.showBalance();
    fill(this.cards, card("Daemon", rowsOf(Object.fromEntries(plain))), ...groups.map(([k, g]) => card(titles[k] ?? k.replace(/_/g, " "), rowsOf(g))));
  }

  /** The balance costs the server more than the rest: it is asked for on its own. */
  private async showBalance(): Promise<void> {
    try {
      fill(this.balance, balanceCard(await fetchJson<BalanceJson>("/api/v1/balance", { ...this.range })));
    } catch (e) {
      fill(this.balance, h("p.notice-advice", null, `No balance: ${(e as Error).message}`));
    }
  }
}
