/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/sqlite_sums.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/store/segment_window.h"

#define TIME_SPAN_NS_MAX (UINT32_MAX * NS_PER_US) /* what a window's times can say */

DEFINE_CLEANUP(window_unref, struct window *)

void sqlite_reading_release(struct sqlite_reading *g)
{
	free(g->matches);
	free(g->weights);
	free(g->spread);
}

/* The segment's lock is let go of meanwhile; `readings` keeps the dictionary. */
static int emit_copy(struct sqlite_reading *g, struct segment_window *from)
{
	CLEANUP(window_unrefp) struct window *w = NULL;
	int err = segment_window_make(g->dict, from, !g->scan->no_stacks, &w);

	if (err)
		return err;
	pthread_mutex_unlock(&g->segment->reader_lock);
	g->visitor_result = g->visit(w, g->arg);
	pthread_mutex_lock(&g->segment->reader_lock);
	return g->visitor_result;
}

/* With the segment's lock held, so that the dictionary stays as it is. */
static int emit_view(struct sqlite_reading *g, struct segment_window *from)
{
	struct window view;
	int err = segment_window_view(g->dict, from, &view);

	if (err)
		return err;
	g->visitor_result = g->visit(&view, g->arg);
	segment_window_release_view(&view);
	return g->visitor_result;
}

/* Hands out a window. */
static int emit(struct sqlite_reading *g, struct segment_window *from)
{
	return g->scan->borrows ? emit_view(g, from) : emit_copy(g, from);
}

static bool wants_totals(const struct sqlite_reading *g)
{
	return g->scan->resolution_ns == STORE_TOTALS;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Drops the samples that the selector excludes. */
static void drop_unmatched(const struct sqlite_reading *g, struct segment_window *w)
{
	size_t kept = 0;

	if (!g->matches)
		return;
	for (size_t i = 0; i < w->sample_count; i++)
		if (g->matches[g->dict->series[w->samples[i].series].labels])
			w->samples[kept++] = w->samples[i];
	w->sample_count = kept;
}

/* Drops the samples outside of a range. */
static void drop_outside(struct segment_window *w, uint64_t from_ns, uint64_t to_ns)
{
	size_t kept = 0;

	if (from_ns <= w->wall_start_ns && to_ns >= w->wall_start_ns + TIME_SPAN_NS_MAX)
		return;
	for (size_t i = 0; i < w->sample_count; i++) {
		uint64_t time_ns = w->wall_start_ns + w->samples[i].time_us * NS_PER_US;

		if (time_ns >= from_ns && time_ns < to_ns)
			w->samples[kept++] = w->samples[i];
	}
	w->sample_count = kept;
}

/* Room for the weights of all series there are. */
static int start_sums(struct sqlite_reading *g, const struct segment_window *w)
{
	g->sums = (struct segment_window){
		.kind = SEGMENT_TOTALS,
		.wall_start_ns = UINT64_MAX,
		.period_ns = w->period_ns,
	};
	free(g->weights);
	g->weight_count = g->dict->series_count;
	g->weights = calloc(g->weight_count + 1, sizeof(*g->weights));
	return g->weights ? 0 : -ENOMEM;
}

/* Windows of different periods cannot be added: each run of equal ones makes a window of its own. */
static int sum_up(struct sqlite_reading *g, const struct segment_window *w, uint64_t from_ns)
{
	int err = 0;

	if (g->sums.period_ns && g->sums.period_ns != w->period_ns)
		err = sqlite_reading_flush(g);
	if (!err && !g->sums.period_ns)
		err = start_sums(g, w);
	if (err)
		return err;
	for (size_t i = 0; i < w->sample_count; i++)
		g->weights[w->samples[i].series] += w->samples[i].weight;
	for (size_t i = 0; i < LOST_REASON_COUNT; i++)
		g->sums.lost[i] += w->lost[i];

	uint64_t start_ns = later(w->wall_start_ns, from_ns);

	if (start_ns < g->sums.wall_start_ns)
		g->sums.wall_start_ns = start_ns;
	g->sums.wall_end_ns = later(g->sums.wall_end_ns, w->wall_end_ns);
	return 0;
}

int sqlite_reading_flush(struct sqlite_reading *g)
{
	auto_free struct segment_sample *samples = NULL;
	size_t count = 0;

	if (!g->sums.period_ns)
		return 0;
	for (size_t i = 0; i < g->weight_count; i++)
		count += g->weights[i] != 0;
	samples = calloc(count + 1, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < g->weight_count; i++) {
		uint64_t weight = g->weights[i];

		if (weight)
			samples[count++] = (struct segment_sample){
				.series = (uint32_t)i,
				.weight = weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight,
			};
	}

	struct segment_window w = g->sums;

	w.samples = samples;
	w.sample_count = count;
	g->sums.period_ns = 0;
	return emit(g, &w);
}

int sqlite_reading_nothing(struct sqlite_reading *g, const struct segment_row *first,
			   const struct segment_row *last)
{
	struct segment_window w = {
		.kind = SEGMENT_TOTALS,
		.wall_start_ns = first->start_ns,
		.wall_end_ns = last->end_ns,
		.period_ns = NS_PER_S, /* of no sample */
	};

	return emit(g, &w);
}

/* Where stacks do not matter, one sample per label set: they lie next to each other. */
static void fold_labels(const struct sqlite_reading *g, struct segment_window *w)
{
	const struct segment_series *series = g->dict->series;
	size_t kept = 0;

	for (size_t i = 0; i < w->sample_count; i++) {
		struct segment_sample *last = kept ? &w->samples[kept - 1] : NULL;

		if (last && series[last->series].labels == series[w->samples[i].series].labels &&
		    w->samples[i].weight <= UINT32_MAX - last->weight)
			last->weight += w->samples[i].weight;
		else
			w->samples[kept++] = w->samples[i];
	}
	w->sample_count = kept;
}

/* One of equal parts of a window's time. */
struct part {
	uint32_t index;
	uint32_t count;
};

/*
 * What of a weight falls into a part: all parts together are the weight, and small weights of different series fall
 * into different parts.
 */
static uint32_t weight_in(const struct segment_sample *s, struct part part)
{
	uint64_t phase = s->series * 2654435761u % part.count;
	uint64_t before = ((uint64_t)s->weight * part.index + phase) / part.count;
	uint64_t after = ((uint64_t)s->weight * (part.index + 1) + phase) / part.count;

	return (uint32_t)(after - before);
}

/* Samples of one part of a sum, in the middle of its time. */
static int spread_part(struct sqlite_reading *g, const struct segment_window *w, struct part part,
		       uint64_t time_ns)
{
	struct segment_window spread = *w;
	size_t count = 0;

	if (array_reserve((void **)&g->spread, &g->spread_capacity, w->sample_count + 1,
			  sizeof(*g->spread)))
		return -ENOMEM;
	for (size_t i = 0; i < w->sample_count; i++) {
		uint32_t weight = weight_in(&w->samples[i], part);

		if (weight)
			g->spread[count++] = (struct segment_sample){.series = w->samples[i].series,
								     .weight = weight};
	}
	if (part.index)
		memset(spread.lost, 0, sizeof(spread.lost));
	spread.samples = g->spread;
	spread.sample_count = count;
	spread.wall_start_ns = time_ns;
	spread.wall_end_ns = time_ns + (w->wall_end_ns - w->wall_start_ns) / part.count;
	return wants_totals(g) ? sum_up(g, &spread, time_ns) : emit(g, &spread);
}

/* How many parts are worth making: those that the visitor can tell apart, and some more for its edges. */
static uint32_t parts_wanted(const struct sqlite_reading *g, bool whole)
{
	const struct tier_rule *rule = &tier_rules[g->segment->tier];
	uint64_t resolution_ns = g->scan->resolution_ns;

	if (!whole || !resolution_ns || rule->slot_ns / resolution_ns >= rule->parts / 8)
		return rule->parts;
	return (uint32_t)(8 * rule->slot_ns / resolution_ns) + 1;
}

static int spread(struct sqlite_reading *g, struct segment_window *w, uint64_t from_ns,
		  uint64_t to_ns)
{
	bool whole = from_ns <= w->wall_start_ns && to_ns >= w->wall_end_ns;
	struct part part = {.count = parts_wanted(g, whole)};
	uint64_t length_ns = (w->wall_end_ns - w->wall_start_ns) / part.count;
	int err = 0;

	if (g->scan->no_stacks)
		fold_labels(g, w);
	for (; part.index < part.count && !err; part.index++) {
		uint64_t time_ns = w->wall_start_ns + length_ns * part.index;
		uint64_t middle_ns = time_ns + length_ns / 2;

		if (middle_ns >= from_ns && middle_ns < to_ns)
			err = spread_part(g, w, part, later(time_ns, from_ns));
	}
	return err;
}

int sqlite_reading_add(struct sqlite_reading *g, struct segment_window *w, uint64_t from_ns,
		       uint64_t to_ns)
{
	bool whole = from_ns <= w->wall_start_ns && to_ns >= w->wall_end_ns;

	drop_unmatched(g, w);
	if (w->kind == SEGMENT_DETAIL) {
		drop_outside(w, from_ns, to_ns);
		return wants_totals(g) ? sum_up(g, w, from_ns) : emit(g, w);
	}
	if (whole && wants_totals(g))
		return sum_up(g, w, from_ns);
	return spread(g, w, from_ns, to_ns);
}
