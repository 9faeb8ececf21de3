/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing of blocks; the form is at the head of segment_block.h.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "server/store/segment_block.h"

void segment_block_writer_release(struct segment_block_writer *b)
{
	if (b)
		pack_release(&b->columns);
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_by_cpu_and_time(const void *a, const void *b)
{
	const struct segment_sample *x = a;
	const struct segment_sample *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return compare_u64((uint64_t)x->time_us << 32 | x->series,
			   (uint64_t)y->time_us << 32 | y->series);
}

static int compare_by_series(const void *a, const void *b, void *dict)
{
	const struct segment_series *series = ((const struct segment_dict *)dict)->series;
	const struct segment_series *x = &series[((const struct segment_sample *)a)->series];
	const struct segment_series *y = &series[((const struct segment_sample *)b)->series];

	return compare_u64((uint64_t)x->labels << 32 | x->rank,
			   (uint64_t)y->labels << 32 | y->rank);
}

static void write_head(const struct segment_window *w, struct buffer *out)
{
	put_varint(out, w->kind);
	put_varint(out, w->wall_start_ns);
	put_varint(out, w->wall_end_ns - w->wall_start_ns);
	put_varint(out, w->period_ns);
	put_varint(out, w->sample_count);
	for (size_t i = 0; i < LOST_REASON_COUNT; i++)
		put_varint(out, w->lost[i]);
}

static size_t run_length(const struct segment_window *w, size_t first)
{
	size_t end = first + 1;

	while (end < w->sample_count && w->samples[end].cpu == w->samples[first].cpu)
		end++;
	return end - first;
}

static void write_cpus(const struct segment_window *w, struct buffer *out)
{
	size_t run_count = 0;
	uint32_t before = 0;

	for (size_t i = 0; i < w->sample_count; i += run_length(w, i))
		run_count++;
	put_varint(out, run_count);
	for (size_t i = 0; i < w->sample_count;) {
		size_t length = run_length(w, i);

		put_varint(out, w->samples[i].cpu - before);
		put_varint(out, length);
		before = w->samples[i].cpu;
		i += length;
	}
}

/* Where the reader will see the sample: exact to half a unit, without drifting off. */
static uint64_t write_time(struct segment_block_writer *b, int64_t period_us, uint64_t before_us,
			   uint32_t time_us)
{
	const int64_t unit = SEGMENT_TIME_UNIT_US;
	int64_t passed = (int64_t)time_us - (int64_t)before_us;
	int64_t ticks = passed > 0 ? (passed + period_us / 2) / period_us : 0;
	int64_t beside = passed - ticks * period_us;
	int64_t units = (beside + (beside < 0 ? -unit / 2 : unit / 2)) / unit;
	int64_t seen = (int64_t)before_us + ticks * period_us + units * unit;

	if (seen < 0) {
		units++;
		seen += unit;
	}
	put_varint(&b->columns.columns[BLOCK_TICKS], (uint64_t)ticks);
	put_signed(&b->columns.columns[BLOCK_OFFSETS], units);
	return (uint64_t)seen;
}

/* Weights of 1 throughout are left out when the block is finished. */
static void write_weight(struct segment_block_writer *b, uint32_t weight)
{
	b->has_weights |= weight != 1;
	put_varint(&b->columns.columns[BLOCK_WEIGHTS], weight - 1);
}

static void write_run(struct segment_block_writer *b, const struct segment_dict *d,
		      const struct segment_window *w, size_t first)
{
	uint64_t period_us = w->period_ns / NS_PER_US;
	uint32_t labels_before = UINT32_MAX;
	uint64_t before_us = 0;
	size_t end = first + run_length(w, first);

	if (!period_us || period_us > UINT32_MAX)
		period_us = SEGMENT_TIME_UNIT_US;
	for (size_t i = first; i < end; i++) {
		const struct segment_series *series = &d->series[w->samples[i].series];
		bool same = series->labels == labels_before;

		before_us = write_time(b, (int64_t)period_us, before_us, w->samples[i].time_us);
		put_varint(&b->columns.columns[BLOCK_LABELS], same ? 0 : 1ull + series->labels);
		put_varint(&b->columns.columns[BLOCK_RANKS], series->rank);
		write_weight(b, w->samples[i].weight);
		labels_before = series->labels;
	}
}

static void write_totals(struct segment_block_writer *b, const struct segment_dict *d,
			 const struct segment_window *w)
{
	uint32_t labels_before = 0;

	for (size_t i = 0; i < w->sample_count;) {
		uint32_t labels = d->series[w->samples[i].series].labels;
		uint32_t rank_before = 0;
		size_t count = 0;

		for (; i + count < w->sample_count; count++) {
			const struct segment_sample *s = &w->samples[i + count];

			if (d->series[s->series].labels != labels)
				break;
			put_varint(&b->columns.columns[BLOCK_RANKS],
				   d->series[s->series].rank - rank_before);
			write_weight(b, s->weight);
			rank_before = d->series[s->series].rank;
		}
		put_varint(&b->columns.columns[BLOCK_LABELS], labels - labels_before);
		put_varint(&b->columns.columns[BLOCK_COUNTS], count);
		labels_before = labels;
		i += count;
	}
}

void segment_block_add(struct segment_block_writer *b, const struct segment_dict *d,
		       struct segment_window *w)
{
	write_head(w, &b->columns.columns[BLOCK_HEADS]);
	if (!w->sample_count)
		return;
	if (w->kind == SEGMENT_TOTALS) {
		qsort_r(w->samples, w->sample_count, sizeof(*w->samples), compare_by_series,
			(void *)d);
		write_totals(b, d, w);
		return;
	}
	qsort(w->samples, w->sample_count, sizeof(*w->samples), compare_by_cpu_and_time);
	write_cpus(w, &b->columns.columns[BLOCK_CPUS]);
	for (size_t i = 0; i < w->sample_count; i += run_length(w, i))
		write_run(b, d, w, i);
}

int segment_block_finish(struct segment_block_writer *b, int level, struct buffer *out)
{
	b->columns.count = BLOCK_COLUMN_COUNT;
	if (!b->has_weights)
		buffer_clear(&b->columns.columns[BLOCK_WEIGHTS]);

	int err = pack_write(&b->columns, level, out);

	for (size_t i = 0; i < PACK_COLUMNS_MAX; i++)
		buffer_clear(&b->columns.columns[i]);
	b->has_weights = false;
	return err;
}
