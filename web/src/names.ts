// SPDX-License-Identifier: Apache-2.0
//
// How a function's name is written where there is little room: the function comes first, then its class, then
// its namespace; template arguments and parameters go before the name itself does.

/** Names longer than this are cut before anything looks at them. */
export const longestName = 1000;

/** A name ready to be shown on one line: control and direction characters made visible or harmless. */
export function cleanName(name: string): string {
  const cut = name.length > longestName ? `${name.slice(0, longestName)}…` : name;
  // eslint-style escapes on purpose: C0, C1, and the bidirectional overrides.
  return cut.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\u00b7");
}

/**
 * Ever shorter ways to write a name, from the whole to the function alone. At least one; each shorter than
 * the one before.
 */
export function shorterNames(name: string): string[] {
  const full = cleanName(name);
  const ways = [full];
  const push = (s: string) => {
    if (s && s.length < ways[ways.length - 1].length) ways.push(s);
  };
  if (full.startsWith("[") || full.startsWith("/")) return ways;
  const bare = withoutParameters(full);
  push(bare);
  const plain = collapseAngles(bare);
  push(plain);
  push(lastParts(plain, 2));
  push(lastParts(plain, 1));
  return ways;
}

/** Cut "(int, char const*) const" off the end; "operator()" and "(anonymous namespace)" stay. */
function withoutParameters(name: string): string {
  const close = name.lastIndexOf(")");
  if (close < 0) return name;
  if (!/^\)( const| volatile|&| \[clone [^\]]*\]| \(\.[^)]*\))*$/.test(name.slice(close))) return name;
  let nesting = 0;
  for (let i = close; i >= 0; i--) {
    if (name[i] === ")") nesting++;
    else if (name[i] === "(" && --nesting === 0) {
      const head = name.slice(0, i);
      return head === "" || head.endsWith("operator") || head.endsWith("::") || head.endsWith(".") ? name : head;
    }
  }
  return name;
}

/** Write <...> for template arguments; operators such as operator<< stay. */
function collapseAngles(name: string): string {
  if (name.startsWith("<")) return name;
  let out = "";
  let nesting = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name[i];
    if (c === "<" && nesting === 0 && /operator<?$/.test(out)) out += c;
    else if (c === "<") {
      if (nesting++ === 0) out += "<…";
    } else if (c === ">" && nesting > 0 && name[i - 1] !== "-") {
      if (--nesting === 0) out += ">";
    } else if (nesting === 0) out += c;
  }
  return nesting === 0 ? out : name;
}

/** The last `count` parts of a::b::c or of a Go path a/b.(*T).c. */
function lastParts(name: string, count: number): string {
  const slash = name.lastIndexOf("/");
  const rest = slash >= 0 && slash < name.length - 1 ? name.slice(slash + 1) : name;
  const cuts: number[] = [];
  let nesting = 0;
  for (let i = 0; i + 1 < rest.length; i++) {
    if (rest[i] === "<" || rest[i] === "(" || rest[i] === "{") nesting++;
    else if ((rest[i] === ">" && rest[i - 1] !== "-") || rest[i] === ")" || rest[i] === "}") nesting--;
    else if (nesting === 0 && rest[i] === ":" && rest[i + 1] === ":") cuts.push(i + 2);
  }
  return cuts.length >= count ? rest.slice(cuts[cuts.length - count]) : rest;
}

/** The package a function belongs to, as far as its name tells: namespace, crate, Go package; else "". */
export function packageOf(name: string): string {
  const slash = name.lastIndexOf("/");
  if (slash > 0 && !name.startsWith("[")) {
    const dot = name.indexOf(".", slash);
    if (dot > 0) return name.slice(0, dot);
  }
  const inner = name.startsWith("<") ? name.slice(1) : name;
  const colon = inner.indexOf("::");
  if (colon > 0) return inner.slice(0, colon).replace(/^.*[\s&*(]/, "");
  const go = /^([a-z][\w]*)\.[\w(]/.exec(name);
  return go ? go[1] : "";
}

/** The last part of a path. */
export function baseName(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash >= 0 && slash < path.length - 1 ? path.slice(slash + 1) : path;
}
