// SPDX-License-Identifier: Apache-2.0
//
// Fitting names into boxes. Widths of characters are measured once per font, so that fitting a label costs no call
// into the canvas for the usual names.
import { shorterNames } from "./names";

interface Ways {
  texts: string[];
  widths: Float64Array;
}

export class TextFitter {
  private readonly ascii = new Float64Array(128);
  private readonly ways = new Map<string, Ways>();
  private readonly ellipsis: number;

  constructor(private readonly ctx: CanvasRenderingContext2D, readonly font: string) {
    ctx.font = font;
    for (let i = 32; i < 127; i++) this.ascii[i] = ctx.measureText(String.fromCharCode(i)).width;
    this.ellipsis = ctx.measureText("…").width;
  }

  /** Width of a text in pixels. */
  measure(text: string): number {
    let width = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c >= 127 || c < 32) {
        this.ctx.font = this.font;
        return this.ctx.measureText(text).width;
      }
      width += this.ascii[c];
    }
    return width;
  }

  /** The fullest way to write a name within `room` pixels; "" when not even three letters fit. */
  fit(name: string, room: number): string {
    if (room < 14) return "";
    const w = this.waysOf(name);
    for (let i = 0; i < w.texts.length; i++) if (w.widths[i] <= room) return w.texts[i];
    return this.cut(w.texts[w.texts.length - 1], room);
  }

  private waysOf(name: string): Ways {
    let w = this.ways.get(name);
    if (!w) {
      const texts = shorterNames(name);
      w = { texts, widths: Float64Array.from(texts, (t) => this.measure(t)) };
      if (this.ways.size > 50000) this.ways.clear();
      this.ways.set(name, w);
    }
    return w;
  }

  private cut(text: string, room: number): string {
    let width = this.ellipsis;
    let n = 0;
    for (const c of text) {
      const code = c.length === 1 ? c.charCodeAt(0) : 0x10000;
      const step = code < 127 && code >= 32 ? this.ascii[code] : this.measure(c);
      if (width + step > room) break;
      width += step;
      n += c.length;
    }
    return n < 3 ? "" : `${text.slice(0, n)}…`;
  }
}
