// SPDX-License-Identifier: Apache-2.0
//
// Numbers and times as text.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12345 → "12,345". */
export function formatCount(n: number): string {
  return grouped.format(n);
}

/** Three significant figures: 0.0123, 1.23, 12.3, 1,234. */
export function formatFigure(n: number): string {
  const a = Math.abs(n);
  if (a === 0) return "0";
  if (a >= 999.5) return formatCount(n);
  if (a < 0.0005) return n.toExponential(1);
  return n.toFixed(a >= 99.95 ? 0 : a >= 9.995 ? 1 : a >= 0.9995 ? 2 : 3);
}

/** A share as per cent: 0.1234 → "12.3 %". */
export function formatShare(share: number): string {
  const p = share * 100;
  const a = Math.abs(p);
  if (a === 0) return "0 %";
  if (a < 0.005) return `${p < 0 ? "−" : ""}<0.01 %`;
  return `${p.toFixed(a >= 99.95 ? 0 : a >= 9.95 ? 1 : 2).replace("-", "−")} %`;
}

/** CPU time: "850 µs", "12.3 ms", "4.56 s", "12.3 min", "4.5 h". */
export function formatSeconds(s: number): string {
  const a = Math.abs(s);
  if (a === 0) return "0 s";
  if (a < 1e-3) return `${formatFigure(s * 1e6)} µs`;
  if (a < 1) return `${formatFigure(s * 1e3)} ms`;
  if (a < 120) return `${formatFigure(s)} s`;
  if (a < 7200) return `${formatFigure(s / 60)} min`;
  return `${formatFigure(s / 3600)} h`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** Local time of day, with seconds where they matter. */
export function formatClock(unix: number, withSeconds = false): string {
  const d = new Date(unix * 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}${withSeconds ? `:${two(d.getSeconds())}` : ""}`;
}

/** Local date, "22 Nov". */
export function formatDay(unix: number): string {
  const d = new Date(unix * 1000);
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  return `${d.getDate()} ${months[d.getMonth()]}`;
}

/** A range in local time: "17:02:10 – 17:17:10", with days where they differ from today. */
export function formatRange(from: number, to: number): string {
  const seconds = to - from < 3600;
  const today = formatDay(Date.now() / 1000);
  const a = formatDay(from);
  const b = formatDay(to);
  const start = `${a === today && b === today ? "" : `${a} `}${formatClock(from, seconds)}`;
  return `${start} – ${a === b ? "" : `${b} `}${formatClock(to, seconds)}`;
}

/** "15 min", "1 h 30 min", "40 s". */
export function formatDuration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${seconds < 10 && seconds !== s ? formatFigure(seconds) : s} s`;
  const units: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const parts: string[] = [];
  let rest = s;
  for (const [size, unit] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n) parts.push(`${n} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

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
