// SPDX-License-Identifier: Apache-2.0
//
// What the browser tests share: bundling a module for node, Chromium, and a server with a known workload.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const esbuild = createRequire(join(root, "web/package.json"))("esbuild");

/** Import modules of web/src as one: { tree, search, ... }. */
export async function modules(...names) {
  const source = names.map((n) => `export * as ${n} from "./${n}";`).join("\n");
  const result = await esbuild.build({
    stdin: { contents: source, resolveDir: join(root, "web/src"), loader: "ts" }, bundle: true, format: "esm", write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(result.outputFiles[0].text).toString("base64")}`);
}

/** Chromium as Debian packages it, without any traffic of its own. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: "/usr/bin/chromium", headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A page that keeps what must not happen: console errors, exceptions, requests to elsewhere. */
export async function openPage(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
  page.setDefaultTimeout(8000);
  page.problems = [];
  page.on("console", (m) => m.type() === "error" && page.problems.push(`console: ${m.text()}`));
  page.on("pageerror", (e) => page.problems.push(`exception: ${e.message}`));
  page.on("request", (r) => {
    if (new URL(r.url()).origin !== new URL(url).origin && !/^(data|blob):/.test(r.url())) page.problems.push(`request to ${r.url()}`);
  });
  await page.goto(url);
  return page;
}

/** A port nobody uses now, from those given to browser tests. */
async function freePort() {
  for (let port = 7990; port < 7994; port++) {
    const free = await new Promise((resolve) => {
      const s = createServer().once("error", () => resolve(false)).once("listening", () => s.close(() => resolve(true)));
      s.listen(port, "127.0.0.1");
    });
    if (free) return port;
  }
  throw new Error("ports 7990 to 7993 are all in use");
}

/** Run a program until stop() is called. */
function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let output = "";
  child.stdout.on("data", (d) => (output += d));
  child.stderr.on("data", (d) => (output += d));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const stop = () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 10000);
    return ended.then((status) => (clearTimeout(late), status));
  };
  return { child, ended, get output() { return output; }, stop };
}

/** Start `hearth serve` on a port of its own and wait until it is ready. A port that somebody else took first is no failure. */
export async function startHearth(...args) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await startOnce(...args);
    } catch (e) {
      if (attempt === 3 || !/in use/i.test(e.message)) throw e;
    }
  }
}

async function startOnce(...args) {
  const port = await freePort();
  const data = mkdtempSync(join(tmpdir(), "hearth-browser-"));
  const program = process.env.HEARTH ?? join(root, "build/hearth");
  const run = start(program, ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", data, ...args]);
  const url = `http://127.0.0.1:${port}`;
  let gone = false;
  void run.ended.then(() => (gone = true));
  for (let i = 0; i < 150; i++) {
    if (gone) throw new Error(`hearth serve ended: ${run.output}`);
    const ready = await fetch(`${url}/readyz`).then((r) => r.ok, () => false);
    if (ready) {
      const stop = () => run.stop().then(() => rmSync(data, { recursive: true, force: true }));
      return { url, port, stop, get output() { return run.output; } };
    }
    await new Promise((r) => setTimeout(r, 100));
  }
  await run.stop();
  throw new Error(`hearth serve was not ready after 15 s: ${run.output}`);
}

/** Its process name: one of ours alone, whatever other tests run on this machine. */
export const workName = `web${process.pid}`;

/** A program whose time is spent in functions we know (workload.c). */
export async function startWorkload(seconds, ...mode) {
  built ??= buildWorkload();
  const program = await built;
  // Ahead of whatever else the machine does, so that its rates are its own.
  const run = start("nice", ["-n", "-15", program, String(seconds), ...mode]);
  return { ended: run.ended, stop: run.stop };
}

let built = null;

/** Compile the workload, once a test program; removed when that ends. */
async function buildWorkload() {
  const directory = mkdtempSync(join(tmpdir(), "hearth-work-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const program = join(directory, workName);
  const cc = start("gcc", ["-O0", "-g", "-o", program, join(root, "tests/browser/workload.c")]);
  if ((await cc.ended) !== 0) throw new Error(`the workload does not compile: ${cc.output}`);
  return program;
}

/** Folded text as rows of [frames, count]. */
export function parseFolded(text) {
  return text.trim().split("\n").filter(Boolean).map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at).split(";"), Number(line.slice(at + 1))];
  });
}

/** The pixel colours of a canvas, as a set of "r,g,b". */
export function canvasColours(page, selector = ".flame-canvas") {
  return page.$eval(selector, (c) => {
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    const colours = {};
    for (let i = 0; i < d.length; i += 4) {
      const k = `${d[i]},${d[i + 1]},${d[i + 2]}`;
      colours[k] = (colours[k] ?? 0) + 1;
    }
    return colours;
  });
}
