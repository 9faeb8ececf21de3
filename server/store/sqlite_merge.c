/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making sums: for each slot of a coarser tier that has passed, everything of it, read from the tiers below as any
 * totals, is written as one window (one per segment read, if there are several).
 *
 * A slot has passed when a window was taken that ends GRACE_NS behind it, or when none came for QUIET_NS. What comes
 * later all the same (a clock that was set back, a restart within the slot) gets a sum of its own beside the
 * first: a slot may have any number of them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "server/store/sqlite_catalog.h"
#include "server/store/sqlite_plan.h"

#define GRACE_NS (15 * NS_PER_S)
#define QUIET_NS (60 * NS_PER_S)

DEFINE_CLEANUP(window_unref, struct window *)

/* The earliest moment at or behind @from_ns of which a finer tier has something; UINT64_MAX if there is none. */
static uint64_t first_row_ns(const struct store_sqlite *s, enum tier below, uint64_t from_ns)
{
	uint64_t first_ns = UINT64_MAX;

	for (enum tier tier = 0; tier < below; tier++)
		for (size_t i = 0; i < s->tiers[tier].count; i++) {
			const struct segment *segment = s->tiers[tier].items[i];

			if (segment->start_ns >= first_ns ||
			    segment->start_ns + tier_rules[tier].file_ns <= from_ns)
				continue;
			for (size_t k = 0; k < segment->row_count; k++) {
				const struct segment_row *row = &segment->rows[k];
				uint64_t start_ns =
					row->start_ns > from_ns ? row->start_ns : from_ns;

				if (!row->hidden && row->end_ns > from_ns && start_ns < first_ns)
					first_ns = start_ns;
			}
		}
	return first_ns;
}

void sqlite_merge_init(struct store_sqlite *s)
{
	for (enum tier tier = TIER_5M; tier < TIER_COUNT; tier++) {
		uint64_t slot_ns = tier_rules[tier].slot_ns;
		uint64_t last_ns = 0;

		for (size_t i = 0; i < s->tiers[tier].count; i++) {
			const struct segment *segment = s->tiers[tier].items[i];
			size_t count = segment->row_count;

			if (count && segment->rows[count - 1].start_ns > last_ns)
				last_ns = segment->rows[count - 1].start_ns;
		}
		s->summed_ns[tier] = last_ns ? last_ns - last_ns % slot_ns + slot_ns : 0;
	}
}

uint64_t sqlite_settled_ns(const struct store_sqlite *s)
{
	uint64_t settled_ns = s->newest_ns > GRACE_NS ? s->newest_ns - GRACE_NS : 0;

	if (!s->uses_given_time && clock_now_ns() - s->appended_ns > QUIET_NS)
		settled_ns = clock_wall_now_ns();
	if (s->pending_count && s->pending[0]->wall_start_ns < settled_ns)
		settled_ns = s->pending[0]->wall_start_ns;
	return settled_ns;
}

/* The next slot of a tier to sum up. */
static bool next_slot(struct store_sqlite *s, enum tier tier, struct segment_span *ret)
{
	uint64_t slot_ns = tier_rules[tier].slot_ns;

	pthread_mutex_lock(&s->lock);

	uint64_t first_ns = first_row_ns(s, tier, s->summed_ns[tier]);
	uint64_t settled = sqlite_settled_ns(s);

	pthread_mutex_unlock(&s->lock);
	if (first_ns == UINT64_MAX)
		return false;
	ret->from_ns = first_ns - first_ns % slot_ns;
	ret->to_ns = ret->from_ns + slot_ns;
	return ret->to_ns <= settled;
}

struct summing {
	struct store_sqlite *store;
	enum tier tier;
	struct segment_span slot;
};

static int write_sum(struct window *w, void *arg)
{
	struct summing *g = arg;
	struct segment_span slot = g->slot;

	/* All samples of a sum stand at its start, which lies in the slot; its end may reach beyond. */
	return sqlite_write(g->store, g->tier, w, &slot);
}

/* A slot whose detail is damaged in part gets the sum of what is there. */
static int sum_slot(struct store_sqlite *s, enum tier tier, const struct segment_span *slot)
{
	struct store_scan scan = {.resolution_ns = STORE_TOTALS};
	struct plan_request request = {
		.from_ns = slot->from_ns,
		.to_ns = slot->to_ns,
		.coarsest = tier - 1,
		.no_coarser = true,
		.sums_up = true,
	};
	struct summing summing = {s, tier, *slot};
	struct plan plan;
	int err = sqlite_plan_make(s, &request, &plan);

	if (err)
		return err;
	err = sqlite_scan_plan(s, &plan, &scan, write_sum, &summing);
	sqlite_plan_release(s, &plan);
	return err;
}

/* A sum that could not be written is made again, unless a later one is there by then. */
static void take_back(struct store_sqlite *s, enum tier tier, const struct segment_span *slot)
{
	pthread_mutex_lock(&s->lock);
	if (s->summed_ns[tier] == slot->to_ns)
		s->summed_ns[tier] = slot->from_ns;
	pthread_mutex_unlock(&s->lock);
}

static int merge_tier(struct store_sqlite *s, enum tier tier)
{
	struct segment_span slot;
	int err = 0;

	while (!err && next_slot(s, tier, &slot)) {
		err = sum_slot(s, tier, &slot);
		if (err)
			take_back(s, tier, &slot);
	}
	return err;
}

int sqlite_merge_late(struct store_sqlite *s, const struct window *w,
		      const uint64_t summed_ns[TIER_COUNT])
{
	int err = 0;

	for (enum tier tier = TIER_5M; tier < TIER_COUNT; tier++) {
		uint64_t slot_ns = tier_rules[tier].slot_ns;
		uint64_t at_ns = w->wall_start_ns - w->wall_start_ns % slot_ns;

		for (; at_ns < w->wall_end_ns && at_ns < summed_ns[tier] && !err;
		     at_ns += slot_ns) {
			struct segment_span slot = {at_ns, at_ns + slot_ns};

			pthread_mutex_lock(&s->merge_lock);
			err = sqlite_write(s, tier, w, &slot);
			pthread_mutex_unlock(&s->merge_lock);
		}
	}
	return err;
}

int sqlite_merge(struct store_sqlite *s)
{
	int err = 0;

	pthread_mutex_lock(&s->merge_lock);
	for (enum tier tier = TIER_5M; tier < TIER_COUNT && !err; tier++)
		err = merge_tier(s, tier);
	pthread_mutex_unlock(&s->merge_lock);
	return err;
}
