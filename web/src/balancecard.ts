// SPDX-License-Identifier: Apache-2.0
//
// The balance of the status view: CPU time that samples stand for, held against the kernel's own accounting, in all and for
// each control group, with what is missing and why.
import { h } from "./dom";
import { formatCount, formatDuration, formatSeconds, formatShare } from "./format";
import { cleanName } from "./names";

interface Missing { cause: string; cpu_seconds: number; estimate: boolean }
interface Account { kernel_cpu_seconds: number; attributed_cpu_seconds: number; ratio: number; missing_cpu_seconds: number; sampling_error_cpu_seconds: number; missing: Missing[] }

/** The JSON of /api/v1/balance. */
export interface BalanceJson extends Account {
  covered_seconds: number;
  samples: number;
  hierarchy: string;
  total: number;
  cgroups: (Account & { cgroup: string })[];
}

/** Time that may be negative: rounding, and clocks that are read one after the other. */
const signed = (s: number) => (s < 0 ? `−${formatSeconds(-s)}` : formatSeconds(s));

/** What is missing and why; causes that took no time are left out. */
function causes(a: Account): string {
  return a.missing.filter((m) => Math.abs(m.cpu_seconds) >= 0.001).map((m) => `${m.cause.replace(/_/g, " ")} ${m.estimate ? "about " : ""}${signed(m.cpu_seconds)}`).join(" · ");
}

function row(name: string, a: Account, whole = false): HTMLElement {
  return h("tr", null, h("th", { scope: "row", dir: "auto", class: whole ? "whole" : null, title: name }, cleanName(name)),
    h("td", null, formatSeconds(a.kernel_cpu_seconds)), h("td", null, formatSeconds(a.attributed_cpu_seconds)),
    h("td", null, a.kernel_cpu_seconds > 0 ? formatShare(a.ratio) : "–"), h("td", null, `± ${formatSeconds(2 * a.sampling_error_cpu_seconds)}`),
    h("td.why", null, causes(a) || "nothing"));
}

/** The card; null when nothing was accounted for in the range. */
export function balanceCard(b: BalanceJson): HTMLElement | null {
  if (!(b.covered_seconds > 0)) return null;
  return h("section.status-card.wide-card", { "aria-label": "Balance" },
    h("h2.section-title", null, `Balance of ${formatDuration(b.covered_seconds)}: ${formatCount(b.samples)} samples against the kernel's accounting${b.hierarchy ? ` (${b.hierarchy})` : ""}`),
    h("div.balance-scroll", { tabindex: 0, role: "region", "aria-label": "Balance by control group" }, h("table.balance", null,
      h("thead", null, h("tr", null, ...["Control group", "Kernel", "Samples", "Share", "95 %", "Missing, and why"].map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", null, row("Whole machine", b, true), ...b.cgroups.map((g) => row(g.cgroup || "/", g))))));
}
