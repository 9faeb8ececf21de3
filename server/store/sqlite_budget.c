/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget: the directory never holds more than its limit, because room is made before anything is written.
 *
 * What goes first: files set aside; the oldest of a coarse tier that has more than its share; the oldest detail,
 * but not that of the newest hour; then the oldest of the tier that has most. A file that is being written stays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/store/sqlite_catalog.h"

#define NEWEST_HOUR_NS (3600 * NS_PER_S)

/* Parts of the limit that the coarse tiers may take; detail has the rest and what they leave. */
static const uint64_t share_divisor[TIER_COUNT] = {
	[TIER_DETAIL] = 1,
	[TIER_5M] = 4,
	[TIER_1H] = 6,
	[TIER_1D] = 8,
};

static uint64_t tier_bytes(const struct store_sqlite *s, enum tier tier)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < s->tiers[tier].count; i++)
		bytes += s->tiers[tier].items[i]->bytes;
	return bytes;
}

static bool is_being_written(const struct store_sqlite *s, const struct segment *segment)
{
	return s->writers[segment->tier].segment == segment;
}

/* The index of the oldest segment of a tier that may go; -1 if there is none. */
static ssize_t oldest_of(const struct store_sqlite *s, enum tier tier, uint64_t before_ns)
{
	const struct segment_list *list = &s->tiers[tier];

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->start_ns + tier_rules[tier].file_ns > before_ns)
			break;
		if (!is_being_written(s, list->items[i]))
			return (ssize_t)i;
	}
	return -1;
}

static void count_evicted(const struct segment *segment, uint64_t *counter)
{
	for (size_t i = 0; segment->tier == TIER_DETAIL && i < segment->row_count; i++)
		*counter += segment->rows[i].windows;
}

static bool drop_oldest(struct store_sqlite *s, enum tier tier, uint64_t before_ns)
{
	ssize_t index = oldest_of(s, tier, before_ns);

	if (index < 0)
		return false;
	count_evicted(s->tiers[tier].items[index], &s->stats.evicted_for_room);
	sqlite_catalog_drop(s, tier, (size_t)index);
	return true;
}

static bool drop_aside(struct store_sqlite *s)
{
	if (!s->aside_count)
		return false;

	struct set_aside *aside = &s->aside[0];

	(void)unlink(aside->path); /* if it stays, it is counted again at the next start */
	free(aside->path);
	memmove(s->aside, s->aside + 1, --s->aside_count * sizeof(*s->aside));
	return true;
}

/* Lets go of one file. Returns false if there is none. */
static bool drop_one(struct store_sqlite *s)
{
	uint64_t newest_hour_ns = s->newest_ns > NEWEST_HOUR_NS ? s->newest_ns - NEWEST_HOUR_NS : 0;
	enum tier largest = TIER_DETAIL;

	if (drop_aside(s))
		return true;
	for (enum tier tier = TIER_5M; tier < TIER_COUNT; tier++)
		if (tier_bytes(s, tier) > s->limit_bytes / share_divisor[tier] &&
		    drop_oldest(s, tier, UINT64_MAX))
			return true;
	if (drop_oldest(s, TIER_DETAIL, newest_hour_ns))
		return true;
	for (enum tier tier = TIER_5M; tier < TIER_COUNT; tier++)
		if (tier_bytes(s, tier) > tier_bytes(s, largest))
			largest = tier;
	if (drop_oldest(s, largest, UINT64_MAX))
		return true;
	for (enum tier tier = TIER_DETAIL; tier < TIER_COUNT; tier++)
		if (drop_oldest(s, tier, UINT64_MAX))
			return true;
	return false;
}

int sqlite_budget_reserve(struct store_sqlite *s, uint64_t bytes)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	while (!err && sqlite_catalog_bytes(s) + s->promised_bytes + bytes > s->limit_bytes)
		if (!drop_one(s))
			err = -ENOSPC;
	if (!err)
		s->promised_bytes += bytes;
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* Forgets the rows of a file of which the rest is still young enough. */
static void expire_rows(struct store_sqlite *s, struct segment *segment, uint64_t least_ns)
{
	size_t old = 0;

	while (old < segment->row_count && segment->rows[old].end_ns <= least_ns)
		old++;
	if (!old)
		return;
	for (size_t i = 0; segment->tier == TIER_DETAIL && i < old; i++) {
		s->stats.evicted_for_age += segment->rows[i].windows;
		s->stats.windows -= segment->rows[i].windows;
	}
	segment->row_count -= old;
	memmove(segment->rows, segment->rows + old, segment->row_count * sizeof(*segment->rows));
}

void sqlite_budget_expire(struct store_sqlite *s)
{
	if (!s->retention_ns)
		return;
	pthread_mutex_lock(&s->lock);

	uint64_t least_ns = s->newest_ns > s->retention_ns ? s->newest_ns - s->retention_ns : 0;

	for (enum tier tier = 0; tier < TIER_COUNT; tier++) {
		ssize_t index;

		while ((index = oldest_of(s, tier, least_ns)) >= 0) {
			count_evicted(s->tiers[tier].items[index], &s->stats.evicted_for_age);
			sqlite_catalog_drop(s, tier, (size_t)index);
		}
		for (size_t i = 0; i < s->tiers[tier].count; i++)
			if (s->tiers[tier].items[i]->start_ns < least_ns)
				expire_rows(s, s->tiers[tier].items[i], least_ns);
	}
	pthread_mutex_unlock(&s->lock);
}
