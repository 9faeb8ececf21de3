// SPDX-License-Identifier: Apache-2.0
//
// Prints a line "VIEWER FRAMES PAINT COLD SEARCH ZOOM HOVER" a measurement, in milliseconds.
//
//   node tests/bench/page.mjs [FRAMES]
import { launchBrowser } from "../browser/support.mjs";
import { measureViewer, serveViewers } from "../browser/measure.mjs";
import { bushy } from "../browser/synthetic.mjs";

const frames = Number(process.argv[2] ?? 100000);
const runs = { hearth: 5, speedscope: 2, "d3-flame-graph": 1 };
const { server, url } = await serveViewers(bushy(frames));
const browser = await launchBrowser();
for (const [name, count] of Object.entries(runs)) {
  for (let i = 0; i < count; i++) {
    const m = await measureViewer(browser, url, name);
    console.log([name, frames, m.paint, m.cold, m.search, m.zoom, m.hover].map((x) => (typeof x === "number" ? (Number.isInteger(x) ? x : x.toFixed(1)) : x)).join(" "));
  }
}
await browser.close();
server.closeAllConnections();
server.close();
