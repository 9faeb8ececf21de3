// SPDX-License-Identifier: Apache-2.0
//
// The page against a real `hearth serve` that samples a known workload. What the page shows is held against the
// server's other formats, computed here on their own.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { canvasColours, launchBrowser, openPage, parseFolded, startHearth, startWorkload, workName } from "./support.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const query = `{comm="${workName}"}`;
const allViews = ["flame", "table", "callers", "diff", "heatmap", "binaries", "status"];
let hearth;
let work;
let browser;
/** A range in the past in which the workload ran all the time. */
let range;

before(async () => {
  hearth = await startHearth();
  work = await startWorkload(240);
  browser = await launchBrowser();
  range = await busyRange(700);
});
after(async () => {
  await browser?.close();
  await work?.stop();
  await hearth?.stop();
});

/** A range of whole seconds, over by now, that holds at least so many samples of the workload. */
async function busyRange(samples) {
  let from = Math.floor(Date.now() / 1000);
  let seen = "nothing";
  const deadline = Date.now() + 90000;
  while (Date.now() < deadline) {
    await new Promise((r) => setTimeout(r, 1000));
    const to = Math.floor(Date.now() / 1000) - 1;
    if (to <= from) continue;
    const found = { from: String(from), to: String(to) };
    const text = await (await fetch(`${hearth.url}/api/v1/query?${new URLSearchParams({ query, ...found, format: "folded" })}`)).text();
    const rows = parseFolded(text);
    // The first stacks of a new program may come before its unwind table: the range starts when they are whole.
    const whole = rows.filter(([f]) => f.includes("work") && f.some((x) => x.endsWith("_loop"))).reduce((a, [, n]) => a + n, 0);
    const all = rows.reduce((a, [, n]) => a + n, 0);
    if (whole < all * 0.9) from = to;
    else if (whole >= samples) return found;
    seen = `${all} samples, ${whole} of them with names down to main`;
  }
  const status = await (await fetch(`${hearth.url}/api/v1/status`)).json();
  throw new Error(`the workload did not get ${samples} samples with whole stacks in 90 s: ${seen}; ${JSON.stringify(status)}; ${hearth.output}`);
}

const api = async (format, extra = {}) => {
  const r = await fetch(`${hearth.url}/api/v1/query?${new URLSearchParams({ query, ...range, format, ...extra })}`);
  assert.equal(r.status, 200, await r.clone().text());
  return r;
};
const link = (extra = {}) => `${hearth.url}/?${new URLSearchParams({ query, ...range, ...extra })}`;

async function open(t, extra = {}, options = {}) {
  const page = await openPage(browser, link(extra), options);
  t.after(() => page.close());
  await page.waitForSelector(".fact", { timeout: 15000 });
  return page;
}

const cursor = (page) => page.textContent(".flame [aria-selected=true]");

test("draws the stacks of the workload, with the CPU time that they cost", async (t) => {
  const page = await open(t);
  const rows = parseFolded(await (await api("folded")).text());
  const samples = rows.reduce((a, [, n]) => a + n, 0);
  assert.equal(await page.textContent(".fact"), `${samples.toLocaleString("en")} samples`);
  await page.focus(".flame");
  await page.keyboard.press("End");
  assert.match(await cursor(page), /^hot_loop, (6[6-9]|7[0-4])\.?\d* % of all/);
  const colours = await canvasColours(page);
  assert.ok(Object.values(colours).filter((n) => n > 2000).length >= 3);
  assert.deepEqual(page.problems, []);
});

test("the matched share of a search is that of the folded stacks", async (t) => {
  const page = await open(t);
  const rows = parseFolded(await (await api("folded")).text());
  const all = rows.reduce((a, [, n]) => a + n, 0);
  for (const text of ["warm_loop", "^work$", "loop|main", workName, "_irq|sysvec", "nothing here"]) {
    const regex = new RegExp(text, "i");
    const matched = rows.filter(([frames]) => frames.some((f) => regex.test(f.replace(/_\[[kij]\]$/, "")))).reduce((a, [, n]) => a + n, 0);
    await page.fill(".search-input", text);
    await page.waitForFunction((x) => new URLSearchParams(location.search).get("s") === x, text);
    await page.waitForTimeout(50);
    const shown = await page.textContent(".search-result");
    if (matched === 0) assert.equal(shown, "no match", text);
    else assert.ok(Math.abs(parseFloat(shown) - (100 * matched) / all) <= 0.06, `${text}: ${shown} instead of ${(100 * matched) / all}`);
  }
  await page.fill(".search-input", "((");
  await page.waitForSelector("text=not a regular expression");
  assert.deepEqual(page.problems, []);
});

test("a search is kept when zooming, next and previous go through the matches", async (t) => {
  const page = await open(t, { s: "_loop$" });
  const before = await page.textContent(".search-result");
  await page.keyboard.press("n");
  assert.match(await cursor(page), /_loop,/);
  const first = await cursor(page);
  await page.keyboard.press("n");
  const second = await cursor(page);
  assert.notEqual(first, second);
  await page.keyboard.press("N");
  assert.equal(await cursor(page), first);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.search.includes("z="));
  assert.equal(await page.textContent(".search-result"), before);
});

test("a click zooms, breadcrumbs and Escape lead back, as does the browser", async (t) => {
  const page = await open(t);
  const box = await page.locator(".flame-canvas").boundingBox();
  const whole = await canvasColours(page);
  await page.mouse.click(box.x + box.width / 2, box.y + 50);
  await page.waitForSelector(".crumb[aria-current]");
  const name = await page.textContent(".crumb[aria-current]");
  assert.notEqual(name, workName);
  await page.click(".crumb >> nth=1");
  await page.waitForFunction((n) => document.querySelector(".crumb[aria-current]").textContent === n, workName);
  await page.goBack();
  await page.waitForFunction((n) => document.querySelector(".crumb[aria-current]").textContent === n, name);
  await page.mouse.move(5, 5);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !location.search.includes("z="));
  await page.waitForTimeout(100);
  assert.deepEqual(await canvasColours(page), whole);
});

test("the card says at once what a frame is", async (t) => {
  const page = await open(t);
  const rows = parseFolded(await (await api("folded")).text());
  const hot = rows.filter(([f]) => f.join(";").includes(";main;work;hot_loop")).reduce((n, [, count]) => n + count, 0);
  await page.focus(".flame");
  await page.keyboard.press("End");
  const card = await page.textContent(".card");
  assert.ok(card.includes("hot_loop") && card.includes(workName) && card.includes("workload.c"), card);
  assert.ok(card.includes(`${hot.toLocaleString("en")} samples`), card);
  const box = await page.locator(".flame-canvas").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 10);
  assert.ok((await page.textContent(".card")).includes("100 %"));
  await page.mouse.move(5, 5);
  assert.equal(await page.isVisible(".card"), false);
});

test("the table has the numbers of format=top and sorts by each column", async (t) => {
  const page = await open(t, { view: "table" });
  const top = await (await api("top")).json();
  await page.waitForSelector(".table-rows .table-row");
  const read = () => page.$$eval(".table-rows .table-row", (rows) => rows.map((r) => ({
    name: r.querySelector(".name").textContent, figures: [...r.querySelectorAll(".time")].map((x) => x.textContent), shares: [...r.querySelectorAll(".share")].map((x) => x.textContent),
  })));
  const share = (n) => (100 * n) / top.total;
  const rows = await read();
  for (const f of top.functions.slice(0, 15)) {
    const row = rows.find((r) => r.name === f.name);
    assert.ok(row, `${f.name} is in the table`);
    assert.ok(Math.abs(parseFloat(row.shares[0].replace("<", "")) - share(f.self)) <= 0.06, `self of ${f.name}: ${row.shares[0]} instead of ${share(f.self)}`);
    assert.ok(Math.abs(parseFloat(row.shares[1].replace("<", "")) - share(f.total)) <= 0.06, `total of ${f.name}`);
  }
  assert.equal(rows[0].name, top.functions[0].name);
  await page.click(".sort:has-text('Function')");
  const names = (await read()).map((r) => r.name);
  assert.deepEqual(names, [...names].sort());
  await page.click(".sort:has-text('Total')");
  const totals = (await read()).map((r) => parseFloat(r.shares[1]));
  assert.deepEqual(totals, [...totals].sort((a, b) => b - a));
  // As slowly as a person clicks: frames are drawn between press and release.
  await page.click(".cell-name .name:text-is('warm_loop')", { delay: 120 });
  await page.waitForFunction(() => new URLSearchParams(location.search).get("s") === "^warm_loop$").catch((e) => {
    throw new Error(`${e.message} at ${page.url()}`);
  });
  assert.match(await page.textContent(".search-result"), /^(2[6-9]|3[0-4])/);
  assert.deepEqual(page.problems, []);
});

test("callers and callees of a function add up to its time", async (t) => {
  const page = await open(t, { view: "callers", fn: "^work$" });
  const rows = parseFolded(await (await api("folded")).text());
  const all = rows.reduce((a, [, n]) => a + n, 0);
  const mine = rows.filter(([f]) => f.includes("work")).reduce((a, [, n]) => a + n, 0);
  const summary = await page.textContent(".callers-summary");
  assert.ok(Math.abs(parseFloat(summary) - (100 * mine) / all) <= 0.06, `${summary} instead of ${(100 * mine) / all}`);
  await page.focus(".callers-graphs .flame >> nth=0");
  assert.match(await page.textContent(".callers-graphs .flame >> nth=0 >> [aria-selected=true]"), /^main,/);
  await page.focus(".callers-graphs .flame >> nth=1");
  assert.match(await page.textContent(".callers-graphs .flame >> nth=1 >> [aria-selected=true]"), /^work,/);
  await page.keyboard.press("ArrowDown");
  assert.match(await page.textContent(".callers-graphs .flame >> nth=1 >> [aria-selected=true]"), /^hot_loop,/);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("fn") === "^hot_loop$");
  await page.goBack();
  await page.waitForFunction(() => new URLSearchParams(location.search).get("fn") === "^work$");
  assert.deepEqual(page.problems, []);
});

test("a link shows the same picture again", async (t) => {
  const page = await open(t, { s: "hot" });
  await page.keyboard.press("i");
  await page.waitForFunction(() => location.search.includes("inverted=1"));
  await page.focus(".flame");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.search.includes("z="));
  await page.evaluate(() => document.activeElement.blur());
  await page.mouse.move(5, 5);
  await page.waitForTimeout(150);
  const shot = await page.locator(".stage").screenshot();
  const again = await openPage(browser, page.url());
  t.after(() => again.close());
  await again.waitForSelector(".fact");
  await again.mouse.move(5, 5);
  await again.waitForTimeout(300);
  assert.ok(shot.equals(await again.locator(".stage").screenshot()));
  assert.equal(await again.inputValue(".search-input"), "hot");
  assert.equal(await again.inputValue(".selector-input"), query);
});

test("time range, presets and the brush of the overview go into the link", async (t) => {
  const page = await open(t);
  await page.click(".range");
  await page.click(".range-preset:has-text('Last 5 minutes')");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("from") === "now-5m");
  await page.keyboard.press("t");
  await page.waitForSelector(".range-panel");
  await page.keyboard.press("Escape");
  assert.equal(await page.isVisible(".range-panel"), false);
  await page.waitForSelector(`.legend-item:has-text('${workName}')`);
  const box = await page.locator(".timeline-canvas").boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => /^\d+(\.\d+)?$/.test(new URLSearchParams(location.search).get("to")));
  const p = new URL(page.url()).searchParams;
  assert.ok(Math.abs(p.get("to") - p.get("from") - 75) <= 3, `${p.get("to") - p.get("from")} s selected`);
  await page.goBack();
  await page.waitForFunction(() => new URLSearchParams(location.search).get("from") === "now-5m");
  assert.deepEqual(page.problems, []);
});

test("the legend of the overview narrows the selector", async (t) => {
  const page = await openPage(browser, `${hearth.url}/?from=now-1m`);
  t.after(() => page.close());
  await page.click(`.timeline .legend-item:has-text('${workName}')`);
  await page.waitForFunction((q) => new URLSearchParams(location.search).get("query") === q, query);
});

test("light and dark follow the system until one is chosen", async (t) => {
  const page = await open(t, {}, { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction((d) => getComputedStyle(document.body).backgroundColor !== d, dark);
  const light = await ground();
  await page.keyboard.press("d");
  assert.equal(await ground(), dark);
  await page.reload();
  await page.waitForSelector(".fact");
  assert.equal(await ground(), dark);
  await page.keyboard.press("d");
  assert.equal(await ground(), light);
});

test("390 pixels are enough for every view", async (t) => {
  for (const view of allViews) {
    const page = await open(t, { view, fn: "work" }, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const size = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(size[0] <= 390 && size[1] <= 390, `${view}: ${size}`);
    assert.deepEqual(page.problems, [], view);
  }
});

test("a tap shows a frame, a second one zooms", async (t) => {
  const page = await open(t, {}, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const box = await page.locator(".flame-canvas").boundingBox();
  await page.touchscreen.tap(box.x + 150, box.y + 65);
  await page.waitForSelector(".card:not([hidden])");
  assert.ok(!page.url().includes("z="));
  await page.touchscreen.tap(box.x + 150, box.y + 65);
  await page.waitForFunction(() => location.search.includes("z="));
});

test("everything goes with the keyboard alone", async (t) => {
  const page = await open(t);
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.keyboard.press("/");
  await page.keyboard.type("warm");
  await page.keyboard.press("Enter");
  assert.match(await cursor(page), /^warm_loop,/);
  await page.keyboard.press("Shift+F10");
  await page.waitForSelector(".menu");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("view") === "callers");
  await page.keyboard.press("2");
  await page.waitForSelector(".table-rows .table-row");
  await page.keyboard.press("g");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => !location.search.includes("view="));
  const reached = new Set();
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => {
      const e = document.activeElement;
      return e.getAttribute("aria-label") || e.textContent.trim().slice(0, 30);
    }));
  }
  for (const name of ["Flame graph", "Table", "Selector", "Live", "Icicle", "Inverted", "Kind", "Frames", "Search functions by regular expression"])
    assert.ok(reached.has(name), `${name} is reached by Tab: ${[...reached].join(" | ")}`);
  assert.ok([...reached].some((x) => x.startsWith("Flame graph. Arrow keys")));
  assert.deepEqual(page.problems, []);
});

test("frames are hidden and stacks kept from the menus", async (t) => {
  const page = await open(t);
  await page.click(".button:has-text('Frames')");
  await page.click(".menu-item:has-text('Kernel')");
  await page.waitForFunction(() => location.search.includes("hide=kernel"));
  await page.keyboard.press("/");
  await page.keyboard.type("warm_loop");
  await page.waitForFunction(() => location.search.includes("s=warm_loop"));
  await page.click(".button:has-text('Frames')");
  await page.click(".menu-item:has-text('Keep only stacks')");
  await page.waitForSelector(".chip:has-text('Only stacks with warm_loop')");
  await page.keyboard.press("2");
  await page.waitForSelector(".table-rows .table-row");
  const names = await page.$$eval(".cell-name .name", (e) => e.map((x) => x.textContent));
  assert.ok(names.includes("warm_loop") && !names.includes("hot_loop"));
  assert.deepEqual(page.problems, []);
});

test("axe finds no violation on any view in either theme", async (t) => {
  let rules = 0;
  for (const colorScheme of ["light", "dark"]) {
    for (const view of allViews) {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme, bypassCSP: true, reducedMotion: "reduce" });
      t.after(() => page.close());
      await page.goto(link({ view, fn: "work", s: "hot" }));
      await page.waitForSelector(".fact");
      await page.waitForTimeout(300);
      await page.evaluate(axeSource);
      const found = await page.evaluate(() => globalThis.axe.run());
      rules += found.passes.length;
      assert.deepEqual(found.violations.map((v) => `${view} ${colorScheme}: ${v.id}: ${v.nodes.map((n) => n.html).join(" ").slice(0, 300)}`), []);
    }
  }
  t.diagnostic(`${allViews.length} views in two themes, ${rules} rules passed`);
});

test("the overview is split by any label, and its range taken with the keyboard alone", async (t) => {
  const page = await open(t);
  const labels = (await (await fetch(`${hearth.url}/api/v1/labels?${new URLSearchParams(range)}`)).json()).labels;
  await page.click(".by");
  assert.deepEqual((await page.$$eval(".menu .menu-label", (e) => e.map((x) => x.textContent))).sort(), [...labels].sort());
  await page.click(".menu-item:has-text('thread')");
  await page.waitForFunction(() => location.search.includes("by=thread"));
  await page.focus(".timeline-canvas");
  await page.keyboard.press("ArrowRight");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+ArrowRight");
  assert.match(await page.textContent(".timeline-readout"), /–/);
  const step = Number(range.to) - Number(range.from);
  await page.keyboard.press("Enter");
  await page.waitForFunction((f) => new URLSearchParams(location.search).get("from") !== f, range.from);
  const p = new URL(page.url()).searchParams;
  assert.ok(Number(p.get("to")) - Number(p.get("from")) < step);
  assert.ok(Number(p.get("from")) > Number(range.from));
  assert.deepEqual(page.problems, []);
});

test("the picture is kept as SVG and PNG, with every name and the colours of the screen", async (t) => {
  const page = await open(t, { s: "hot_loop" });
  const take = async (end) => {
    await page.click(".button:has-text('Export')");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(`.menu-item:has-text('${end}')`)]);
    assert.ok(download.suggestedFilename().endsWith(end));
    return readFileSync(await download.path());
  };
  const svg = (await take(".svg")).toString();
  const shown = await openPage(browser, `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`);
  t.after(() => shown.close());
  const titles = await shown.$$eval("title", (e) => e.map((x) => x.textContent));
  assert.ok(titles.some((x) => x.startsWith("hot_loop, ")) && titles.some((x) => x.startsWith("warm_loop, ")), titles.join("; "));
  assert.equal(await shown.$$eval("parsererror, script", (e) => e.length), 0);
  const png = await take(".png");
  assert.equal(png.readUInt32BE(0), 0x89504e47);
  assert.ok(png.readUInt32BE(16) >= 2 * 1400 && png.readUInt32BE(20) >= 2 * 5 * 20);
  assert.deepEqual(page.problems, []);
});

test("a frame's menu copies what it is, down to the build id", async (t) => {
  const page = await open(t, {}, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.focus(".flame");
  await page.keyboard.press("End");
  const copied = async (label) => {
    await page.focus(".flame");
    await page.keyboard.press("Shift+F10");
    await page.click(`.menu-item:has-text('${label}')`);
    await page.waitForSelector(".toast:not([hidden])");
    await page.waitForFunction(() => /copied/.test(document.querySelector(".toast").textContent));
    const text = await page.evaluate(() => navigator.clipboard.readText());
    await page.evaluate(() => (document.querySelector(".toast").textContent = ""));
    return text;
  };
  assert.equal(await copied("Copy name"), "hot_loop");
  assert.match(await copied("Copy path"), new RegExp(`^${workName};.*main;work;hot_loop$`));
  assert.match(await copied("Copy file and line"), /workload\.c:\d+$/);
  const binary = await copied("Copy binary");
  assert.ok(binary.endsWith(workName));
  const ledger = await (await fetch(`${hearth.url}/api/v1/binaries?${new URLSearchParams({ query, ...range })}`)).json();
  assert.equal(await copied("Copy build id"), ledger.binaries.find((b) => b.path.endsWith(workName)).build_id);
  assert.deepEqual(page.problems, []);
});

test("downloads are what they say", async (t) => {
  const page = await open(t);
  await page.click(".button:has-text('Export')");
  const links = await page.$$eval(".menu a[href]", (e) => e.map((a) => a.href));
  const bodies = await Promise.all(links.map(async (l) => Buffer.from(await (await fetch(l)).arrayBuffer())));
  const of = (format) => bodies[links.findIndex((l) => l.includes(`format=${format}`))];
  assert.equal(of("pprof").readUInt16BE(0), 0x1f8b);
  assert.match(of("folded").toString(), new RegExp(`^${workName};.*hot_loop.* \\d+$`, "m"));
  assert.match(JSON.parse(of("speedscope")).$schema, /speedscope/);
});

test("the exported page draws by itself, without a server and without a request", async (t) => {
  const file = join(tmpdir(), `hearth-export-${process.pid}.html`);
  writeFileSync(file, await (await api("html")).text());
  const page = await openPage(browser, `file://${file}`);
  t.after(() => page.close());
  await page.waitForSelector(".fact");
  await page.focus(".flame");
  await page.keyboard.press("End");
  assert.match(await cursor(page), /^hot_loop, (6[6-9]|7[0-4])/);
  await page.fill(".search-input", "warm_loop");
  await page.waitForFunction(() => /frame/.test(document.querySelector(".search-result").textContent));
  await page.click(".tab:has-text('Table')");
  await page.waitForSelector(".table-rows .table-row");
  assert.equal(await page.isVisible(".querybar"), false);
  assert.deepEqual(page.problems, []);
});

test("the first load is small, cached, and bound by a strict policy", async (t) => {
  const first = await fetch(`${hearth.url}/`);
  const policy = first.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const html = await first.text();
  let bytes = 0;
  for (const path of ["/", ...[...html.matchAll(/(?:src|href)="(\/[^"]+\.(?:js|css|svg))"/g)].map((m) => m[1])]) {
    const r = await fetch(hearth.url + path, { headers: { "accept-encoding": "gzip" } });
    assert.equal(r.status, 200);
    assert.equal(r.headers.get("content-encoding"), "gzip", path);
    bytes += Number(r.headers.get("content-length"));
    if (path !== "/") assert.match(r.headers.get("cache-control"), /immutable/);
    const again = await fetch(hearth.url + path, { headers: { "if-none-match": r.headers.get("etag") } });
    assert.equal(again.status, 304);
  }
  t.diagnostic(`${bytes} bytes`);
  assert.ok(bytes > 10000 && bytes <= 100 * 1024, `${bytes} bytes`);
});
