// SPDX-License-Identifier: Apache-2.0
//
// Times as the API writes them: Unix seconds, RFC 3339, "now", "now-15m".

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** Unix seconds of a time text; NaN when it is none. */
export function parseTime(text: string, now = Date.now() / 1000): number {
  const t = text.trim();
  if (/^\d+(\.\d+)?$/.test(t)) return Number(t);
  const relative = /^now(?:\s*-\s*(\d+(?:\.\d+)?)\s*([smhdw]))?$/.exec(t);
  if (relative) return relative[1] ? now - Number(relative[1]) * units[relative[2]] : now;
  const parsed = /^\d{4}-\d\d-\d\d/.test(t) ? Date.parse(t) : NaN;
  return parsed / 1000;
}

/** Whether a range ends now and moves on with time. */
export function isMoving(to: string): boolean {
  return to.trim() === "now";
}

export const presets: [string, string][] = [
  ["now-1m", "Last minute"], ["now-5m", "Last 5 minutes"], ["now-15m", "Last 15 minutes"], ["now-1h", "Last hour"],
  ["now-6h", "Last 6 hours"], ["now-24h", "Last 24 hours"], ["now-7d", "Last 7 days"],
];

/** Unix seconds as text for a link: whole seconds, or milliseconds where they matter. */
export function timeText(unix: number): string {
  return Number.isInteger(unix) ? String(unix) : unix.toFixed(3);
}

/** For <input type="datetime-local">, in local time. */
export function toInput(unix: number): string {
  const d = new Date((unix - new Date(unix * 1000).getTimezoneOffset() * 60) * 1000);
  return d.toISOString().slice(0, 19);
}

/** From <input type="datetime-local">; NaN when empty. */
export function fromInput(text: string): number {
  return new Date(text).getTime() / 1000;
}
