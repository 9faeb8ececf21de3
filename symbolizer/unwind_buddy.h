/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which parts of a chunk are free: a buddy allocator over units of UNWIND_BLOCK_ALIGN bytes, as bitmaps, 1 KiB a
 * chunk. A block takes as many units as it needs; what a power of two has too many goes back at once.
 *
 * Thread rule: one owner.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_BUDDY_H
#define HEARTH_SYMBOLIZER_UNWIND_BUDDY_H

#include <stdint.h>

#include "bpf/unwind_format.h"

#define UNWIND_BUDDY_ORDERS 13 /* 1 to 4096 units */
#define UNWIND_BUDDY_UNITS  (UNWIND_CHUNK_BYTES / UNWIND_BLOCK_ALIGN)

struct unwind_buddy {
	uint64_t free[UNWIND_BUDDY_ORDERS]
		     [UNWIND_BUDDY_UNITS / 64]; /* bit per block of that order */
	uint32_t free_count[UNWIND_BUDDY_ORDERS];
};

/** Make all units free. */
void unwind_buddy_init(struct unwind_buddy *b);

/** Take @units, 1 to UNWIND_BUDDY_UNITS. Returns the first unit; -1 if there is no room. */
int unwind_buddy_take(struct unwind_buddy *b, uint32_t units);

/** Give back units that were taken together. */
void unwind_buddy_give(struct unwind_buddy *b, uint32_t first, uint32_t units);

#endif
