// SPDX-License-Identifier: Apache-2.0
//
// How long flame graph viewers take in the browser, all with the same tree: this page, d3-flame-graph and speedscope.
//
//   first paint   from the last byte of the data (the browser's own resource timing) to the end of the frame that shows it, in a
//                 page that was open already
//   cold          the same in a page that is just starting: the browser's own start is in it
//   search        from typing to the end of the frame that shows the result
//   zoom, hover   the longest task of script that a click, or a move of the pointer, causes: handler, frame callback, timer
import { createServer } from "node:http";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { root } from "./support.mjs";
import { securityPolicy } from "./mock.mjs";
import { bushy } from "./synthetic.mjs";

const require = createRequire(import.meta.url);
const esbuild = createRequire(join(root, "web/package.json"))("esbuild");
const web = join(root, "build/web");
const speedscope = dirname(require.resolve("speedscope/package.json")) + "/dist/release";
const types = { js: "text/javascript", css: "text/css", html: "text/html; charset=utf-8", svg: "image/svg+xml", json: "application/json", woff2: "font/woff2", png: "image/png", ico: "image/x-icon", wasm: "application/wasm" };

/** The tree as d3-flame-graph takes it. */
function nested(graph) {
  const { parent, name, total } = graph.nodes;
  const nodes = parent.map((_, i) => ({ name: graph.strings[name[i]] || "all", value: total[i], children: [] }));
  for (let i = 1; i < nodes.length; i++) nodes[parent[i]].children.push(nodes[i]);
  return nodes[0];
}

/** The tree as speedscope takes it. */
function sampled(graph) {
  const { parent, name, self } = graph.nodes;
  const samples = [];
  const weights = [];
  for (let i = 1; i < parent.length; i++) {
    if (!self[i]) continue;
    const stack = [];
    for (let n = i; n > 0; n = parent[n]) stack.push(name[n]);
    samples.push(stack.reverse());
    weights.push(self[i]);
  }
  const all = weights.reduce((a, b) => a + b, 0);
  return {
    $schema: "https://www.speedscope.app/file-format-schema.json", shared: { frames: graph.strings.map((s) => ({ name: s || "all" })) },
    profiles: [{ type: "sampled", name: "tree", unit: "none", startValue: 0, endValue: all, samples, weights }],
  };
}

const d3Source = `
import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";
window.load = () => fetch("/tree-d3.json").then((r) => r.json()).then((tree) => {
  window.chart = flamegraph().width(1408).cellHeight(20).selfValue(false);
  select("#chart").datum(tree).call(window.chart);
});
if (!location.search) window.load();`;

/** Serve all three with one tree. @returns the server and its address */
export async function serveViewers(graph) {
  const d3 = await esbuild.build({ stdin: { contents: d3Source, resolveDir: join(root, "tests/browser"), loader: "js" }, bundle: true, minify: true, write: false, format: "iife", loader: { ".css": "empty" } });
  const made = {
    "/d3": ["html", '<!doctype html><title>d3</title><body><div id="chart"></div><script src="/d3.js"></script>'],
    "/d3.js": ["js", d3.outputFiles[0].text], "/tree-d3.json": ["json", JSON.stringify(nested(graph))],
    "/tree-speedscope.json": ["json", JSON.stringify(sampled(graph))], "/api/v1/query": ["json", JSON.stringify(graph)],
    "/api/v1/timeseries": ["json", JSON.stringify({ from: graph.from, to: graph.to, step: 10, by: "comm", series: [{ value: "server", cores: Array(90).fill(1.5) }] })],
  };
  const pages = readdirSync(web);
  const small = ["json", JSON.stringify(bushy(300))];
  const server = createServer((q, a) => {
    const path = new URL(q.url, "http://x").pathname;
    let found = path === "/api/v1/query" && q.url.includes("query=") ? small : made[path];
    const name = path === "/" ? "index.html" : path.slice(1);
    if (!found && pages.includes(name)) found = [name.split(".").pop(), readFileSync(join(web, name))];
    if (!found && path.startsWith("/speedscope/")) {
      const file = path.slice(12) || "index.html";
      if (readdirSync(speedscope).includes(file)) found = [file.split(".").pop(), readFileSync(join(speedscope, file))];
    }
    a.writeHead(found ? 200 : 404, { "content-type": types[found?.[0]] ?? "text/plain", ...(path === "/" ? { "content-security-policy": securityPolicy } : {}) });
    a.end(found?.[1] ?? "");
  });
  await new Promise((r) => server.listen(0, "127.0.0.1", r));
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

/** Runs in the page before anything else: measures tasks of script and tells when something is on the screen. */
function watch(isThere) {
  const m = (window.__measure = { longest: 0, painted: 0 });
  const timed = (f) => typeof f !== "function" ? f : function (...a) {
    const t = performance.now();
    try {
      return f.apply(this, a);
    } finally {
      m.longest = Math.max(m.longest, performance.now() - t);
    }
  };
  const frame = window.requestAnimationFrame.bind(window);
  const timer = window.setTimeout.bind(window);
  window.requestAnimationFrame = (f) => frame(timed(f));
  window.setTimeout = (f, ...a) => timer(timed(f), ...a);
  /** The end of the first frame that finds a test true: what it paints is on the screen then. */
  /** The time from the last byte of the last answer for a path to the end of the frame that shows it. */
  m.since = (path) => m.painted - performance.getEntriesByType("resource").findLast((r) => new URL(r.name).pathname === path).responseEnd;
  m.until = (test) => new Promise((r) => {
    const look = () => {
      if (!test()) return frame(look);
      const c = new MessageChannel();
      c.port1.onmessage = () => r(performance.now());
      return c.port2.postMessage(0);
    };
    frame(look);
  });
  m.task = async (run, settle = 900) => {
    m.longest = 0;
    timed(run)();
    const end = performance.now() + settle;
    while (performance.now() < end) await m.until(() => true);
    return m.longest;
  };
  void m.until(new Function(`return ${isThere}`)).then((t) => (m.painted = t));
}

const viewers = {
  hearth: {
    path: "/?from=1700000000&to=1700000900", opened: "/?query=cpu&from=1700000000&to=1700000900", data: "/api/v1/query", there: "!!document.querySelector('.fact')",
    load: () => document.querySelector(".selector .clear").click(),
    loaded: () => !location.search.includes("query=") && parseInt(document.querySelector(".fact").textContent.replace(/,/g, ""), 10) > 100000,
    search: () => {
      const i = document.querySelector(".search-input");
      i.value = "hash_a";
      i.dispatchEvent(new Event("input"));
    },
    found: () => document.querySelector(".search-result").textContent !== "",
    target: () => document.querySelector(".flame-canvas"),
    place: () => {
      const b = document.querySelector(".flame-canvas").getBoundingClientRect();
      return { x: b.x + b.width * 0.4, y: b.y + 70 };
    },
  },
  "d3-flame-graph": {
    path: "/d3", opened: "/d3?wait", load: () => void window.load(), loaded: () => !!document.querySelector("#chart svg g.frame"), data: "/tree-d3.json", there: "!!document.querySelector('#chart svg g.frame')",
    search: () => window.chart.search("hash_a"), found: () => true,
    place: () => {
      const wide = [...document.querySelectorAll("g.frame")].map((e) => e.getBoundingClientRect()).filter((b) => b.width > 100 && b.width < 600 && b.y > 0 && b.y < 800)[0];
      return { x: wide.x + wide.width / 2, y: wide.y + 8 };
    },
  },
  speedscope: {
    path: "/speedscope/index.html#profileURL=/tree-speedscope.json", data: "/tree-speedscope.json", there: "/tree/.test(document.title)",
    place: () => ({ x: 600, y: 300 }),
  },
};

/** Send what a mouse sends to the element at a place. */
function point({ x, y }, types) {
  const e = document.elementFromPoint(x, y);
  for (const type of types) {
    const Event_ = type.startsWith("pointer") ? PointerEvent : MouseEvent;
    e.dispatchEvent(new Event_(type, { bubbles: true, cancelable: true, clientX: x, clientY: y, button: 0, pointerId: 1, pointerType: "mouse", view: window }));
  }
}

/** First paint in a page that is open already. */
async function paintWhenOpen(browser, url, v) {
  if (!v.opened) return NaN;
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  try {
    await page.addInitScript(`(${watch})("false")`);
    await page.goto(url + v.opened);
    await page.waitForTimeout(1500);
    return await page.evaluate(([load, loaded, data]) => {
      const f = (text) => new Function(`return ${text}`)();
      f(load)();
      return window.__measure.until(f(loaded)).then((t) => ((window.__measure.painted = t), window.__measure.since(data)));
    }, [String(v.load), String(v.loaded), v.data]);
  } finally {
    await page.close();
  }
}

/** Measure one viewer once. @returns milliseconds; NaN where the viewer has no such thing */
export async function measureViewer(browser, url, name) {
  const v = viewers[name];
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  try {
    await page.addInitScript(`(${watch})(${JSON.stringify(v.there)})`);
    await page.goto(url + v.path, { waitUntil: "commit" });
    await page.waitForFunction(() => window.__measure.painted, null, { timeout: 120000 });
    const cold = await page.evaluate((data) => window.__measure.since(data), v.data);
    const result = { paint: await paintWhenOpen(browser, url, v), cold, search: NaN, zoom: NaN, hover: NaN };
    await page.waitForTimeout(500);
    const at = await page.evaluate(v.place);
    const task = (types, dx) => page.evaluate(([p, t, d, send]) => {
      const point = new Function(`return ${send}`)();
      return window.__measure.task(() => point({ x: p.x + d, y: p.y }, t));
    }, [at, types, dx, String(point)]);
    await task(["pointermove", "mousemove", "mouseover"], 0);
    result.hover = Math.max(await task(["pointermove", "mousemove", "mouseover"], 40), await task(["pointermove", "mousemove", "mouseover"], -40));
    if (v.search) {
      result.search = await page.evaluate(([search, found]) => {
        const begin = performance.now();
        new Function(`return ${search}`)()();
        return window.__measure.until(new Function(`return ${found}`)()).then((t) => t - begin);
      }, [String(v.search), String(v.found)]);
    }
    result.zoom = await task(["pointerdown", "mousedown", "pointerup", "mouseup", "click", "dblclick"].slice(0, name === "speedscope" ? 6 : 5), 0);
    return result;
  } finally {
    await page.close();
  }
}
