// SPDX-License-Identifier: Apache-2.0
//
// The modules of the page that need no browser, against small naive versions of themselves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flamegraphOf } from "./mock.mjs";
import { bushy, deep, randomFrom } from "./synthetic.mjs";
import { modules } from "./support.mjs";

const { builder, colour, format, layout, names, profile, search, selector, splice, time, top, transform, tree, url } = await modules(
  "builder", "colour", "format", "layout", "names", "profile", "search", "selector", "splice", "time", "top", "transform", "tree", "url");

const folded = "sh;main;parse;lex 5\nsh;main;parse 2\nsh;main;emit;lex 3\nsh;main;emit;write_[k] 1\nls;main;lex;lex 4\n";
const small = () => profile.parseProfile(flamegraphOf(folded)).tree;

/** A tree as sorted folded lines, made by walking up from each node. */
function foldedOf(t) {
  const lines = [];
  for (let i = 1; i < t.count; i++)
    if (t.self[i]) lines.push(`${tree.pathTo(t, i).slice(1).map((n) => t.strings[t.name[n]]).join(";")} ${t.self[i]}`);
  return lines.sort();
}

function checkSums(t) {
  const sum = Float64Array.from(t.self);
  for (let i = t.count - 1; i > 0; i--) {
    assert.ok(t.parent[i] < i && t.parent[i] >= 0);
    sum[t.parent[i]] += sum[i];
  }
  for (let i = 0; i < t.count; i++) assert.ok(Math.abs(sum[i] - t.total[i]) < 1e-6, `total of node ${i}`);
}

test("a profile keeps every stack of the JSON", () => {
  assert.deepEqual(foldedOf(small()), ["ls;main;lex;lex 4", "sh;main;emit;lex 3", "sh;main;emit;write 1", "sh;main;parse 2", "sh;main;parse;lex 5"]);
});

test("damaged JSON is refused with words", () => {
  const damage = {
    "a parent after its child": (j) => (j.nodes.parent[2] = 5),
    "a second root": (j) => (j.nodes.parent[3] = -1),
    "a name outside of the strings": (j) => (j.nodes.name[1] = 999),
    "a short column": (j) => j.nodes.self.pop(),
    "another version": (j) => (j.version = 2),
    "no nodes": (j) => delete j.nodes,
    "an empty tree": (j) => Object.keys(j.nodes).forEach((k) => (j.nodes[k] = [])),
  };
  for (const [what, break_] of Object.entries(damage)) {
    const j = flamegraphOf(folded);
    break_(j);
    assert.throws(() => profile.parseProfile(j), (e) => e instanceof Error && e.message.length > 10 && !/undefined|NaN/.test(e.message), what);
  }
});

test("rows of the layout do not overlap and lie below their parents", () => {
  const t = profile.parseProfile(bushy(5000, 7)).tree;
  const l = layout.layoutTree(t);
  for (let d = 0; d < l.rows; d++) {
    let right = 0;
    for (let i = l.rowFirst[d]; i < l.rowFirst[d + 1]; i++) {
      const n = l.rowNodes[i];
      assert.ok(l.start[n] >= right);
      right = l.start[n] + l.width[n];
      const p = t.parent[n];
      if (p >= 0) assert.ok(l.start[n] >= l.start[p] && right <= l.start[p] + l.width[p]);
    }
  }
});

test("the node at a place is the one a linear search finds", () => {
  const t = profile.parseProfile(bushy(3000, 3)).tree;
  const l = layout.layoutTree(t);
  const random = randomFrom(11);
  for (let k = 0; k < 2000; k++) {
    const row = Math.floor(random() * (l.rows + 1));
    const x = random() * t.total[0];
    let expected = -1;
    for (let i = 0; i < t.count; i++) if (t.depth[i] === row && l.start[i] <= x && x < l.start[i] + l.width[i]) expected = i;
    assert.equal(layout.nodeAt(l, row, x), expected);
  }
});

test("a search counts each sample once, as folded stacks do", () => {
  const t = profile.parseProfile(bushy(4000, 5)).tree;
  for (const text of ["hash", "^read_", "9$", "zzz", "bin:libc", "(read|write)_.*1"]) {
    const p = search.parsePattern(text);
    let expected = 0;
    for (let i = 1; i < t.count; i++) {
      const column = t[p.field];
      if (t.self[i] && tree.pathTo(t, i).slice(1).some((n) => p.regex.test(t.strings[column[n]]))) expected += t.self[i];
    }
    assert.equal(search.searchTree(t, p).samples, expected, text);
  }
});

test("case matters only with a capital letter", () => {
  assert.ok(search.parsePattern("lex").regex.test("LEX"));
  assert.ok(!search.parsePattern("Lex").regex.test("lex"));
  assert.ok(search.parsePattern("\\W").regex.ignoreCase);
  assert.equal(search.parsePattern(""), null);
  assert.equal(search.parsePattern("bin:"), null);
  assert.throws(() => search.parsePattern("(("), SyntaxError);
});

test("next and previous match go round in order", () => {
  const m = search.searchTree(small(), search.parsePattern("^lex$"));
  const nodes = [...m.nodes];
  assert.equal(nodes.length, 4);
  assert.equal(search.nextMatch(m, 0, 1), nodes[0]);
  assert.equal(search.nextMatch(m, nodes[0], 1), nodes[1]);
  assert.equal(search.nextMatch(m, nodes[3], 1), nodes[0]);
  assert.equal(search.nextMatch(m, nodes[0], -1), nodes[3]);
  assert.equal(search.nextMatch(m, nodes[2], -1), nodes[1]);
});

test("a quoted name matches itself and nothing else", () => {
  for (const name of ["operator()(int)", "a+b", "[libc.so.6]", "f<x|y>::g$1", "<img src=x>"]) {
    const { regex } = search.parsePattern(search.quotePattern(name));
    assert.ok(regex.test(name));
    assert.ok(!regex.test(`${name}x`));
  }
});

test("the table counts recursion once and matches folded stacks", () => {
  const t = profile.parseProfile(bushy(4000, 9)).tree;
  const expected = new Map();
  for (let i = 1; i < t.count; i++) {
    if (!t.self[i]) continue;
    const path = tree.pathTo(t, i).slice(1).filter((n) => t.kind[n] !== tree.Kind.label);
    const keys = path.map((n) => `${t.strings[t.name[n]]}|${t.strings[t.binary[n]]}|${t.kind[n] === 3 ? 2 : t.kind[n]}`);
    for (const k of new Set(keys)) {
      const e = expected.get(k) ?? { self: 0, total: 0 };
      e.total += t.self[i];
      expected.set(k, e);
    }
    if (keys.length && path[path.length - 1] === i) expected.get(keys[keys.length - 1]).self += t.self[i];
  }
  const rows = top.topFunctions(t);
  assert.equal(rows.length, expected.size);
  for (const r of rows) {
    const e = expected.get(`${r.name}|${r.binary}|${r.kind === 3 ? 2 : r.kind}`);
    assert.deepEqual([r.self, r.total], [e.self, e.total], r.name);
  }
});

test("inverting reverses every stack", () => {
  const inverted = transform.invert(small());
  checkSums(inverted);
  assert.equal(inverted.total[0], 15);
  assert.deepEqual(foldedOf(inverted), [
    "lex;emit;main;sh 3", "lex;lex;main;ls 4", "lex;parse;main;sh 5", "parse;main;sh 2", "write;emit;main;sh 1",
  ]);
});

test("inverting a large tree folds small groups and loses nothing", () => {
  const t = profile.parseProfile(bushy(30000, 2)).tree;
  const whole = transform.invert(t, 0);
  const cut = transform.invert(t, t.total[0] / 500);
  checkSums(cut);
  assert.equal(cut.total[0], t.total[0]);
  assert.equal(whole.total[0], t.total[0]);
  assert.ok(cut.count < whole.count / 4);
  assert.ok([...cut.kind].includes(tree.Kind.elided));
});

test("hiding frames gives their time to their callers", () => {
  const t = transform.rearrange(small(), { ...transform.noFilters, hide: ["kernel"], hideFrames: "^parse$" });
  checkSums(t);
  assert.deepEqual(foldedOf(t), ["ls;main;lex;lex 4", "sh;main 2", "sh;main;emit 1", "sh;main;emit;lex 3", "sh;main;lex 5"]);
});

test("runs of frames are drawn as one, their time stays", () => {
  const of = (text, r) => foldedOf(transform.rearrange(profile.parseProfile(flamegraphOf(text)).tree, { ...transform.noFilters, ...r }));
  const text = "sh;main;[lib.so];[lib.so];[lib.so];leaf 3\nsh;main;[lib.so];[lib.so] 2\nsh;main;walk;walk;other;walk 4\n";
  assert.deepEqual(of(text, { collapse: ["unnamed"] }), ["sh;main;[lib.so] 2", "sh;main;[lib.so];leaf 3", "sh;main;walk;walk;other;walk 4"]);
  assert.deepEqual(of(text, { collapse: ["recursion"] }), ["sh;main;[lib.so] 2", "sh;main;[lib.so];leaf 3", "sh;main;walk;other;walk 4"]);
  assert.deepEqual(of(text, { collapseFrames: "walk|other" }), ["sh;main;[lib.so];[lib.so] 2", "sh;main;[lib.so];[lib.so];[lib.so];leaf 3", "sh;main;walk 4"]);
  assert.deepEqual(of(text, { collapse: ["unnamed"], hideFrames: "^main$" }), ["sh;[lib.so] 2", "sh;[lib.so];leaf 3", "sh;walk;walk;other;walk 4"]);
});

test("keeping and dropping choose whole stacks", () => {
  const only = { ...transform.noFilters, keep: "parse" };
  assert.deepEqual(foldedOf(transform.rearrange(small(), only)), ["sh;main;parse 2", "sh;main;parse;lex 5"]);
  const without = { ...transform.noFilters, drop: "emit|ls" };
  assert.deepEqual(foldedOf(transform.rearrange(small(), without)), ["sh;main;parse 2", "sh;main;parse;lex 5"]);
  assert.equal(transform.rearrange(small(), { ...only, keep: "nothing" }).total[0], 0);
});

test("callers and callees of a function cover the same samples", () => {
  const t = small();
  const { marked, samples } = search.searchTree(t, search.parsePattern("^lex$"));
  const up = transform.callersOf(t, marked);
  const down = transform.calleesOf(t, marked);
  assert.equal(up.total[0], samples);
  assert.equal(down.total[0], samples);
  assert.deepEqual(foldedOf(up), ["lex;emit;main;sh 3", "lex;main;ls 4", "lex;parse;main;sh 5"]);
  assert.deepEqual(foldedOf(down), ["lex 8", "lex;lex 4"]);
});

test("a node's key finds the same stack in another profile", () => {
  const t = profile.parseProfile(bushy(3000, 4)).tree;
  const seen = new Set();
  for (let i = 1; i < t.count; i += 7) {
    const key = tree.nodeKey(t, i);
    const found = tree.nodeByKey(t, key);
    const same = (n) => tree.pathTo(t, n).map((x) => `${t.strings[t.name[x]]}/${t.kind[x]}`).join(";");
    assert.equal(same(found), same(i));
    seen.add(key);
  }
  assert.ok(seen.size > 300);
  assert.equal(tree.nodeByKey(t, "nonsense!"), -1);
});

test("a spliced subtree takes the place of a folded one", () => {
  const short = profile.parseProfile(flamegraphOf("sh;main;(2 small frames) 10\nls;main 4\nzz;main 1\n")).tree;
  const whole = profile.parseProfile(flamegraphOf("sh;main;parse;lex 5\nsh;main;parse 2\nsh;main;emit 3\nls;x 4\nzz;x 1\n")).tree;
  const at = splice.nodeByPath(short, ["sh", "main"]);
  const t = splice.spliceTree(short, at, whole, splice.nodeByPath(whole, ["sh", "main"]));
  checkSums(t);
  assert.deepEqual(foldedOf(t), ["ls;main 4", "sh;main;emit 3", "sh;main;parse 2", "sh;main;parse;lex 5", "zz;main 1"]);
  assert.equal(splice.nodeByPath(short, ["sh", "nothing"]), -1);
});

test("a stack of 200,000 frames goes through everything", () => {
  const t = profile.parseProfile(deep(200000)).tree;
  assert.equal(t.maxDepth, 200000);
  layout.layoutTree(t);
  assert.equal(search.searchTree(t, search.parsePattern("even")).samples, 7);
  assert.equal(transform.invert(t).maxDepth, 200000);
  assert.equal(transform.rearrange(t, { ...transform.noFilters, hideFrames: "odd" }).total[0], 7);
  assert.equal(top.topFunctions(t).length, 2);
});

test("names get shorter from the outside in", () => {
  const ways = names.shorterNames("std::vector<int, std::allocator<int> >::push_back(int const&)");
  assert.deepEqual(ways, [
    "std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector<int, std::allocator<int> >::push_back",
    "std::vector<…>::push_back", "vector<…>::push_back", "push_back",
  ]);
  assert.equal(names.shorterNames("github.com/a/b/c.(*T).Run").at(-1), "c.(*T).Run");
  assert.equal(names.shorterNames("operator()(int)")[1], "operator()");
  assert.deepEqual(names.shorterNames("[libc.so.6]"), ["[libc.so.6]"]);
  assert.ok(names.shorterNames("std::ostream& operator<< <char>(int)").every((n) => n.includes("operator<<")));
  assert.ok(names.shorterNames("x".repeat(100000))[0].length <= names.longestName + 1);
  assert.ok(!/[\u0000-\u001f\u202e]/.test(names.cleanName("a\n\u0000b\u202ec")));
});

test("packages come from namespaces and paths", () => {
  const cases = {
    "std::vector<int>::push_back": "std", "github.com/a/b.(*T).Run": "github.com/a/b", "runtime.mallocgc": "runtime",
    "<core::slice::Iter<T> as Iterator>::next": "core", main: "",
  };
  for (const [name, expected] of Object.entries(cases)) assert.equal(names.packageOf(name), expected, name);
});

test("the link and the state say the same", () => {
  const state = {
    ...url.defaults, view: "table", query: '{comm="a b",exe=~"/x.*"}', from: "1700000000", to: "1700000900", search: "a|b&c=d#e", zoom: "abc123",
    inverted: true, hide: ["kernel", "libc"], collapse: ["unnamed"], collapseFrames: "Py.*", keep: "ü ☃", by: "cgroup", live: true, colour: "binary",
  };
  assert.deepEqual(url.readState(url.writeState(state)), state);
  assert.equal(url.writeState(url.defaults), "");
  assert.deepEqual(url.readState("?view=nonsense&color=red&hide=%3Cimg%3E&by=%22"), { ...url.defaults });
});

test("times read as the API writes them", () => {
  assert.equal(time.parseTime("now-15m", 1000000), 999100);
  assert.equal(time.parseTime("now", 5), 5);
  assert.equal(time.parseTime("1700000000.5"), 1700000000.5);
  assert.equal(time.parseTime("2026-01-02T03:04:05Z"), Date.UTC(2026, 0, 2, 3, 4, 5) / 1000);
  assert.ok(Number.isNaN(time.parseTime("yesterday")));
});

test("the selector helper knows what fits at the caret", () => {
  const at = (text) => selector.wantedAt(text, text.length);
  assert.deepEqual(at(""), { kind: "label", prefix: "", start: 0 });
  assert.deepEqual(at("{co"), { kind: "label", prefix: "co", start: 1 });
  assert.deepEqual(at('{comm="no'), { kind: "value", label: "comm", prefix: "no", start: 7 });
  assert.deepEqual(at('cpu{comm="a,b",exe!~"x'), { kind: "value", label: "exe", prefix: "x", start: 21 });
  assert.deepEqual(at('{comm="a",'), { kind: "label", prefix: "", start: 10 });
  assert.equal(at('{comm="a"}').kind, "none");
  assert.equal(selector.withMatcher("", "comm", 'a"b\\'), '{comm="a\\"b\\\\"}');
  assert.equal(selector.withMatcher('cpu{comm="x",exe="y"}', "comm", "z"), 'cpu{exe="y",comm="z"}');
  assert.equal(selector.withMatcher("{comm=", "comm", "z"), null);
});

test("figures are short and say what they mean", () => {
  assert.deepEqual([0, 0.01, 0.1234, 0.99999, 1e-7].map(format.formatShare), ["0 %", "1.00 %", "12.3 %", "100 %", "<0.01 %"]);
  assert.deepEqual([0, 1e-5, 0.0123, 4.5678, 600, 10000].map(format.formatSeconds), ["0 s", "10.0 µs", "12.3 ms", "4.57 s", "10.0 min", "2.78 h"]);
  assert.deepEqual([40, 900, 5400, 90000].map(format.formatDuration), ["40 s", "15 min", "1 h 30 min", "1 d 1 h"]);
});

test("the error of a share is that of the binomial", () => {
  assert.ok(Math.abs(profile.shareError(500, 1000) - 0.031) < 0.001);
  assert.ok(profile.shareError(0, 1000) > 0 && profile.shareError(1000, 1000) > 0);
  assert.equal(profile.shareError(0, 0), 0);
});

test("text on every frame colour can be read", () => {
  const luminance = (hex) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const t = small();
  for (const theme of ["light", "dark"]) {
    const ink = colour.inks[theme];
    for (const by of ["kind", "binary", "package"])
      for (const c of colour.colourTree(t, by, theme).palette) assert.ok(contrast(c, ink.text) >= 4.5, `${theme} ${by} ${c}: ${contrast(c, ink.text)}`);
    assert.ok(contrast(ink.match, ink.matchText) >= 4.5);
    assert.ok(contrast(ink.dim, ink.dimText) >= 4.5, `${theme} dim ${contrast(ink.dim, ink.dimText)}`);
    for (let x = -1; x <= 1; x += 0.125) assert.ok(contrast(colour.differenceColour(x, theme), ink.text) >= 4.5, `${theme} difference ${x}`);
  }
});

test("equal frames below one parent become one, sorted by name", () => {
  const t = small();
  const frames = builder.internFrames(t);
  const b = new builder.TreeBuilder(t, frames);
  for (let i = t.count - 1; i > 0; i--) b.addSelf(b.child(0, frames.of[i]), t.self[i]);
  const flat = b.finish();
  checkSums(flat);
  assert.deepEqual([...flat.name.slice(1)].map((n) => t.strings[n]), ["lex", "parse", "write"]);
});
