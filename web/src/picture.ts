// SPDX-License-Identifier: Apache-2.0
//
// A flame graph as a picture to keep: SVG with a title on every box, or PNG at twice the size. Both show all rows of what
// is on show, not only those scrolled into view.
import type { FlameView } from "./flame";
import { nodeLabel } from "./hovercard";
import { firstEndingAfter } from "./layout";
import { cleanName } from "./names";
import { Pixels } from "./pixels";
import { drawBoxes, drawLabels, rowTop, type Scene } from "./render";
import { TextFitter } from "./text";

const fontFamily = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif";
/** Canvases higher than this are refused by browsers. */
const highest = 16000;
const leastBox = 0.5;

/** The whole of what a view shows, as a scene of its own. */
function wholeScene(view: FlameView, ratio: number): Scene {
  const s = view.scene;
  const rows = Math.max(1, view.layout.rows - s.firstRow);
  const height = Math.min(Math.floor(highest / ratio), rows * s.rowHeight);
  return { ...s, ratio, height, contentHeight: Math.max(height, rows * s.rowHeight), scrollTop: s.upward ? Math.max(0, rows * s.rowHeight - height) : 0 };
}

/** As PNG. Throws an Error when the browser does not make one. */
export function pngOf(view: FlameView): Promise<Blob> {
  const s = wholeScene(view, 2);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(s.width * s.ratio);
  canvas.height = Math.round(s.height * s.ratio);
  const ctx = canvas.getContext("2d", { willReadFrequently: true })!;
  const text = new TextFitter(ctx, `12px ${fontFamily}`);
  const px = new Pixels(canvas.width, canvas.height);
  const labels = drawBoxes(px, s, text);
  ctx.putImageData(px.image, 0, 0);
  ctx.setTransform(s.ratio, 0, 0, s.ratio, 0, 0);
  drawLabels(ctx, labels, text.font);
  return new Promise((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new Error("The browser cannot make a picture of this size."))), "image/png"));
}

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => escapes[c]).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd");
const figure = (n: number) => String(Math.round(n * 100) / 100);

/** As SVG. @param describe what the title of a box says */
export function svgOf(view: FlameView, describe: (node: number) => string): string {
  const s = wholeScene(view, 1);
  const text = new TextFitter(document.createElement("canvas").getContext("2d")!, `12px ${fontFamily}`);
  const height = s.contentHeight;
  s.height = height;
  s.scrollTop = 0;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${figure(s.width)}" height="${figure(height)}" viewBox="0 0 ${figure(s.width)} ${figure(height)}" font-family="${fontFamily}" font-size="12">`,
    `<rect width="100%" height="100%" fill="${s.ink.background}"/>`,
  ];
  for (let row = s.firstRow; row < s.layout.rows; row++) svgRow(s, row, text, describe, out);
  out.push("</svg>", "");
  return out.join("\n");
}

function svgRow(s: Scene, row: number, text: TextFitter, describe: (node: number) => string, out: string[]): void {
  const { layout, tree } = s;
  const scale = s.width / (s.x1 - s.x0 || 1);
  const y = rowTop(s, row);
  for (let at = firstEndingAfter(layout, row, s.x0); at < layout.rowFirst[row + 1]; at++) {
    const node = layout.rowNodes[at];
    const left = Math.max(0, (layout.start[node] - s.x0) * scale);
    if (left >= s.width) break;
    const right = Math.min(s.width, (layout.start[node] + layout.width[node] - s.x0) * scale);
    if (right - left < leastBox) {
      at = Math.max(at, firstEndingAfter(layout, row, s.x0 + (left + leastBox) / scale, at) - 1);
      continue;
    }
    const name = text.fit(nodeLabel(tree, node), right - left - 9);
    const marked = s.marked === null ? 0 : s.marked[node] ? 1 : 2;
    const fill = marked === 0 ? s.colouring.palette[s.colouring.of(node)] : marked === 1 ? s.ink.match : s.ink.dim;
    const ink = marked === 0 ? s.ink.text : marked === 1 ? s.ink.matchText : s.ink.dimText;
    out.push(`<g><title>${escaped(describe(node))}</title><rect x="${figure(left)}" y="${figure(y)}" width="${figure(Math.max(0.4, right - left - (right - left > 3 ? 1 : 0)))}" height="${s.rowHeight - 1}" fill="${fill}"/>${
      name ? `<text x="${figure(left + 5)}" y="${figure(y + s.rowHeight / 2 + 3.5)}" fill="${ink}">${escaped(cleanName(name))}</text>` : ""}</g>`);
  }
}

