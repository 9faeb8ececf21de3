/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read from a segment on its way to a visitor: cut to what is wanted, summed up where only totals are
 * asked for, spread where a sum is wanted in part or with times.
 *
 * A sum that is wanted in part is spread evenly over the parts of its slot: what it stands for lay somewhere in
 * there.
 *
 * Thread rule: one scan; with the lock of the segment held, which is let go of while a visitor runs.
 */
#ifndef HEARTH_SERVER_STORE_SQLITE_SUMS_H
#define HEARTH_SERVER_STORE_SQLITE_SUMS_H

#include <stdint.h>

#include "server/query/label_filter.h"
#include "server/store/sqlite_internal.h"

struct sqlite_reading {
	/* Of the scan: */
	struct store_sqlite *store;
	const struct store_scan *scan;
	store_visit_fn visit;
	void *arg;
	int visitor_result; /* what the visitor returned to end the scan */

	/* Of the segment: */
	struct segment *segment;
	const struct segment_dict *dict; /* borrowed */
	uint8_t *matches;		 /* owned; per label set; NULL = all match */

	/* Of what was summed up so far: */
	struct segment_window sums; /* without samples; period 0 = nothing */
	uint64_t *weights;	    /* owned; per series */
	size_t weight_count;

	struct segment_sample *spread; /* owned scratch */
	size_t spread_capacity;
};

/** Free what it owns. */
void sqlite_reading_release(struct sqlite_reading *g);

/**
 * Take a window in; its samples are used up.
 *
 * @from_ns, @to_ns: what of it is wanted
 *
 * Returns 0; -ENOMEM; what the visitor returned.
 */
int sqlite_reading_add(struct sqlite_reading *g, struct segment_window *w, uint64_t from_ns,
		       uint64_t to_ns);

/** Hand out what was summed up. Returns as sqlite_reading_add(). */
int sqlite_reading_flush(struct sqlite_reading *g);

/** Hand out an empty window for blocks that were not read: their time is covered. */
int sqlite_reading_nothing(struct sqlite_reading *g, const struct segment_row *first,
			   const struct segment_row *last);

#endif
