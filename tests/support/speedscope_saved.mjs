// SPDX-License-Identifier: Apache-2.0
//
// Opens a file in speedscope, in a browser, has speedscope save what it read, and prints that as
// {"total", "unit", "frames"}.
//
//   node speedscope_saved.mjs FILE
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const release = join(here, "../node_modules/speedscope/dist/release");
const profile = readFileSync(process.argv[2]);
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  const file = join(release, path === "/" ? "index.html" : path);
  if (path === "/profile.json") return void response.end(profile);
  if (!existsSync(file)) return void response.writeHead(404).end();
  response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
try {
  const page = await browser.newPage({ acceptDownloads: true });
  const complaints = [];
  page.on("dialog", (dialog) => { complaints.push(dialog.message()); void dialog.dismiss(); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/#profileURL=/profile.json`);
  try {
    await page.waitForFunction(() => document.title.endsWith(" - speedscope"), null, { timeout: 30000 });
  } catch (error) {
    throw new Error(`speedscope did not open it: ${complaints.join("; ") || error}`);
  }
  const [download] = await Promise.all([page.waitForEvent("download", { timeout: 15000 }), page.keyboard.press("Control+s")]);
  const saved = JSON.parse(readFileSync(await download.path(), "utf8"));
  const one = saved.profiles[saved.activeProfileIndex ?? 0];
  console.log(JSON.stringify({
    total: one.endValue - one.startValue,
    unit: one.unit,
    frames: saved.shared.frames.map((f) => f.name),
  }));
} finally {
  await browser.close();
  server.close();
}
