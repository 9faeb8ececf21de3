/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All there is to query: what the store keeps and the window that is still open, as one sequence of windows in
 * which every sample comes once.
 *
 * The open window is read as a snapshot. Queries that come close together share one, so that many of them do not
 * load the profiler: a query about the present may be up to HISTORY_STALE_NS behind, one that
 * says `exact` never is.
 *
 * Thread rule: any thread may call everything but destroy.
 */
#ifndef HEARTH_SERVER_QUERY_HISTORY_H
#define HEARTH_SERVER_QUERY_HISTORY_H

#include <stdint.h>

#include "server/store/store.h"

#define HISTORY_STALE_NS 200000000ull

struct history;

/** Makes a frozen copy of the open window; as profiler_snapshot(). */
typedef int (*history_snapshot_fn)(void *arg, struct window **ret);

/**
 * Make a history over a store.
 *
 * @store: borrowed, must outlive the history
 * @snapshot: NULL = there is no open window
 * @ret: on success owned by the caller, free with history_destroy()
 *
 * Returns 0; -ENOMEM.
 */
int history_create(struct store *store, history_snapshot_fn snapshot, void *arg,
		   struct history **ret);

/** Free; NULL allowed. */
void history_destroy(struct history *h);

/** Keep a window that closed; as store_append(). */
int history_append(struct history *h, struct window *w);

/**
 * Visit all windows that overlap a range, oldest first, as store_scan().
 *
 * Returns 0; what a visitor returned; -ENOMEM; -errno of the store. A failing snapshot is no failure: what the
 * store has is visited.
 */
int history_scan(struct history *h, const struct store_scan *scan, store_visit_fn visit, void *arg);

/** The store below. */
struct store *history_store(struct history *h);

/** Snapshots taken since create. */
uint64_t history_snapshots(struct history *h);

#endif
