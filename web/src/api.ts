// SPDX-License-Identifier: Apache-2.0
//
// Requests to the server, and what went wrong with them in words that say what to do.
import { parseProfile, type Profile, type ProfileJson } from "./profile";

/** Why a request failed; the message is for people. */
export class ApiError extends Error {
  constructor(message: string, readonly advice: string, readonly status: number) {
    super(message);
  }
}

export interface Range {
  from: string;
  to: string;
}

export interface Series {
  value: string;
  /** CPU cores in use in each step; null = not sampled then. */
  cores: (number | null)[];
}

export interface TimeSeries {
  from: number;
  to: number;
  step: number;
  by: string;
  /** Most CPU time first. */
  series: Series[];
  /** The sum of those beyond the limit. */
  other?: { series: number; cores: (number | null)[] };
}

function link(path: string, parameters: Record<string, string>): string {
  const p = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value !== "") p.set(key, value);
  const text = p.toString();
  return text ? `${path}?${text}` : path;
}

async function get(url: string, signal?: AbortSignal): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, { signal, headers: { accept: "application/json" } });
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    throw new ApiError(
      "The server does not answer.",
      "Check that hearth still runs: systemctl status hearth, or start it with hearth serve. The page tries again by itself.", 0,
    );
  }
  if (!response.ok) throw await failure(response);
  try {
    return await response.json();
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    throw new ApiError("The server's answer broke off or is no JSON.", "Try again; if it stays so, look at the server's log.", 0);
  }
}

async function failure(response: Response): Promise<ApiError> {
  let text = "";
  try {
    text = ((await response.json()) as { error?: string }).error ?? "";
  } catch {
    text = "";
  }
  const advice: Record<number, string> = {
    400: "Change the selector or the time range above.",
    401: "Log in with a user of the server's web configuration.",
    404: "This server does not offer it. It may be older than this page: reload.",
    413: "Ask for less: a shorter range or a narrower selector.",
    429: "The server is busy with other requests. It is tried again in a moment.",
    503: "The server cannot answer right now. It is tried again in a moment.",
  };
  return new ApiError(text || `The server answered ${response.status}.`, advice[response.status] ?? "Try again; the server's log says more.", response.status);
}

/** How much finer than usual a profile is to be: frames of less than 1/16384 of it are folded away at 1. */
export function leastShare(detail: number): string {
  return detail > 1 ? String(1 / (16384 * detail)) : "";
}

/**
 * The merged profile of a selector and range.
 *
 * @param path names from the root to a subtree to be given in full
 * @param detail see leastShare()
 */
export async function fetchProfile(query: string, r: Range, signal?: AbortSignal, path: string[] = [], detail = 1): Promise<Profile> {
  const below = path.length ? JSON.stringify(path) : "";
  const json = await get(link("/api/v1/query", { query, from: r.from, to: r.to, format: "flamegraph", path: below, min_share: leastShare(detail) }), signal);
  return parseProfile(json as ProfileJson);
}

/** The address of a download. */
export function downloadLink(query: string, r: Range, format: string): string {
  return link("/api/v1/query", { query, from: r.from, to: r.to, format });
}

/** Names of the labels in a range. */
export async function fetchLabels(r: Range, signal?: AbortSignal): Promise<string[]> {
  return ((await get(link("/api/v1/labels", { from: r.from, to: r.to }), signal)) as { labels: string[] }).labels;
}

/** Values of a label in a range, most samples first. */
export async function fetchLabelValues(name: string, r: Range, signal?: AbortSignal): Promise<string[]> {
  const path = `/api/v1/label/${encodeURIComponent(name)}/values`;
  return ((await get(link(path, { from: r.from, to: r.to }), signal)) as { values: string[] }).values;
}

/** CPU cores over time. @param limit how many series at most, the others summed up */
export async function fetchTimeSeries(
  query: string, r: Range, step: number, by: string, limit: number, signal?: AbortSignal,
): Promise<TimeSeries> {
  const json = await get(
    link("/api/v1/timeseries", { query, from: r.from, to: r.to, step: String(step), by, limit: String(limit) }), signal,
  );
  return json as TimeSeries;
}

/** Any other JSON of the API. */
export async function fetchJson<T>(path: string, parameters: Record<string, string>, signal?: AbortSignal): Promise<T> {
  return (await get(link(path, parameters), signal)) as T;
}
