// SPDX-License-Identifier: Apache-2.0
//
// Which frame a key leads to. Up and Down follow the picture: in an icicle Down goes to a callee, in a flame Up does.
import { childrenOf, type Tree } from "./tree";

/** The node to go to, an action, or null when the key means nothing here. */
export type KeyResult = number | "zoom" | "menu" | null;

/** What a key does while the keyboard is on a node of the flame graph. */
export function treeKey(e: KeyboardEvent, t: Tree, node: number, upward: boolean): KeyResult {
  if (e.key === "ContextMenu" || (e.key === "F10" && e.shiftKey)) return "menu";
  if (e.ctrlKey || e.metaKey || e.altKey) return null;
  switch (e.key) {
    case "ArrowDown":
      return upward ? parentOf(t, node) : widestChild(t, node);
    case "ArrowUp":
      return upward ? widestChild(t, node) : parentOf(t, node);
    case "ArrowLeft":
      return neighbour(t, node, -1);
    case "ArrowRight":
      return neighbour(t, node, 1);
    case "Home":
      return 0;
    case "End":
      return hottestLeaf(t, node);
    case "Enter":
    case " ":
      return "zoom";
    default:
      return null;
  }
}

function parentOf(t: Tree, node: number): number {
  return Math.max(0, t.parent[node]);
}

/** The child with the most samples; the node itself when it has none. */
export function widestChild(t: Tree, node: number): number {
  let best = node;
  for (let i = node + 1; i < t.end[node]; i = t.end[i]) if (best === node || t.total[i] > t.total[best]) best = i;
  return best;
}

/** The node beside this one in its row, whoever its parent is. */
function neighbour(t: Tree, node: number, direction: 1 | -1): number {
  const depth = t.depth[node];
  if (direction === 1) {
    for (let i = t.end[node]; i < t.count; ) {
      if (t.depth[i] === depth) return i;
      i = t.depth[i] < depth ? i + 1 : t.end[i];
    }
    return node;
  }
  for (let i = node - 1; i > 0; i--) if (t.depth[i] === depth) return i;
  return node;
}

/** Follow the heaviest callee down to where the time is spent. */
function hottestLeaf(t: Tree, node: number): number {
  let at = node;
  while (childrenOf(t, at).length) {
    const next = widestChild(t, at);
    if (t.total[next] < t.self[at]) break;
    at = next;
  }
  return at;
}
