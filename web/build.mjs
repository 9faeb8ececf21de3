// SPDX-License-Identifier: Apache-2.0
//
// Bundles the page, compresses every file, and writes assets_data.S, which puts them into the binary.
//
//   node build.mjs OUTPUT_DIRECTORY
//
// Script and style carry the hash of their content in their names and may be cached forever. The plain files are written
// too, for looking at.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const output = resolve(process.argv[2] ?? "../build/web");
mkdirSync(output, { recursive: true });

const sha256 = (text, encoding) => createHash("sha256").update(text).digest(encoding);
const read = (name) => readFileSync(new URL(`src/${name}`, import.meta.url), "utf8");
const assets = [];

function add(path, type, content, immutable) {
  const plain = Buffer.from(content);
  const file = join(output, `${assets.length}.gz`);
  const gzip = gzipSync(plain, { level: 9 });
  writeFileSync(file, gzip);
  writeFileSync(join(output, path === "/" ? "index.html" : path.replace(/^\//, "")), plain);
  assets.push({
    path, type, etag: `"${sha256(plain, "hex").slice(0, 16)}"`, file, immutable, gzipBytes: gzip.length, plainBytes: plain.length,
  });
}

async function bundle(entry) {
  const result = await build({
    entryPoints: [new URL(`src/${entry}`, import.meta.url).pathname], bundle: true, minify: true, format: "iife",
    target: "es2022", write: false, legalComments: "none", charset: "utf8", outdir: output,
  });
  return result.outputFiles[0].text.trim();
}

/** Replace markers; a function, so that "$&" in the content stays what it is. */
const replaceAll = (text, values) => Object.entries(values).reduce((t, [k, v]) => t.replace(k, () => v), text);

const script = await bundle("main.ts");
const style = await bundle("style.css");
const icon = read("icon.svg").trim();
const named = (name, ext, text) => `/${name}-${sha256(text, "hex").slice(0, 12)}.${ext}`;
const scriptPath = named("app", "js", script);
const stylePath = named("app", "css", style);
const iconPath = named("icon", "svg", icon);

const page = replaceAll(read("index.html"), { "@ICON@": iconPath, "@STYLE@": stylePath, "@SCRIPT@": scriptPath });
const inlineScript = script.replace(/<\/(script)/gi, "<\\/$1").replace(/<!--/g, "<\\!--");
const exported = replaceAll(read("export.html"), {
  "@SCRIPT_HASH@": `sha256-${sha256(inlineScript, "base64")}`,
  "@STYLE_HASH@": `sha256-${sha256(style, "base64")}`,
  "@ICON@": Buffer.from(icon).toString("base64"),
  "@STYLE@": style,
  "@SCRIPT@": inlineScript,
});
if (exported.split('"@HEARTH_PROFILE@"').length !== 2) throw new Error("export.html must hold the profile's marker once");

add("/", "text/html; charset=utf-8", page, false);
add(scriptPath, "text/javascript; charset=utf-8", script, true);
add(stylePath, "text/css; charset=utf-8", style, true);
add(iconPath, "image/svg+xml", icon, true);
add("export.html", "text/html; charset=utf-8", exported, false);

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
