/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_buddy.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(1u << (UNWIND_BUDDY_ORDERS - 1) == UNWIND_BUDDY_UNITS,
	       "the last order is the chunk");

static bool is_free(const struct unwind_buddy *b, uint32_t order, uint32_t index)
{
	return b->free[order][index / 64] >> index % 64 & 1;
}

static void set_free(struct unwind_buddy *b, uint32_t order, uint32_t index, bool value)
{
	uint64_t bit = 1ull << index % 64;

	if (value) {
		b->free[order][index / 64] |= bit;
		b->free_count[order]++;
	} else {
		b->free[order][index / 64] &= ~bit;
		b->free_count[order]--;
	}
}

/** Make a block free, together with its neighbours as far as they are. */
static void merge(struct unwind_buddy *b, uint32_t order, uint32_t index)
{
	while (order + 1 < UNWIND_BUDDY_ORDERS && is_free(b, order, index ^ 1)) {
		set_free(b, order, index ^ 1, false);
		index /= 2;
		order++;
	}
	set_free(b, order, index, true);
}

void unwind_buddy_init(struct unwind_buddy *b)
{
	memset(b, 0, sizeof(*b));
	set_free(b, UNWIND_BUDDY_ORDERS - 1, 0, true);
}

void unwind_buddy_give(struct unwind_buddy *b, uint32_t first, uint32_t units)
{
	while (units) {
		uint32_t order = first ? (uint32_t)__builtin_ctz(first) : UNWIND_BUDDY_ORDERS - 1;
		uint32_t fits = 31 - (uint32_t)__builtin_clz(units);

		if (order > fits)
			order = fits;
		merge(b, order, first >> order);
		first += 1u << order;
		units -= 1u << order;
	}
}

int unwind_buddy_take(struct unwind_buddy *b, uint32_t units)
{
	uint32_t wanted = 0, order;

	while (1u << wanted < units)
		wanted++;
	for (order = wanted; order < UNWIND_BUDDY_ORDERS && !b->free_count[order]; order++)
		;
	if (order >= UNWIND_BUDDY_ORDERS)
		return -1;

	uint32_t word = 0;

	while (!b->free[order][word])
		word++;

	uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(b->free[order][word]);
	uint32_t first = index << order;

	set_free(b, order, index, false);
	unwind_buddy_give(b, first + units, (1u << order) - units);
	return (int)first;
}
