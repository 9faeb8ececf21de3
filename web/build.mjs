// SPDX-License-Identifier: Apache-2.0
//
// Bundles the page, compresses every file, and writes assets_data.S, which puts them into the binary.
//
//   node build.mjs OUTPUT_DIRECTORY
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const output = resolve(process.argv[2] ?? "../build/web");
mkdirSync(output, { recursive: true });

const assets = [];

function add(path, type, content, immutable) {
  const plain = Buffer.from(content);
  const etag = `"${createHash("sha256").update(plain).digest("hex").slice(0, 16)}"`;
  const file = join(output, `${assets.length}.gz`);
  const gzip = gzipSync(plain, { level: 9 });
  writeFileSync(file, gzip);
  assets.push({ path, type, etag, file, immutable, gzipBytes: gzip.length, plainBytes: plain.length });
}

async function bundle(entry) {
  const result = await build({
    entryPoints: [entry], bundle: true, minify: true, format: "iife", target: "es2022",
    write: false, legalComments: "none",
  });
  return result.outputFiles[0].text;
}

const hashed = (name, ext, text) =>
  `/${name}-${createHash("sha256").update(text).digest("hex").slice(0, 12)}.${ext}`;

const script = await bundle("src/main.ts");
const style = readFileSync("src/style.css", "utf8");
const scriptPath = hashed("app", "js", script);
const stylePath = hashed("app", "css", style);
const page = readFileSync("src/index.html", "utf8")
  .replace("@SCRIPT@", scriptPath)
  .replace("@STYLE@", stylePath);

add("/", "text/html; charset=utf-8", page, false);
add(scriptPath, "text/javascript; charset=utf-8", script, true);
add(stylePath, "text/css; charset=utf-8", style, true);
add("export.html", "text/html; charset=utf-8", page, false);

const string = (label, text) => `${label}: .asciz ${JSON.stringify(text)}`;
const lines = ["/* Made by build.mjs. */", '\t.section .rodata, "a"'];
assets.forEach((a, i) => {
  lines.push(string(`path${i}`, a.path), string(`type${i}`, a.type), string(`etag${i}`, a.etag));
  lines.push("\t.balign 16", `data${i}: .incbin ${JSON.stringify(a.file)}`);
});
lines.push('\t.section .data.rel.ro, "aw"', "\t.balign 8", "\t.globl web_assets_table", "web_assets_table:");
assets.forEach((a, i) => {
  lines.push(`\t.quad path${i}, type${i}, etag${i}, data${i}, ${a.gzipBytes}, ${a.plainBytes}, ${a.immutable ? 1 : 0}`);
});
lines.push("\t.quad 0, 0, 0, 0, 0, 0, 0", '\t.section .note.GNU-stack, "", %progbits', "");
writeFileSync(join(output, "assets_data.S"), lines.join("\n"));
