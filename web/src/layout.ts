// SPDX-License-Identifier: Apache-2.0
//
// Where each frame of a tree lies: its left edge in samples, and the frames of each row from left to right.
// Nothing here knows of pixels, so that zooming and scrolling need no new layout.
import type { Tree } from "./tree";

export interface Layout {
  /** Left edge of each node, in units of width. */
  start: Float64Array;
  /** Width of each node. */
  width: Float64Array;
  /** Nodes of row d are rowNodes[rowFirst[d] .. rowFirst[d + 1]), from left to right. */
  rowFirst: Int32Array;
  rowNodes: Int32Array;
  rows: number;
}

/** Lay a tree out. @param width the width of each node; its total when left out */
export function layoutTree(t: Tree, width: Float64Array = t.total): Layout {
  const start = new Float64Array(t.count);
  const cursor = new Float64Array(t.count);
  const rows = t.maxDepth + 1;
  const rowFirst = new Int32Array(rows + 1);
  for (let i = 0; i < t.count; i++) {
    const p = t.parent[i];
    if (p >= 0) {
      start[i] = cursor[p];
      cursor[p] += width[i];
    }
    cursor[i] = start[i];
    rowFirst[t.depth[i] + 1]++;
  }
  for (let d = 0; d < rows; d++) rowFirst[d + 1] += rowFirst[d];
  const fill = rowFirst.slice();
  const rowNodes = new Int32Array(t.count);
  for (let i = 0; i < t.count; i++) rowNodes[fill[t.depth[i]]++] = i;
  return { start, width, rowFirst, rowNodes, rows };
}

/** Index in rowNodes of the first node of a row at or after `from` that ends right of x; the row's end if none. */
export function firstEndingAfter(l: Layout, row: number, x: number, from = l.rowFirst[row]): number {
  let low = from;
  let high = l.rowFirst[row + 1];
  while (low < high) {
    const mid = (low + high) >>> 1;
    const node = l.rowNodes[mid];
    if (l.start[node] + l.width[node] > x) high = mid;
    else low = mid + 1;
  }
  return low;
}

/** The node of a row that covers x; -1 = none. */
export function nodeAt(l: Layout, row: number, x: number): number {
  if (row < 0 || row >= l.rows) return -1;
  const i = firstEndingAfter(l, row, x);
  if (i >= l.rowFirst[row + 1]) return -1;
  const node = l.rowNodes[i];
  return l.start[node] <= x ? node : -1;
}

/** Running count of marked nodes in the order of rowNodes, so that any stretch of a row can be asked at once. */
export function rowMarks(l: Layout, marked: Uint8Array): Int32Array {
  const sums = new Int32Array(l.rowNodes.length + 1);
  for (let i = 0; i < l.rowNodes.length; i++) sums[i + 1] = sums[i] + marked[l.rowNodes[i]];
  return sums;
}
