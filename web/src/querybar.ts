// SPDX-License-Identifier: Apache-2.0
//
// The selector with its suggestions, and the time range.
import { fetchLabels, fetchLabelValues, type Range } from "./api";
import { fill, h, icon, iconButton, icons } from "./dom";
import { formatRange } from "./format";
import { fromInput, isMoving, parseTime, presets, timeText, toInput } from "./time";
import type { State } from "./url";
import { wantedAt } from "./selector";

export interface QueryEvents {
  change: (patch: Partial<State>) => void;
  refresh: () => void;
}

interface Suggestion {
  text: string;
  /** Replaces the input from `start` to the caret. */
  insert: string;
  start: number;
}

let pickers = 0;

/** The selector's input. */
class SelectorBox {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement;
  private readonly list: HTMLElement;
  private suggestions: Suggestion[] = [];
  private active = -1;
  private asked: AbortController | null = null;
  private range: Range = { from: "now-15m", to: "now" };

  constructor(private readonly commit: (query: string) => void) {
    const id = `suggestions${++pickers}`;
    this.list = h("div.suggestions", { id, role: "listbox", "aria-label": "Suggestions", hidden: true });
    this.input = h("input.selector-input", {
      type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-label": "Selector",
      placeholder: 'Everything · narrow it with {comm="…"}', role: "combobox", "aria-expanded": "false",
      "aria-controls": id, "aria-autocomplete": "list",
      oninput: () => void this.suggest(), onfocus: () => void this.suggest(), onkeydown: (e) => this.keyed(e as KeyboardEvent),
      onblur: () => this.close(), onchange: () => this.commit(this.input.value.trim()),
    });
    const clear = iconButton(icons.close, "Clear the selector", () => {
      this.input.value = "";
      this.commit("");
    });
    clear.classList.add("clear");
    this.element = h("div.selector", null, icon(icons.filter), this.input, clear, this.list);
  }

  update(query: string, range: Range): void {
    this.range = range;
    if (document.activeElement !== this.input) this.input.value = query;
    this.element.classList.toggle("filled", query !== "");
  }

  private async suggest(): Promise<void> {
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    const caret = this.input.selectionStart ?? this.input.value.length;
    const wanted = wantedAt(this.input.value, caret);
    try {
      this.suggestions = await this.find(wanted, asked.signal);
    } catch {
      this.suggestions = [];
    }
    if (!asked.signal.aborted && document.activeElement === this.input) this.show();
  }

  private async find(wanted: ReturnType<typeof wantedAt>, signal: AbortSignal): Promise<Suggestion[]> {
    if (wanted.kind === "none") return [];
    if (wanted.kind === "operator")
      return ["=", "!=", "=~", "!~"].map((o) => ({ text: o, insert: `${o}"`, start: wanted.start }));
    const braced = this.input.value.includes("{");
    const prefix = wanted.prefix.toLowerCase();
    if (wanted.kind === "label") {
      const names = await fetchLabels(this.range, signal);
      return names.filter((n) => n.toLowerCase().includes(prefix))
        .map((n) => ({ text: n, insert: `${braced ? "" : "{"}${n}="`, start: wanted.start }));
    }
    const values = await fetchLabelValues(wanted.label, this.range, signal);
    return values.filter((v) => v.toLowerCase().includes(prefix)).slice(0, 200)
      .map((v) => ({ text: v, insert: `${v.replace(/["\\]/g, "\\$&")}"}`, start: wanted.start }));
  }

  private show(): void {
    this.active = -1;
    fill(this.list, ...this.suggestions.map((s, i) => h("div.suggestion", {
      id: `${this.list.id}-${i}`, role: "option", "aria-selected": "false",
      onpointerdown: (e) => {
        e.preventDefault();
        this.take(i);
      },
    }, s.text)));
    this.list.hidden = this.suggestions.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.input.removeAttribute("aria-activedescendant");
  }

  private close(): void {
    this.asked?.abort();
    this.suggestions = [];
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  private take(i: number): void {
    const s = this.suggestions[i];
    const caret = this.input.selectionStart ?? this.input.value.length;
    let after = this.input.value.slice(caret);
    if (s.insert.endsWith('"}')) after = after.replace(/^"?\s*\}?/, "");
    this.input.value = this.input.value.slice(0, s.start) + s.insert + after;
    const at = s.start + s.insert.length;
    this.input.setSelectionRange(at, at);
    if (s.insert.endsWith('"}')) {
      this.close();
      this.commit(this.input.value.trim());
    } else void this.suggest();
  }

  private keyed(e: KeyboardEvent): void {
    const n = this.suggestions.length;
    if ((e.key === "ArrowDown" || e.key === "ArrowUp") && n) {
      this.active = (this.active + (e.key === "ArrowDown" ? 1 : this.active < 0 ? 0 : -1) + n) % n;
      [...this.list.children].forEach((c, i) => c.setAttribute("aria-selected", String(i === this.active)));
      this.list.children[this.active].scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.active}`);
    } else if ((e.key === "Enter" || e.key === "Tab") && this.active >= 0) this.take(this.active);
    else if (e.key === "Enter") {
      this.close();
      this.commit(this.input.value.trim());
    } else if (e.key === "Escape" && !this.list.hidden) this.close();
    else return;
    e.preventDefault();
    e.stopPropagation();
  }
}

/** Selector, time range, live and refresh. */
export class QueryBar {
  readonly element: HTMLElement;
  readonly selector: SelectorBox;
  private readonly rangeText = h("span.range-text");
  private readonly rangeButton: HTMLButtonElement;
  private readonly live: HTMLButtonElement;
  private panel: HTMLElement | null = null;
  private state: State | null = null;

  constructor(private readonly events: QueryEvents) {
    this.selector = new SelectorBox((query) => {
      if (this.state && query !== this.state.query) events.change({ query, zoom: "" });
    });
    this.rangeButton = h("button.button.range", {
      type: "button", "aria-haspopup": "dialog", "aria-expanded": "false", title: "Time range (t)", onclick: () => this.toggle(),
    }, icon(icons.clock), this.rangeText, icon(icons.down));
    this.live = h("button.button.live", {
      type: "button", "aria-pressed": "false", title: "Follow now (l)", onclick: () => events.change({ live: !this.state?.live, to: "now", from: isMoving(this.state?.to ?? "now") ? this.state!.from : "now-5m" }),
    }, h("span.live-dot"), "Live");
    const refresh = iconButton(icons.refresh, "Load again (r)", () => events.refresh());
    this.element = h("section.querybar", { "aria-label": "Selector and time range" }, this.selector.element, h("div.range-group", null, this.rangeButton, this.live, refresh));
  }

  update(s: State): void {
    this.state = s;
    this.selector.update(s.query, { from: s.from, to: s.to });
    const preset = isMoving(s.to) ? presets.find(([from]) => from === s.from) : undefined;
    this.rangeText.textContent = preset ? preset[1] : rangeLabel(s);
    this.live.setAttribute("aria-pressed", String(s.live));
  }

  /** Open or close the panel of the time range. */
  toggle(): void {
    if (this.panel) this.close();
    else this.open();
  }

  private close(): void {
    this.panel?.remove();
    this.panel = null;
    this.rangeButton.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.outside, true);
    this.rangeButton.focus();
  }

  private readonly outside = (e: Event) => {
    if (!this.panel?.contains(e.target as Node) && !this.rangeButton.contains(e.target as Node)) this.close();
  };

  private open(): void {
    const s = this.state!;
    const now = Date.now() / 1000;
    const input = (label: string, value: number) => h("input", { type: "datetime-local", step: 1, value: Number.isFinite(value) ? toInput(value) : "", "aria-label": label });
    const from = input("From", parseTime(s.from, now));
    const to = input("To", parseTime(s.to, now));
    const problem = h("p.range-problem", { role: "alert" });
    const apply = (e: Event) => {
      e.preventDefault();
      const a = fromInput(from.value);
      const b = fromInput(to.value);
      if (!(a < b)) {
        problem.textContent = "The start must lie before the end.";
        return;
      }
      this.close();
      this.events.change({ from: timeText(a), to: timeText(b), live: false });
    };
    const choices = presets.map(([value, label]) => h("button.range-preset", {
      type: "button", "aria-pressed": String(isMoving(s.to) && s.from === value),
      onclick: () => {
        this.close();
        this.events.change({ from: value, to: "now" });
      },
    }, label));
    this.panel = h("div.range-panel", {
      role: "dialog", "aria-label": "Time range",
      onkeydown: (e) => {
        if ((e as KeyboardEvent).key !== "Escape") return;
        e.stopPropagation();
        this.close();
      },
    }, h("div.range-presets", null, ...choices),
    h("form.range-absolute", { onsubmit: apply }, h("label", null, "From", from), h("label", null, "To", to), problem, h("button.button.primary", { type: "submit" }, "Show this range")));
    this.element.append(this.panel);
    this.rangeButton.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", this.outside, true);
    choices.find((c) => c.getAttribute("aria-pressed") === "true")?.focus();
    if (!this.panel.contains(document.activeElement)) choices[0].focus();
  }
}

/** A range that is no preset, in words. */
function rangeLabel(s: State): string {
  const now = Date.now() / 1000;
  const from = parseTime(s.from, now);
  const to = parseTime(s.to, now);
  if (Number.isFinite(from) && Number.isFinite(to)) return formatRange(from, to);
  return `${s.from} – ${s.to}`;
}
