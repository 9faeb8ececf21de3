/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that a runtime made while it ran, as it tells: ranges of addresses, named, with the time from which they hold.
 *
 * A newer range ends the older ones that it overlaps, whole, since code that was overwritten in part is gone. What was ended
 * last is remembered, for samples that are older than what took its place.
 *
 * Invariants: ranges are sorted and disjoint; at most JITMAP_RANGES_MAX and JITMAP_NAME_BYTES_MAX, what comes beyond is
 * counted and dropped.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_JITMAP_H
#define HEARTH_SYMBOLIZER_JITMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/strpool.h"

#define JITMAP_RANGES_MAX     (256u << 10)
#define JITMAP_NAME_BYTES_MAX (16u << 20)
#define JITMAP_PAST_MAX	      4096u /* a power of two */
#define JITMAP_NAME_MAX	      4096u /* bytes of a name; longer ones are cut */

struct jitmap_range {
	uint64_t start, end; /* end exclusive */
	uint64_t time_ns;    /* from when it holds */
	uint64_t end_ns;     /* until when, exclusive; UINT64_MAX = it still does */
	uint32_t name;	     /* id in the names */
	uint32_t order;	     /* later ones end earlier ones */
};

struct jitmap {
	struct jitmap_range *ranges;
	size_t count, capacity;
	struct jitmap_range *added; /* since jitmap_settle() */
	size_t added_count, added_capacity;
	struct jitmap_range *past; /* ring of JITMAP_PAST_MAX; NULL until there are some */
	uint64_t past_count;	   /* ever */
	struct strpool names;
	uint32_t last_order;
	uint64_t refused; /* ranges beyond the limits */
};

/** Free what @m holds; NULL allowed. A zeroed map is empty. */
void jitmap_release(struct jitmap *m);

/**
 * Add a range; it is found after jitmap_settle().
 *
 * @range: its name and order are set here
 * @name: @length bytes, not terminated; control characters are escaped, mangled names made readable
 *
 * Returns 0, also when it is empty, wraps around or exceeds the limits (the last is counted); -ENOMEM.
 */
int jitmap_add(struct jitmap *m, const struct jitmap_range *range, const char *name, size_t length);

/** Make what was added part of the map. Returns 0; -ENOMEM. */
int jitmap_settle(struct jitmap *m);

/** The range that held @addr at @time_ns, or holds it now if none of that time is known; NULL if none does. Borrowed. */
const struct jitmap_range *jitmap_find(const struct jitmap *m, uint64_t addr, uint64_t time_ns);

/** Name of a range; borrowed while the map lives. */
const char *jitmap_name(const struct jitmap *m, const struct jitmap_range *range);

/** Bytes of memory it holds. */
size_t jitmap_bytes(const struct jitmap *m);

#endif
