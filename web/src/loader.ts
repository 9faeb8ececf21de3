// SPDX-License-Identifier: Apache-2.0
//
// Loading for views that ask the server themselves: one request at a time, the latest wins, errors in words.
import { ApiError } from "./api";
import { fill, h } from "./dom";

export class Loader<T> {
  /** Where errors and "nothing here" are told. */
  readonly notice = h("div.notice", { role: "status", hidden: true });
  private key = "";
  private asked: AbortController | null = null;

  constructor(private readonly request: (signal: AbortSignal) => Promise<T>, private readonly done: (value: T) => void) {}

  /** Load unless what is there was loaded for the same key. */
  load(key: string): void {
    if (key === this.key) return;
    this.key = key;
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    this.request(asked.signal).then(
      (value) => {
        if (asked.signal.aborted) return;
        this.notice.hidden = true;
        this.done(value);
      },
      (e: Error) => {
        if (asked.signal.aborted) return;
        this.key = "";
        this.tell(e.message, e instanceof ApiError ? e.advice : "");
      },
    );
  }

  /** Say something in the place of the picture. */
  tell(title: string, advice = "", ...actions: HTMLElement[]): void {
    this.notice.hidden = false;
    fill(this.notice, h("p.notice-title", null, title), advice ? h("p.notice-advice", null, advice) : null,
      actions.length ? h("div.notice-actions", null, ...actions) : null);
  }
}
