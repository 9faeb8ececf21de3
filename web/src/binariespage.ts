// SPDX-License-Identifier: Apache-2.0
//
// The tab with the ledger: for each binary how much of its CPU time has no name, how its stacks end, what was tried, and the
// command that mends it.
import { fetchJson } from "./api";
import { fill, h } from "./dom";
import { formatBytes, formatCount, formatSeconds, formatShare } from "./format";
import { Loader } from "./loader";
import { baseName, cleanName } from "./names";
import type { PageHost, PageView, Picture } from "./page";
import type { State } from "./url";

interface Mend { for: string; why: string; command: string }
interface Symbols {
  state: string; reason: string; symbols: number; functions: number; inlined: number; lines: number; debug_file: string; file_bytes: number;
  sources: Record<string, string>; tried: { path: string; place: string; result: string }[];
}
interface Unwind { state: string; reason: string; sources: string[]; rows: number; functions: number; damaged_functions: number; bytes: number }
export interface BinaryJson {
  build_id: string; has_build_id: boolean; path: string; kind: string; cpu_seconds: number; unnamed_cpu_seconds: number;
  frames: number; unnamed_frames: number; stacks: { complete: number; truncated: number; failed: number; ends: Record<string, number> };
  mend: Mend[]; symbols: Symbols | null; unwind: Unwind | null;
}
export interface LedgerJson { cpu_seconds: number; unnamed_cpu_seconds: number; total: number; binaries: BinaryJson[] }

const shownBinaries = "500";

/** What a share of good ones is worth: a word for people and for the colour. */
function health(share: number): "good" | "fair" | "poor" {
  return share >= 0.99 ? "good" : share >= 0.9 ? "fair" : "poor";
}

/** A meter of a share, its figure beside it. */
function meter(share: number, title: string): HTMLElement {
  const bar = h(`span.meter-bar.${health(share)}` as "span");
  bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h("span.meter", { title }, h("span.meter-track", null, bar), h("span.meter-figure", null, Number.isNaN(share) ? "–" : formatShare(share)));
}

function facts(title: string, rows: [string, string][]): HTMLElement {
  return h("section.ledger-facts", null, h("h3", null, title), h("dl.status-rows", null, ...rows.map(([k, v]) => h("div", null, h("dt", null, k), h("dd", { dir: "auto" }, v)))));
}

function symbolFacts(s: Symbols): [string, string][] {
  const used = Object.entries(s.sources).filter(([, v]) => v === "used").map(([k]) => k);
  return [
    ["State", s.reason ? `${s.state}: ${s.reason}` : s.state], ["Read from", used.join(", ") || "nothing"], ["Debug file", s.debug_file || "none found"],
    ["Functions", formatCount(s.functions)], ["Inlined calls", formatCount(s.inlined)], ["Lines", formatCount(s.lines)], ["Symbol file", formatBytes(s.file_bytes)],
  ];
}

function unwindFacts(b: BinaryJson): [string, string][] {
  const u = b.unwind;
  const ends = Object.entries(b.stacks.ends).map(([k, v]): [string, string] => [`Stacks that end in ${k}`, formatCount(v)]);
  if (!u) return [["State", "no table was needed"], ...ends];
  return [
    ["State", u.reason ? `${u.state}: ${u.reason}` : u.state], ["Read from", u.sources.join(", ") || "nothing"], ["Rows", formatCount(u.rows)],
    ["Functions described", formatCount(u.functions)], ["Damaged", formatCount(u.damaged_functions)], ["Table", formatBytes(u.bytes)], ...ends,
  ];
}

export class BinariesPage implements PageView {
  readonly needsProfile = false;
  readonly element: HTMLElement;
  private readonly summary = h("p.ledger-summary", { "aria-live": "polite" });
  private readonly rows = h("div.ledger-rows");
  private readonly body: HTMLElement;
  private readonly loader: Loader<LedgerJson>;
  private data: LedgerJson | null = null;
  private state: State | null = null;
  private pattern: Picture["pattern"] = null;
  private readonly opened = new Set<string>();

  constructor(private readonly host: PageHost) {
    this.loader = new Loader((signal) => this.fetch(signal), (d) => this.received(d));
    this.body = h("div.ledger-body", { hidden: true }, this.summary,
      h("div.ledger-head", { "aria-hidden": "true" }, h("span", null, "Binary"), h("span", null, "CPU"), h("span", null, "Named"), h("span", null, "Complete stacks")), this.rows);
    this.element = h("div.page-ledger", { tabindex: 0, role: "region", "aria-label": "Ledger of binaries" }, this.loader.notice, this.body);
  }

  update(p: Picture): void {
    const s = (this.state = p.state);
    this.loader.load(JSON.stringify([s.query, s.from, s.to, p.loads]));
    if (this.pattern === p.pattern) return;
    this.pattern = p.pattern;
    this.show();
  }

  focus(): void {
    (this.rows.querySelector("summary") ?? this.element).focus();
  }

  private fetch(signal: AbortSignal): Promise<LedgerJson> {
    const s = this.state!;
    return fetchJson<LedgerJson>("/api/v1/binaries", { query: s.query, from: s.from, to: s.to, limit: shownBinaries }, signal);
  }

  private received(d: LedgerJson): void {
    this.data = d;
    if (!d.binaries.length) this.loader.tell("No binaries in this range.", "Choose another range or a wider selector.");
    this.show();
  }

  private show(): void {
    const d = this.data;
    this.body.hidden = !d?.binaries.length;
    if (!d) return;
    const found = d.binaries.filter((b) => !this.pattern || this.pattern.regex.test(b.path || b.kind));
    const named = d.cpu_seconds ? 1 - d.unnamed_cpu_seconds / d.cpu_seconds : 1;
    this.summary.textContent = `${formatShare(named)} of ${formatSeconds(d.cpu_seconds)} CPU time is in stacks whose every frame has a name. `
      + `${formatCount(found.length)} of ${formatCount(d.total)} binaries, those with the most unnamed time first.`;
    fill(this.rows, ...found.map((b) => this.row(b)));
  }

  private row(b: BinaryJson): HTMLElement {
    const named = b.cpu_seconds ? 1 - b.unnamed_cpu_seconds / b.cpu_seconds : 1;
    const stacks = b.stacks.complete + b.stacks.truncated + b.stacks.failed;
    const complete = stacks ? b.stacks.complete / stacks : NaN;
    const title = cleanName(b.path ? baseName(b.path) : `(${b.kind})`);
    const details = h("div.ledger-details");
    const e = h("details.ledger-row", {
      ontoggle: () => {
        if (e.open) this.opened.add(b.build_id);
        else this.opened.delete(b.build_id);
        if (e.open && !details.childElementCount) fill(details, ...this.details(b));
      },
    }, h("summary", null,
      h("span.ledger-name", null, h("span.name", { dir: "auto" }, title), h("span.ledger-path", { dir: "auto" }, cleanName(b.path))),
      h("span.ledger-cpu", null, formatSeconds(b.cpu_seconds)),
      meter(named, `${formatSeconds(b.unnamed_cpu_seconds)} in frames without a name`), meter(complete, `${formatCount(b.stacks.truncated)} truncated, ${formatCount(b.stacks.failed)} failed`)),
    details);
    if (this.opened.has(b.build_id)) e.open = true;
    return e;
  }

  private details(b: BinaryJson): HTMLElement[] {
    const tried = b.symbols?.tried ?? [];
    const mends = b.mend.map((m) => h("section.mend", null, h("h3", null, m.for === "unwind" ? "Why stacks end here" : "Why frames have no name"), h("p", null, m.why),
      m.command ? h("div.command", null, h("code", null, m.command), h("button.button", { type: "button", onclick: () => this.host.copy(m.command, "Command") }, "Copy")) : null));
    return [
      ...mends,
      h("div.ledger-columns", null, facts("Names", b.symbols ? symbolFacts(b.symbols) : [["State", "not looked for"]]), facts("Unwinding", unwindFacts(b))),
      tried.length ? h("section.ledger-facts", null, h("h3", null, "Where debug information was looked for"),
        h("ul.tried", null, ...tried.map((t) => h("li", null, h(`span.tried-result.${t.result === "used" || t.result === "found" ? "good" : "none"}` as "span", null, t.result.replace(/_/g, " ")), h("span", { dir: "auto" }, t.path || t.place))))) : h("span"),
      h("p.ledger-id", null, b.has_build_id ? "Build id " : "No build id; known here as ", h("code", null, b.build_id)),
    ];
  }
}
