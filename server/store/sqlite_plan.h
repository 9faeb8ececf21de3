/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: which blocks of which segments answer for a range of time. See sqlite_plan.c.
 *
 * Thread rule: a plan has one owner.
 */
#ifndef HEARTH_SERVER_STORE_SQLITE_PLAN_H
#define HEARTH_SERVER_STORE_SQLITE_PLAN_H

#include "server/store/sqlite_internal.h"

/** A block to read and what of it is wanted. */
struct piece {
	struct segment *segment; /* a reference */
	struct segment_row row;
	uint64_t from_ns;
	uint64_t to_ns;
};

struct plan {
	struct piece *pieces; /* by segment; segments by their start */
	size_t count, capacity;
	struct window **waiting; /* what is not written yet, oldest first; a reference each */
	size_t waiting_count;
};

/** Which blocks to read for a range. */
struct plan_request {
	uint64_t from_ns;
	uint64_t to_ns;	    /* exclusive */
	enum tier coarsest; /* of those that are taken where they cover the range exactly */
	bool sums_up; /* the sum of the range, a slot of the tier above, is going to be made of it */
	bool no_coarser; /* nothing coarser than that, even where there is nothing else */
};

/** Make a plan. @ret: release with sqlite_plan_release(). Returns 0; -ENOMEM. Takes the lock. */
int sqlite_plan_make(struct store_sqlite *s, const struct plan_request *request, struct plan *ret);

/** Free a plan and drop its references. Takes the lock. */
void sqlite_plan_release(struct store_sqlite *s, struct plan *p);

/** Visit the segments of a plan, as store_scan(). */
int sqlite_scan_plan(struct store_sqlite *s, struct plan *p, const struct store_scan *scan,
		     store_visit_fn visit, void *arg);

#endif
