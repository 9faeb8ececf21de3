/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growth for plain arrays: the one place that multiplies sizes and doubles capacities.
 *
 *	struct foo *foos = NULL; size_t foo_count = 0, foo_capacity = 0;
 *	if (array_reserve((void **)&foos, &foo_capacity, foo_count + 1, sizeof(*foos)))
 *		return -ENOMEM;
 *	foos[foo_count++] = ...;
 *
 * Thread rule: the caller's.
 */
#ifndef HEARTH_BASE_ARRAY_H
#define HEARTH_BASE_ARRAY_H

#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/**
 * Make room for at least @wanted_count items; grows geometrically.
 *
 * @items: address of the array pointer; NULL inside means empty; unchanged on failure
 * @capacity: items that fit now, updated on growth
 * @item_bytes: size of one item, not 0
 *
 * Returns 0; -ENOMEM if memory or the size type runs out, with everything left as it was.
 */
int array_reserve(void **items, size_t *capacity, size_t wanted_count, size_t item_bytes);

#endif
