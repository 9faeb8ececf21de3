/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges laid over each other like coats of paint: at every address the range of the highest order shows.
 *
 * Thread rule: pure functions.
 */
#ifndef HEARTH_SYMBOLIZER_PAINT_H
#define HEARTH_SYMBOLIZER_PAINT_H

#include <stddef.h>
#include <stdint.h>

#define PAINT_NOTHING UINT32_MAX

struct paint_range {
	uint32_t start;
	uint32_t end; /* exclusive */
	uint32_t order;
	uint32_t value; /* what shows; not PAINT_NOTHING */
};

/** From `start` to the next run's start, `value` shows; PAINT_NOTHING where there is no range. */
struct paint_run {
	uint32_t start;
	uint32_t value;
};

struct paint {
	struct paint_run *
		runs; /* owned; sorted by start, neighbours differ in value, the last is PAINT_NOTHING */
	size_t run_count, run_capacity;
	uint32_t *heap; /* owned scratch: indexes of ranges, highest order first */
	size_t heap_count, heap_capacity;
};

/** Free what @p holds; NULL allowed. A zeroed struct is ready for use. */
void paint_release(struct paint *p);

/**
 * Lay ranges over each other; replaces the runs of an earlier call.
 *
 * @ranges: sorted by start in place; empty ones are ignored; orders need not be distinct
 *
 * Returns 0; -ENOMEM. Takes O(n log n).
 */
int paint_ranges(struct paint *p, struct paint_range *ranges, size_t count);

#endif
