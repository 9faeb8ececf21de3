// SPDX-License-Identifier: Apache-2.0
//
// The page as a whole: its state, the profile on show, and who draws it.
//
//   link → state → fetch → profile → drop, keep, hide → view
//
// Views never change anything themselves: they ask for a change of the state, which goes into the link, and are
// then told to draw.
import { ApiError, fetchProfile } from "./api";
import { BinariesPage } from "./binariespage";
import { CallersPage } from "./callerspage";
import { h } from "./dom";
import { DiffPage } from "./diffpage";
import { downloadMenu } from "./downloads";
import { FlamePage } from "./flameview";
import { Header } from "./header";
import { HeatmapPage } from "./heatmappage";
import { HoverCard } from "./hovercard";
import { listenForKeys, showHelp } from "./keyboard";
import { closeMenu, openMenu } from "./menu";
import { copyText, nodeMenu } from "./nodemenu";
import type { PageHost, PageView, Picture } from "./page";
import type { Profile } from "./profile";
import { QueryBar } from "./querybar";
import { parsePattern, type Pattern } from "./search";
import { openFolded } from "./splice";
import { withMatcher } from "./selector";
import { shortcutsOf } from "./shortcuts";
import { Notice, StatusLine } from "./status";
import { StatusPage } from "./statuspage";
import { TablePage } from "./tablepage";
import { currentTheme, onTheme } from "./theme";
import { isMoving, timeText } from "./time";
import { Timeline } from "./timeline";
import { Toolbar } from "./toolbar";
import { rearrange } from "./transform";
import { emptyTree, type Tree } from "./tree";
import { needsFetch, readState, writeState, type State, type View } from "./url";

const liveEveryMs = 5000;
const retryEveryMs = 3000;

export class App implements PageHost {
  state: State;
  profile: Profile | null = null;
  private stacks: Tree | null = null;
  private stacksFor = "";
  private readonly header: Header;
  private readonly bar: QueryBar;
  private readonly timeline: Timeline;
  readonly toolbar: Toolbar;
  private readonly stage = h("main.stage", { id: "stage" });
  private readonly status = new StatusLine();
  private readonly notice: Notice;
  private readonly card = new HoverCard();
  private readonly toast = h("div.toast", { role: "status", hidden: true });
  private readonly pages = new Map<View, PageView>();
  private asked: AbortController | null = null;
  private retry = 0;
  private loads = 0;
  private toastTimer = 0;
  private current: PageView | null = null;

  /** @param embedded the profile of an exported file: there is no server */
  constructor(root: HTMLElement, private readonly embedded: Profile | null) {
    this.state = readState(location.search);
    const change = (patch: Partial<State>, replace?: boolean) => this.change(patch, replace);
    this.header = new Header({ view: (view) => this.change({ view }), help: () => showHelp(this.shortcuts) }, embedded !== null, () => downloadMenu(this, embedded !== null));
    this.bar = new QueryBar({ change, refresh: () => this.load() });
    this.timeline = new Timeline({ change, choose: (label, value) => this.narrow(label, value) });
    this.toolbar = new Toolbar({ change, next: (d) => this.current?.next?.(d), zoom: (n) => this.zoom(n) });
    this.notice = new Notice(this);
    const server = embedded ? [] : [this.bar.element, this.timeline.element];
    root.append(this.header.element, ...server, this.toolbar.element, this.stage, this.status.element, this.card.element, this.toast);
    this.stage.append(this.notice.element);
    addEventListener("popstate", () => this.moved());
    document.addEventListener("visibilitychange", () => document.hidden || this.tick());
    setInterval(() => this.tick(), liveEveryMs);
    listenForKeys(this.shortcuts);
    onTheme((t) => {
      this.timeline.setTheme(t);
      this.show();
    });
  }

  private get shortcuts() {
    return shortcutsOf(this, this.embedded !== null, () => this.current, () => this.bar.toggle());
  }

  /** Begin: draw the embedded profile or ask the server. */
  start(): void {
    this.show();
    if (this.embedded) this.received(this.embedded);
    else this.load();
  }

  change(patch: Partial<State>, replace = false): void {
    const next = { ...this.state, ...patch };
    const link = writeState(next);
    if (link === writeState(this.state)) return this.show();
    const before = this.state;
    this.state = next;
    if (this.embedded) history.replaceState(null, "", `${link || location.pathname}${location.hash}`);
    else if (replace) history.replaceState(null, "", link || location.pathname);
    else history.pushState(null, "", link || location.pathname);
    this.changed(before);
  }

  private moved(): void {
    const before = this.state;
    this.state = readState(location.search);
    closeMenu();
    this.changed(before);
  }

  private changed(before: State): void {
    this.card.hide();
    this.show();
    if (this.embedded) return;
    if (needsFetch(before, this.state) || (this.state.live && !before.live)) this.load();
    else if (before.by !== this.state.by) void this.timeline.update(this.state);
  }

  /** Ask the server for the profile of the state. */
  load(quiet = false): void {
    if (this.embedded) return;
    clearTimeout(this.retry);
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    if (!quiet) this.header.busy(true);
    void this.timeline.update(this.state, true);
    fetchProfile(this.state.query, this.state, asked.signal).then(
      (p) => !asked.signal.aborted && this.received(p),
      (e: Error) => !asked.signal.aborted && this.failed(e),
    );
  }

  private received(p: Profile): void {
    this.header.busy(false);
    this.profile = p;
    this.loads++;
    this.stacks = null;
    this.notice.clear();
    this.status.update(p);
    this.show();
  }

  private failed(e: Error): void {
    this.header.busy(false);
    this.notice.failed(e, this.profile !== null);
    const status = e instanceof ApiError ? e.status : -1;
    if (status === 0 || status === 429 || status === 503) this.retry = window.setTimeout(() => this.load(true), retryEveryMs);
    this.show();
  }

  private tick(): void {
    if (this.state.live && isMoving(this.state.to) && !document.hidden && !this.notice.failing) this.load(true);
  }

  /** Put the state on the page. */
  show(): void {
    const s = this.state;
    this.header.update(s);
    this.bar.update(s);
    const page = this.page(s.view);
    if (this.current !== page) {
      this.current?.element.remove();
      this.current = page;
      this.stage.append(page.element);
    }
    this.toolbar.update(s, s.view === "flame");
    this.toolbar.element.hidden = !["flame", "table", "diff", "binaries"].includes(s.view);
    this.timeline.element.hidden = s.view === "status";
    if (s.view !== "flame") this.toolbar.path(this.stacksOf() ?? emptyTree(), 0);
    const tree = this.stacksOf();
    const empty = page.needsProfile && (!tree || tree.total[0] === 0);
    // Before the first answer the view stands there empty: its layout, canvas and fonts are ready when the answer comes.
    page.element.hidden = empty && (this.loads > 0 || this.notice.failing);
    this.notice.show(s, this.profile, tree, page.needsProfile);
    this.stage.classList.toggle("stale", this.notice.failing);
    if (empty || (page.needsProfile && !tree)) return;
    if (this.loads === 0 && !this.notice.failing && s.view !== "status") return; // views that ask themselves start with the first answer
    const { pattern, problem } = this.pattern();
    const picture: Picture = { state: s, theme: currentTheme(), profile: this.profile!, stacks: tree!, pattern, embedded: this.embedded !== null, loads: this.loads };
    page.update(picture);
    if (problem) this.toolbar.found(null, 0, problem);
  }

  /** The flame graph on show; null = this view has none. */
  drawing() {
    return this.current?.element.hidden ? null : this.current?.drawing?.() ?? null;
  }

  private page(view: View): PageView {
    let p = this.pages.get(view);
    if (!p) {
      if (view === "table") p = new TablePage(this);
      else if (view === "callers") p = new CallersPage(this);
      else if (view === "diff") p = new DiffPage(this);
      else if (view === "heatmap") p = new HeatmapPage(this);
      else if (view === "binaries") p = new BinariesPage(this);
      else if (view === "status") p = new StatusPage();
      else p = new FlamePage(this, this.toolbar, this.status.legend);
      this.pages.set(view, p);
    }
    return p;
  }

  private pattern(): { pattern: Pattern | null; problem: string } {
    try {
      return { pattern: parsePattern(this.state.search), problem: "" };
    } catch {
      return { pattern: null, problem: "not a regular expression" };
    }
  }

  /** The profile after drop, keep and hide; made once per profile and choice. */
  private stacksOf(): Tree | null {
    if (!this.profile) return null;
    const { keep, drop, hide, hideFrames, collapse, collapseFrames } = this.state;
    const key = JSON.stringify([keep, drop, hide, hideFrames, collapse, collapseFrames]);
    if (!this.stacks || this.stacksFor !== key) {
      this.stacks = rearrange(this.profile.tree, this.state);
      this.stacksFor = key;
    }
    return this.stacks;
  }

  private zoom(node: number): void {
    const page = this.current;
    if (page instanceof FlamePage) page.view.options.zoom?.(node);
  }

  /** Narrow the selector to a label's value. */
  narrow(label: string, value: string): void {
    const query = withMatcher(this.state.query, label, value);
    if (query === null) this.say("Complete the selector first.");
    else this.change({ query, zoom: "" });
  }

  hover(tree: Tree, node: number, zoom: number, x: number, y: number, profile: Profile | null = this.profile): void {
    if (node < 0 || !profile || document.querySelector(".menu")) this.card.hide();
    else this.card.show({ tree, node, zoom, profile }, x, y);
  }

  menu(tree: Tree, node: number, x: number, y: number): void {
    this.card.hide();
    openMenu("Frame", nodeMenu(this, tree, node, this.embedded !== null), x, y);
  }

  open(tree: Tree, node: number): void {
    const p = this.profile;
    if (!p || this.embedded) return this.say("An exported file does not hold what was folded away.");
    if (tree !== p.tree) return this.finer(p);
    openFolded(p, this.state.query, tree.parent[node]).then(
      (opened) => {
        if (this.profile !== p) return;
        this.profile = { ...p, tree: opened };
        this.stacks = null;
        this.show();
      },
      (e: Error) => this.say(e.message),
    );
  }

  /** Ask for the same samples in more detail: what is folded lies in several places of the profile. */
  private finer(p: Profile): void {
    const detail = p.detail * 16;
    this.header.busy(true);
    fetchProfile(this.state.query, { from: timeText(p.from), to: timeText(p.to) }, this.asked?.signal, [], detail).then(
      (finer) => this.profile === p && this.received({ ...finer, detail }),
      (e: Error) => this.say(e.message),
    ).finally(() => this.header.busy(false));
  }

  found(m: Parameters<PageHost["found"]>[0], all: number): void {
    this.toolbar.found(m, all, "");
  }

  copy(text: string, what: string): void {
    void copyText(this, text, what);
  }

  say(text: string): void {
    clearTimeout(this.toastTimer);
    this.toast.textContent = text;
    this.toast.hidden = false;
    this.toastTimer = window.setTimeout(() => (this.toast.hidden = true), 2500);
  }

  /** Whether a card, a menu or a zoom was there to be closed. */
  escape(): void {
    this.card.hide();
    if (closeMenu()) return;
    if (this.state.zoom) this.change({ zoom: "" });
    else if (this.current instanceof FlamePage && !this.current.view.atZoom) this.current.view.zoomTo(this.current.view.zoom);
    else if (this.state.search) this.change({ search: "" });
  }
}
