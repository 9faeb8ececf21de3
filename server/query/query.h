/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries: a selector over a time range, answered from the history as a merged profile, a time series, a heat map,
 * or the labels there are.
 *
 * Thread rule: any thread may query; a result belongs to who asked.
 */
#ifndef HEARTH_SERVER_QUERY_QUERY_H
#define HEARTH_SERVER_QUERY_QUERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/query/history.h"
#include "server/query/profile.h"
#include "server/query/selector.h"

/* How long a query waits for symbol files that are still being made. */
#define QUERY_SYMBOL_WAIT_NS 500000000ull

struct query {
	char *text;		   /* owned; the selector as given; NULL = "" */
	struct selector *selector; /* owned; NULL = everything */
	uint64_t wall_from_ns;
	uint64_t wall_to_ns;	   /* exclusive */
	const char *const *labels; /* to keep, NULL-terminated; borrowed; NULL = none */
	bool all_labels;
	bool exact; /* as in struct store_scan */
	uint64_t
		symbol_wait_ns; /* for symbol files that are still being made; 0 = QUERY_SYMBOL_WAIT_NS */

	/* Looked at before each window: */
	uint64_t deadline_ns; /* monotonic; 0 = none */
	bool (*is_gone)(
		void *arg); /* whether nobody waits for the answer any more; NULL = somebody does */
	void *is_gone_arg;
};

/** What queries work on. The counters may be read at any time. */
struct query_engine {
	struct history *history;       /* borrowed */
	struct symbolizer *symbolizer; /* borrowed; NULL = only names fixed in the windows */
	/* What one query may take; see query_set_limits(). */
	atomic_ulong limit_bytes;    /* 0 = the default of struct profile_options */
	atomic_ulong limit_time_ns;  /* 0 = none */
	atomic_ulong limit_range_ns; /* 0 = none */

	atomic_ulong frames_resolved;
	atomic_ulong frames_unresolved;
	atomic_ulong stopped_gone; /* queries given up because the client had gone */
	atomic_ulong stopped_time; /* because they took too long */
	atomic_ulong stopped_size; /* because they needed too much memory */
};

/** Free what @q owns and make it empty; NULL allowed. */
void query_release(struct query *q);

/** Limit what one query may take from now on, its memory, its time and its range. 0 = as in struct query_engine. */
void query_set_limits(struct query_engine *e, uint64_t bytes, uint64_t time_ns, uint64_t range_ns);

/** Whether to go on with a query. Returns 0; -ECANCELED if nobody waits for it any more; -ETIMEDOUT. */
int query_check(const struct query *q);

/** Count a query that ended with @err among those that were stopped, if it was. Returns @err. */
int query_count_stop(struct query_engine *e, int err);

/**
 * Merge and symbolize.
 *
 * @ret: on success owned by the caller, free with profile_destroy(); its times are those asked for, cut to what
 *       the history covers
 *
 * Returns 0; -EFBIG if the profile would exceed its memory limit; -E2BIG if a regular expression would exceed its
 * own; -ETIMEDOUT, -ECANCELED as query_check(); -ENOMEM; -errno of the store.
 */
int query_profile(struct query_engine *e, const struct query *q, struct profile **ret);

/**
 * query_profile() of one query less that of another: values of samples are signed, as int64_t; those of 0 are left out.
 * What is said of the whole (times, totals, verdicts, losses) is said of the first.
 *
 * @base: NULL = nothing is taken away
 */
int query_difference(struct query_engine *e, const struct query *q, const struct query *base,
		     struct profile **ret);

/** Have the symbol files made that a query will want; a failure only costs names. */
void query_prefetch(struct query_engine *e, const struct query *q);

/** Have the symbol files made that the samples of a window want, likewise. */
void query_prefetch_window(struct query_engine *e, const struct window *w);

#endif
