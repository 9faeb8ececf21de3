// SPDX-License-Identifier: Apache-2.0
//
// What every view of the page gets to draw from, and what it may ask for.
import type { Theme } from "./colour";
import type { FlameView } from "./flame";
import type { Profile } from "./profile";
import type { Matches, Pattern } from "./search";
import type { Tree } from "./tree";
import type { State } from "./url";

/** The picture's data, after everything the state asks for was done to the profile. */
export interface Picture {
  state: State;
  theme: Theme;
  profile: Profile;
  /** The profile after drop, keep and hide. */
  stacks: Tree;
  pattern: Pattern | null;
  /** Whether this is an exported file, without a server. */
  embedded: boolean;
  /** Grows whenever the page loads anew: views that ask the server themselves ask again. */
  loads: number;
}

/** What a view asks of the page. */
export interface PageHost {
  change: (patch: Partial<State>, replace?: boolean) => void;
  /** Show the card of a node; null = none. */
  hover: (tree: Tree, node: number, zoom: number, x: number, y: number, profile?: Profile) => void;
  /** Open the menu of a node. */
  menu: (tree: Tree, node: number, x: number, y: number) => void;
  /** Open a folded subtree. */
  open: (tree: Tree, node: number) => void;
  /** Tell how the search went, for the toolbar. */
  found: (m: Matches | null, all: number) => void;
  /** Put text on the clipboard and say so. @param what names it, such as "Name" */
  copy: (text: string, what: string) => void;
  /** Say something for a moment. */
  say: (text: string) => void;
}

/** A view: one of the tabs. */
export interface PageView {
  readonly element: HTMLElement;
  /** Whether the view draws from the profile; false = it loads what it needs itself. */
  readonly needsProfile: boolean;
  update(p: Picture): void;
  /** Go to the next or previous match. */
  next?(direction: 1 | -1): void;
  /** Take the keyboard. */
  focus?(): void;
  /** The flame graph on show, to be kept as a picture; null = there is none now. */
  drawing?(): { view: FlameView; describe: (node: number) => string } | null;
}
