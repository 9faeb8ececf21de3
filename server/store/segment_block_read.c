/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of blocks; the form is at the head of segment_block.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/store/segment_block.h"

int segment_block_open(const struct segment_dict *d, const void *bytes, size_t length,
		       bool without_times, struct segment_block_reader *ret)
{
	const unsigned int times = 1u << BLOCK_TICKS | 1u << BLOCK_OFFSETS;

	*ret = (struct segment_block_reader){.dict = d, .without_times = without_times};

	int err = pack_read(bytes, length, without_times ? times : 0, &ret->columns);

	if (err)
		return err;
	if (ret->columns.count != BLOCK_COLUMN_COUNT) {
		pack_release(&ret->columns);
		return -EBADMSG;
	}
	for (size_t i = 0; i < BLOCK_COLUMN_COUNT; i++)
		ret->readers[i] = pack_reader(&ret->columns, i);
	return 0;
}

void segment_block_reader_release(struct segment_block_reader *r)
{
	if (!r)
		return;
	pack_release(&r->columns);
	free(r->samples);
	r->samples = NULL;
	r->sample_capacity = 0;
}

static bool is_bad(const struct segment_block_reader *r)
{
	for (size_t i = 0; i < BLOCK_COLUMN_COUNT; i++)
		if (r->readers[i].bad)
			return true;
	return false;
}

static int read_head(struct byte_reader *r, struct segment_window *w)
{
	*w = (struct segment_window){.kind = take_below(r, SEGMENT_KIND_COUNT)};
	w->wall_start_ns = take_varint(r);
	if (__builtin_add_overflow(w->wall_start_ns, take_varint(r), &w->wall_end_ns))
		return -EBADMSG;
	w->period_ns = take_varint(r);
	w->sample_count = take_below(r, PACK_BYTES_MAX);
	for (size_t i = 0; i < LOST_REASON_COUNT; i++)
		w->lost[i] = take_varint(r);
	return r->bad ? -EBADMSG : 0;
}

/* The series of a label set; one without any if the bytes are damaged. */
static const struct series_list *find_list(const struct segment_dict *d, uint64_t labels)
{
	static const struct series_list none;

	return labels < d->list_count ? &d->lists[labels] : &none;
}

static int find_series(const struct series_list *list, uint64_t rank, uint32_t *ret)
{
	if (rank >= list->count)
		return -EBADMSG;
	*ret = list->series[rank];
	return 0;
}

static int read_weight(struct segment_block_reader *r, uint32_t *ret)
{
	struct byte_reader *weights = &r->readers[BLOCK_WEIGHTS];

	*ret = r->columns.columns[BLOCK_WEIGHTS].length ? take_below(weights, UINT32_MAX) + 1 : 1;
	return weights->bad ? -EBADMSG : 0;
}

static int read_times(struct segment_block_reader *r, const struct segment_window *w,
		      struct segment_sample *samples, size_t count)
{
	uint64_t period_us = w->period_ns / NS_PER_US;
	uint64_t time_us = 0;

	if (!period_us || period_us > UINT32_MAX)
		period_us = SEGMENT_TIME_UNIT_US;
	for (size_t i = 0; i < count; i++) {
		uint64_t ticks = take_below(&r->readers[BLOCK_TICKS], UINT32_MAX);
		uint64_t units = (uint64_t)take_signed(&r->readers[BLOCK_OFFSETS]);

		time_us += ticks * period_us + units * SEGMENT_TIME_UNIT_US;
		if (time_us > UINT32_MAX)
			return -EBADMSG;
		samples[i].time_us = (uint32_t)time_us;
	}
	return 0;
}

static int read_run(struct segment_block_reader *r, const struct segment_window *w,
		    struct segment_sample *samples, size_t count)
{
	const struct series_list *list = find_list(r->dict, UINT64_MAX);

	for (size_t i = 0; i < count; i++) {
		uint64_t code = take_varint(&r->readers[BLOCK_LABELS]);
		uint64_t rank = take_varint(&r->readers[BLOCK_RANKS]);

		if (code)
			list = find_list(r->dict, code - 1);
		if (find_series(list, rank, &samples[i].series) ||
		    read_weight(r, &samples[i].weight))
			return -EBADMSG;
		samples[i].time_us = 0;
	}

	int err = r->without_times ? 0 : read_times(r, w, samples, count);

	return !err && is_bad(r) ? -EBADMSG : err;
}

static int read_detail(struct segment_block_reader *r, const struct segment_window *w)
{
	struct byte_reader *cpus = &r->readers[BLOCK_CPUS];
	uint32_t run_count = take_below(cpus, UINT16_MAX + 2u);
	uint64_t cpu = 0;
	size_t at = 0;

	for (uint32_t run = 0; run < run_count; run++) {
		cpu += take_varint(cpus);

		uint64_t count = take_varint(cpus);

		if (cpus->bad || cpu > UINT16_MAX || count > w->sample_count - at)
			return -EBADMSG;

		int err = read_run(r, w, r->samples + at, count);

		if (err)
			return err;
		for (; count--; at++)
			r->samples[at].cpu = (uint16_t)cpu;
	}
	return at == w->sample_count ? 0 : -EBADMSG;
}

static int read_totals(struct segment_block_reader *r, const struct segment_window *w)
{
	uint64_t labels = 0;
	size_t at = 0;

	while (at < w->sample_count) {
		uint64_t rank = 0;
		uint64_t count = take_varint(&r->readers[BLOCK_COUNTS]);

		labels += take_varint(&r->readers[BLOCK_LABELS]);

		const struct series_list *list = find_list(r->dict, labels);

		if (!count || count > w->sample_count - at)
			return -EBADMSG;
		for (; count--; at++) {
			struct segment_sample *s = &r->samples[at];

			rank += take_varint(&r->readers[BLOCK_RANKS]);
			if (find_series(list, rank, &s->series) || read_weight(r, &s->weight))
				return -EBADMSG;
			s->time_us = 0;
			s->cpu = 0;
		}
		if (is_bad(r))
			return -EBADMSG;
	}
	return 0;
}

int segment_block_next(struct segment_block_reader *r, struct segment_window *ret)
{
	struct byte_reader *heads = &r->readers[BLOCK_HEADS];
	struct segment_window w;

	if (heads->at == heads->end)
		return -ENOENT;

	int err = read_head(heads, &w);

	if (err)
		return err;
	/* Each sample takes a byte of this column at least: memory is asked for only where there are samples. */
	if (w.sample_count > r->columns.columns[BLOCK_RANKS].length)
		return -EBADMSG;
	if (array_reserve((void **)&r->samples, &r->sample_capacity, w.sample_count,
			  sizeof(*r->samples)))
		return -ENOMEM;
	if (w.sample_count)
		err = w.kind == SEGMENT_TOTALS ? read_totals(r, &w) : read_detail(r, &w);
	if (err)
		return err;
	w.samples = r->samples;
	*ret = w;
	return 0;
}
