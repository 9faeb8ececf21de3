// SPDX-License-Identifier: Apache-2.0
//
// Loads a file with the importer of the speedscope package, in its own page, in Chromium.
//
//   node speedscope.mjs FILE      prints the title that speedscope shows; exit status 1 and the reason if it refuses
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const file = process.argv[2];
const here = dirname(fileURLToPath(import.meta.url));
const page_path = join(here, "../node_modules/speedscope/dist/release/index.html");
const scratch = mkdtempSync(join(tmpdir(), "hearth-speedscope-"));
const loader = join(scratch, "load.js");
writeFileSync(loader, `speedscope.loadFileFromBase64(${JSON.stringify(basename(file))}, ` +
  `${JSON.stringify(readFileSync(file).toString("base64"))})`);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--allow-file-access-from-files"],
});
let status = 1;
try {
  const page = await browser.newPage();
  const problems = [];
  page.on("pageerror", (e) => problems.push(String(e)));
  page.on("dialog", (d) => { problems.push(d.message()); d.dismiss(); });
  page.on("console", (m) => { if (m.type() === "error") problems.push(m.text()); });
  await page.goto(`file://${page_path}#localProfilePath=${loader}`);
  const loaded = page.getByText("Time Order", { exact: false }).first();
  await loaded.waitFor({ timeout: 15000 }).catch(() => problems.push("no profile is shown"));
  const text = await page.evaluate(() => document.body.innerText);
  if (/unrecognized format|something went wrong|failed/i.test(text)) problems.push(text.trim().slice(0, 200));
  if (process.argv[3]) await page.screenshot({ path: process.argv[3] });
  if (problems.length === 0) status = 0;
  console.log(problems.length ? problems.join("; ") : (await page.title()) + " | " + text.replace(/\s+/g, " ").slice(0, 200));
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true });
}
process.exit(status);
