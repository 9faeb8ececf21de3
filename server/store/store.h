/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: keeps frozen windows and gives them back by time. One interface; every implementation passes the
 * same contract tests (tests/unit/store_contract.h).
 *
 *	store_append(s, window)	     as windows close
 *	store_scan(s, &scan, visit)  queries: profile merge, time series, heatmap and labels are all made from this
 *
 * A store may give back other windows than it took (merged, thinned, made from rows), as long as the samples that
 * the scan asks for come exactly once, with the time resolution it keeps, in windows ordered by their start.
 *
 * Thread rule: any thread may call everything but destroy.
 */
#ifndef HEARTH_SERVER_STORE_STORE_H
#define HEARTH_SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "profiler/window.h"
#include "server/query/selector.h"

struct store;

/** What a query wants to see. */
struct store_scan {
	uint64_t wall_from_ns;
	uint64_t wall_to_ns; /* exclusive; 0 = no end */
	const struct selector
		*selector; /* a hint: samples that it excludes need not come; NULL = all */
	bool exact; /* for history_scan(): everything up to wall_to_ns, however recent that is */

	/* Hints at what the visitor looks at, so that the rest need not be read: */
	uint64_t
		resolution_ns; /* finest time that matters; 0 = each sample's, STORE_TOTALS = none */
	bool no_stacks;	       /* only labels, times and weights: the stacks may be empty ones */
	bool borrows; /* the visitor keeps no window and returns soon: windows may be views whose tables
		       * hold more than their samples need, and the store may be locked meanwhile */
};

#define STORE_TOTALS UINT64_MAX

struct store_stats {
	uint64_t bytes;		   /* held now */
	uint64_t limit_bytes;	   /* never exceeded */
	uint64_t windows;	   /* held now */
	uint64_t oldest_wall_ns;   /* start of the oldest window; 0 = empty */
	uint64_t newest_wall_ns;   /* end of the newest window; 0 = empty */
	uint64_t appended;	   /* windows taken since create */
	uint64_t evicted_for_age;  /* windows let go because they were too old */
	uint64_t evicted_for_room; /* windows let go because the limit was reached */
	uint64_t refused; /* windows that alone exceed the limit, or that could not be written */
	uint64_t waiting; /* windows taken that are not written yet because writing fails; now */
	uint64_t damaged; /* files that could not be read and were set aside, since create */
	bool failing;	  /* the last write failed; it is tried again */
};

/**
 * Called with each window of a scan; borrowed, take a reference to keep it. May hold samples outside of what was
 * asked for. Return 0 to go on, anything else to end the scan with that result.
 */
typedef int (*store_visit_fn)(struct window *w, void *arg);

/** What an implementation provides; see the functions below. */
struct store_ops {
	const char *name; /* "memory", "sqlite", ... */
	int (*append)(struct store *s, struct window *w);
	int (*scan)(struct store *s, const struct store_scan *scan, store_visit_fn visit,
		    void *arg);
	void (*stats)(struct store *s, struct store_stats *ret);
	void (*destroy)(struct store *s);
};

/** Head of every implementation's own struct. */
struct store {
	const struct store_ops *ops;
};

/**
 * Keep a window. Windows come in the order of their time. What is too old or too much is let go.
 *
 * Returns 0; -EFBIG if the window alone exceeds the limit; -ENOMEM; -errno of writing, such as -ENOSPC: the window is
 * then kept in memory, seen by scans and written later, as far as there is room for it.
 */
int store_append(struct store *s, struct window *w);

/**
 * Visit the windows that overlap a range, oldest first.
 *
 * Returns 0; what a visitor returned to stop; -ENOMEM; -errno of reading.
 */
int store_scan(struct store *s, const struct store_scan *scan, store_visit_fn visit, void *arg);

/** Figures as of now. */
void store_stats(struct store *s, struct store_stats *ret);

/** Free; NULL allowed. What has to be durable is on disk afterwards. */
void store_destroy(struct store *s);

DEFINE_CLEANUP(store_destroy, struct store *)

struct store_memory_options {
	uint64_t
		retention_ns; /* windows that ended longer than this before the newest are let go; 0 = 1 h */
	uint64_t limit_bytes; /* 0 = 256 MiB */
};

/** A store that keeps windows in memory. @options: NULL = defaults. Returns 0; -ENOMEM. */
int store_memory_create(const struct store_memory_options *options, struct store **ret);

struct store_sqlite_options {
	const char *directory; /* made if it is not there; used by one process at a time */
	uint64_t limit_bytes;  /* of the whole directory; 0 = 2 GiB */
	uint64_t
		retention_ns; /* what ended longer than this before the newest is let go; 0 = keep */
	bool write_behind; /* append only takes the window, and a thread writes it; failures are logged */
	bool no_merging_thread; /* sums are made by sqlite_merge() only: for tests with a clock of their own */
};

/**
 * A store that keeps history in SQLite files: see sqlite_internal.h.
 *
 * Files that cannot be read are set aside and counted, those of another version left alone; both are logged.
 *
 * Returns 0; -EBUSY if another process uses the directory; -errno of making or reading it; -ENOMEM.
 */
int store_sqlite_create(const struct store_sqlite_options *options, struct store **ret);

#endif
