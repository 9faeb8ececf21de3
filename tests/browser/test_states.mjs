// SPDX-License-Identifier: Apache-2.0
//
// States and inputs that a real server shows rarely, with a stand-in for it: no samples, errors, a server that is gone,
// hostile names, a stack of 5,000 frames, a million frames.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { flamegraphOf, startMock } from "./mock.mjs";
import { canvasColours, launchBrowser, openPage } from "./support.mjs";
import { bushy, deep, profileJson } from "./synthetic.mjs";

const port = 7990 + (process.pid % 4);
const url = `http://127.0.0.1:${port}/`;
const folded = "sh;main;parse;lex 500\nsh;main;parse 200\nsh;main;emit;lex 300\nsh;main;emit;write_[k] 100\nls;main;lex;lex 400\n";
const usual = flamegraphOf(folded);
const empty = profileJson({ parent: [-1], name: [0], kind: [0], binary: [0], file: [0], line: [0], self: [0], total: [0] }, [""], 0);
let mock;
let browser;

before(async () => {
  mock = await startMock(port, () => usual);
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  mock?.server.closeAllConnections();
  mock?.server.close();
});

async function open(t, path = "", options = {}) {
  const page = await openPage(browser, url + path, options);
  t.after(() => page.close());
  return page;
}

const drawn = (page) => page.waitForFunction(() => document.querySelector(".fact"));

test("no samples: the page says so and offers a wider range", async (t) => {
  mock.profile = () => empty;
  t.after(() => (mock.profile = () => usual));
  const page = await open(t, "?query=%7Bcomm%3D%22x%22%7D");
  await page.waitForSelector("text=No samples match.");
  await page.click("text=Clear the selector");
  await page.waitForSelector("text=No samples in this range.");
  assert.ok(!page.url().includes("query="));
  await page.click("text=Last hour");
  assert.ok(page.url().includes("from=now-1h"));
  assert.deepEqual(page.problems, []);
});

test("a server that goes away and comes back is noticed, the picture stays", async (t) => {
  const page = await open(t);
  await drawn(page);
  await page.route("**/api/**", (r) => r.abort());
  await page.keyboard.press("r");
  await page.waitForSelector("text=The server does not answer.");
  assert.ok(await page.isVisible("text=systemctl status hearth"));
  assert.ok(await page.isVisible(".flame-canvas"));
  await page.unroute("**/api/**");
  await page.waitForSelector("text=The server does not answer.", { state: "hidden", timeout: 10000 });
});

test("an error of the server is shown in its own words", async (t) => {
  const page = await open(t);
  await drawn(page);
  mock.fail = 400;
  t.after(() => (mock.fail = 0));
  await page.fill(".selector-input", "{comm=");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=failure asked for");
  assert.ok(await page.isVisible("text=Change the selector or the time range"));
  mock.fail = 0;
  await page.click("text=Try again");
  await page.waitForSelector("text=failure asked for", { state: "hidden" });
});

test("hostile names are text everywhere", async (t) => {
  const names = ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>', "x".repeat(4000), "\u202eevil\u0000\u001b[31m", "مرحبا بالعالم", "🔥 hot", "__proto__", "constructor", "${7*7}"];
  mock.profile = () => flamegraphOf(names.map((n, i) => `${n.replace(/[\n;]/g, "")};main;${n};deep;${n} ${1000 - i}`).join("\n"));
  t.after(() => (mock.profile = () => usual));
  let dialogs = 0;
  const page = await open(t);
  page.on("dialog", (d) => (dialogs++, d.dismiss()));
  await drawn(page);
  const box = await page.locator(".flame-canvas").boundingBox();
  for (let x = 20; x < box.width; x += 120) {
    await page.mouse.move(box.x + x, box.y + 50);
    await page.mouse.move(box.x + x, box.y + 90);
  }
  await page.mouse.move(box.x + 5, box.y + box.height - 5);
  await page.click(".tab:has-text('Table')");
  await page.waitForSelector(".table-rows .table-row");
  const cells = await page.$$eval(".cell-name .name", (e) => e.map((x) => x.textContent));
  assert.ok(cells.includes("<img src=x onerror=alert(1)>"));
  assert.ok(cells.includes("🔥 hot"));
  assert.ok(cells.includes("مرحبا بالعالم"));
  assert.ok(cells.includes("__proto__"));
  await page.click(".cell-name .name:text-is('<img src=x onerror=alert(1)>')");
  await page.waitForFunction(() => /frame/.test(document.querySelector(".search-result").textContent));
  await page.fill(".search-input", "");
  await page.click(".tab:has-text('Binaries')");
  await page.waitForSelector(".ledger-row");
  for (const row of await page.$$(".ledger-row summary")) await row.click();
  const paths = await page.$$eval(".ledger-path", (e) => e.map((x) => x.textContent));
  assert.ok(paths.includes("<img src=x onerror=alert(1)>") && paths.includes("مرحبا بالعالم"));
  assert.equal(await page.$$eval("img, script:not([src])", (e) => e.length), 0);
  assert.equal(dialogs, 0);
  assert.deepEqual(page.problems, []);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
});

test("a stack of 5,000 frames scrolls to its leaf on a canvas no higher than the window", async (t) => {
  mock.profile = () => deep(5000);
  t.after(() => (mock.profile = () => usual));
  const page = await open(t);
  await drawn(page);
  await page.focus(".flame");
  await page.keyboard.press("End");
  await page.waitForTimeout(200);
  const size = await page.$eval(".flame", (e) => ({ scrolled: e.scrollTop, all: e.scrollHeight, canvas: e.querySelector("canvas").height }));
  assert.ok(size.scrolled > 90000 && size.all > 100000);
  assert.ok(size.canvas <= 900);
  assert.ok((await page.textContent(".flame [aria-selected=true]")).includes("recurse_even"));
  const colours = await canvasColours(page);
  assert.ok(Object.keys(colours).length > 5);
  for (const key of ["i", "f"]) {
    await page.keyboard.press(key);
    await page.waitForTimeout(150);
  }
  assert.deepEqual(page.problems, []);
});

test("a million frames are drawn, searched and zoomed", async (t) => {
  const graph = bushy(1000000);
  mock.profile = () => graph;
  t.after(() => (mock.profile = () => usual));
  const page = await open(t);
  await page.waitForSelector(".fact", { timeout: 60000 });
  await page.fill(".search-input", "^hash_");
  await page.waitForFunction(() => /%/.test(document.querySelector(".search-result").textContent), null, { timeout: 20000 });
  const share = parseFloat(await page.textContent(".search-result"));
  assert.ok(share > 0 && share < 100);
  const box = await page.locator(".flame-canvas").boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + 50);
  await page.waitForFunction(() => location.search.includes("z="));
  assert.deepEqual(page.problems, []);
});

test("a folded frame is opened by a click", async (t) => {
  const short = flamegraphOf("sh;main;(2 small frames) 10\nsh;other 30\n");
  short.nodes.kind[short.nodes.name.findIndex((n) => short.strings[n] === "(2 small frames)")] = 8;
  const whole = flamegraphOf("sh;main;tiny_one 4\nsh;main;tiny_two 6\nsh;other 30\n");
  mock.profile = (q) => (q.searchParams.get("path") ? whole : short);
  t.after(() => (mock.profile = () => usual));
  const page = await open(t);
  await drawn(page);
  await page.focus(".flame");
  for (let i = 0; i < 6; i++) {
    const at = await page.textContent(".flame [aria-selected=true]");
    if (at.startsWith("(2 small")) break;
    await page.keyboard.press(at.startsWith("other") ? "ArrowLeft" : "ArrowDown");
  }
  assert.match(await page.textContent(".flame [aria-selected=true]"), /^\(2 small frames\)/);
  await page.keyboard.press("Enter");
  await page.fill(".search-input", "tiny_");
  await page.waitForFunction(() => document.querySelector(".search-result").textContent.includes("25.0 %"));
  assert.deepEqual(JSON.parse(new URL(mock.requests.findLast((r) => r.includes("path=")), url).searchParams.get("path")), ["sh", "main"]);
  assert.deepEqual(page.problems, []);
});

test("a folded frame is opened under filters as well: the profile is fetched in more detail", async (t) => {
  const short = flamegraphOf("sh;main;(2 small frames) 10\nsh;other 30\n");
  short.nodes.kind[short.nodes.name.findIndex((n) => short.strings[n] === "(2 small frames)")] = 8;
  const whole = flamegraphOf("sh;main;tiny_one 4\nsh;main;tiny_two 6\nsh;other 30\n");
  mock.profile = (q) => (q.searchParams.get("min_share") ? whole : short);
  t.after(() => (mock.profile = () => usual));
  const page = await open(t, "?hideframes=%5Eother%24");
  await drawn(page);
  await page.focus(".flame");
  await page.keyboard.press("End");
  for (let i = 0; i < 4 && !(await page.textContent(".flame [aria-selected=true]")).startsWith("(2 small"); i++) await page.keyboard.press("ArrowDown");
  assert.match(await page.textContent(".flame [aria-selected=true]"), /^\(2 small frames\)/);
  await page.keyboard.press("Enter");
  await page.fill(".search-input", "tiny_");
  await page.waitForFunction(() => document.querySelector(".search-result").textContent.includes("25.0 %"));
  assert.deepEqual(page.problems, []);
});

test("live follows now and stops when told", async (t) => {
  const page = await open(t);
  await drawn(page);
  await page.click(".live");
  assert.ok(page.url().includes("live=1"));
  const count = () => mock.requests.filter((r) => r.startsWith("/api/v1/query")).length;
  const first = count();
  await page.waitForTimeout(6500);
  assert.ok(count() > first);
  await page.click(".live");
  const second = count();
  await page.waitForTimeout(6000);
  assert.equal(count(), second);
});

test("the selector helper completes labels and values", async (t) => {
  const page = await open(t);
  await drawn(page);
  await page.click(".selector-input");
  await page.keyboard.type("{co");
  await page.waitForSelector(".suggestion:text-is('comm')");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".suggestion:text-is('node')");
  await page.click(".suggestion:text-is('node')");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("query") === '{comm="node"}');
  assert.deepEqual(page.problems, []);
});
