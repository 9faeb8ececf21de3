// SPDX-License-Identifier: Apache-2.0
//
// Reading and changing selectors, TYPE{label="v",label!="v",label=~"re",label!~"re"}, as far as the helper needs it.
// The server decides what is valid.

export interface Matcher {
  label: string;
  operator: "=" | "!=" | "=~" | "!~";
  value: string;
}

/** What the text before the caret asks for. */
export type Wanted =
  | { kind: "label"; prefix: string; start: number }
  | { kind: "operator"; start: number }
  | { kind: "value"; label: string; prefix: string; start: number }
  | { kind: "none" };

const matcherPattern = /\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*/y;

/** The matchers of a selector; null when it is not complete. */
export function parseSelector(text: string): { type: string; matchers: Matcher[] } | null {
  const outer = /^\s*([A-Za-z_]*)\s*(?:\{(.*)\})?\s*$/s.exec(text);
  if (!outer) return null;
  const matchers: Matcher[] = [];
  const inner = outer[2] ?? "";
  let at = 0;
  while (inner.slice(at).trim() !== "") {
    matcherPattern.lastIndex = at;
    const m = matcherPattern.exec(inner);
    if (!m) return null;
    matchers.push({ label: m[1], operator: m[2] as Matcher["operator"], value: m[3].replace(/\\(.)/g, "$1") });
    at = matcherPattern.lastIndex;
    if (at < inner.length && inner[at] !== ",") return null;
    at++;
  }
  return { type: outer[1], matchers };
}

/** Write a selector. */
export function formatSelector(type: string, matchers: Matcher[]): string {
  const parts = matchers.map((m) => `${m.label}${m.operator}"${m.value.replace(/["\\]/g, "\\$&")}"`);
  return parts.length ? `${type}{${parts.join(",")}}` : type;
}

/** Add label="value", replacing an equal label's matcher; null when the selector is not complete. */
export function withMatcher(text: string, label: string, value: string, operator: Matcher["operator"] = "="): string | null {
  const s = parseSelector(text);
  if (!s) return null;
  const rest = operator === "=" ? s.matchers.filter((m) => m.label !== label) : s.matchers;
  return formatSelector(s.type, [...rest, { label, operator, value }]);
}

/** What would fit at the caret: a label's name, an operator, a value. */
export function wantedAt(text: string, caret: number): Wanted {
  const before = text.slice(0, caret);
  const brace = before.indexOf("{");
  if (brace < 0) return before.trim() === "" ? { kind: "label", prefix: "", start: caret } : { kind: "none" };
  let at = brace + 1;
  for (;;) {
    const rest = before.slice(at);
    const value = /^\s*([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)$/.exec(rest);
    if (value) return { kind: "value", label: value[1], prefix: value[3], start: caret - value[3].length };
    const whole = /^\s*[A-Za-z_][\w.]*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"\s*,?/.exec(rest);
    if (!whole) {
      const label = /^\s*([A-Za-z_][\w.]*)?$/.exec(rest);
      if (label) return { kind: "label", prefix: label[1] ?? "", start: caret - (label[1] ?? "").length };
      return /^\s*[A-Za-z_][\w.]*\s*$/.test(rest) ? { kind: "operator", start: caret } : { kind: "none" };
    }
    if (!whole[0].endsWith(",") && whole[0].length === rest.length) return { kind: "none" };
    at += whole[0].length;
  }
}
