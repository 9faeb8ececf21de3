// SPDX-License-Identifier: Apache-2.0
//
// What a screen reader gets of a flame graph: the path to the frame the keyboard is on, as items of an ARIA tree.
import { h } from "./dom";
import { pathTo, type Tree } from "./tree";

const shownLevels = 64;

/** Fill `into` with the path to a node. Returns the id of the node's element, for aria-activedescendant. */
export function describePath(
  into: HTMLElement, id: string, t: Tree, node: number, describe: (node: number) => string,
): string {
  const path = pathTo(t, node).slice(-shownLevels);
  into.replaceChildren(...path.map((n) => {
    const [position, size] = placeAmongSiblings(t, n);
    return h("div", {
      id: `${id}-${n}`, role: "treeitem", "aria-level": t.depth[n] + 1, "aria-posinset": position,
      "aria-setsize": size, "aria-selected": n === node ? "true" : "false",
      "aria-expanded": t.end[n] > n + 1 ? "true" : null,
    }, describe(n));
  }));
  return `${id}-${node}`;
}

function placeAmongSiblings(t: Tree, node: number): [number, number] {
  const p = t.parent[node];
  if (p < 0) return [1, 1];
  let position = 0;
  let size = 0;
  for (let i = p + 1; i < t.end[p]; i = t.end[i]) {
    size++;
    if (i === node) position = size;
  }
  return [position, size];
}
