// SPDX-License-Identifier: Apache-2.0
#include "profiler/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

int address_space_create(struct mapping_account *account, struct address_space **ret)
{
	struct address_space *space = calloc(1, sizeof(*space));
	if (!space)
		return -ENOMEM;

	space->account = account;
	space->generation = ++account->last_generation;
	space->ref_count = 1;
	*ret = space;
	return 0;
}

struct address_space *address_space_ref(struct address_space *space)
{
	space->ref_count++;
	return space;
}

void address_space_unref(struct address_space *space)
{
	if (!space || --space->ref_count)
		return;

	for (size_t i = 0; i < space->count; i++)
		binary_unref(space->mappings[i].binary);
	space->account->mappings -= space->count;
	free(space->mappings);
	free(space);
}

/* Give *space a copy of its own if it is shared. Returns 0; -ENOMEM. */
static int make_private(struct address_space **space)
{
	struct address_space *from = *space;
	if (from->ref_count == 1)
		return 0;

	struct address_space *to;
	if (address_space_create(from->account, &to))
		return -ENOMEM;
	if (array_reserve((void **)&to->mappings, &to->capacity, from->count + 2,
			  sizeof(to->mappings[0]))) {
		address_space_unref(to);
		return -ENOMEM;
	}
	for (size_t i = 0; i < from->count; i++) {
		to->mappings[i] = from->mappings[i];
		(void)binary_ref(to->mappings[i].binary);
	}
	to->count = from->count;
	to->account->mappings += to->count;
	address_space_unref(from);
	*space = to;
	return 0;
}

/* Index of the first mapping that ends behind @addr. */
static size_t first_behind(const struct address_space *space, uint64_t addr)
{
	size_t low = 0, high = space->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->mappings[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * Replace mappings [from, to) by up to three: the left rest of the first, the new one, the right rest of the last.
 * There is room for two more than there are.
 */
static void splice(struct address_space *space, size_t from, size_t to, const struct mapping *m)
{
	struct mapping pieces[3];
	size_t piece_count = 0;

	if (from < to && space->mappings[from].start < m->start) {
		struct mapping left = space->mappings[from];

		left.end = m->start;
		(void)binary_ref(left.binary);
		pieces[piece_count++] = left;
	}
	pieces[piece_count] = *m;
	(void)binary_ref(pieces[piece_count++].binary);
	if (from < to && space->mappings[to - 1].end > m->end) {
		struct mapping right = space->mappings[to - 1];

		right.offset += m->end - right.start;
		right.start = m->end;
		(void)binary_ref(right.binary);
		pieces[piece_count++] = right;
	}

	for (size_t i = from; i < to; i++)
		binary_unref(space->mappings[i].binary);
	memmove(&space->mappings[from + piece_count], &space->mappings[to],
		(space->count - to) * sizeof(space->mappings[0]));
	memcpy(&space->mappings[from], pieces, piece_count * sizeof(pieces[0]));
	space->account->mappings += piece_count;
	space->account->mappings -= to - from;
	space->count = space->count + piece_count - (to - from);
}

static bool is_there(const struct address_space *space, size_t from, size_t to,
		     const struct mapping *m)
{
	const struct mapping *old = &space->mappings[from];

	return to == from + 1 && old->start == m->start && old->end == m->end &&
	       old->offset == m->offset && old->binary == m->binary;
}

int address_space_map(struct address_space **space, const struct mapping *mapping)
{
	struct address_space *s = *space;
	size_t from = first_behind(s, mapping->start);
	size_t to = from;
	while (to < s->count && s->mappings[to].start < mapping->end)
		to++;

	if (is_there(s, from, to, mapping))
		return 0;
	if (s->count - (to - from) + 3 > ADDRESS_SPACE_MAPPINGS_MAX) {
		s->account->refused++;
		return -ENOSPC;
	}
	if (make_private(space))
		return -ENOMEM;
	s = *space;
	if (array_reserve((void **)&s->mappings, &s->capacity, s->count + 2,
			  sizeof(s->mappings[0])))
		return -ENOMEM;

	splice(s, from, to, mapping);
	s->generation = ++s->account->last_generation;
	return 0;
}

void address_space_touch(struct address_space *space)
{
	space->generation = ++space->account->last_generation;
}

const struct mapping *address_space_find(const struct address_space *space, uint64_t addr)
{
	size_t i = first_behind(space, addr);

	return i < space->count && space->mappings[i].start <= addr ? &space->mappings[i] : NULL;
}
