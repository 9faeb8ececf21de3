/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/store/segment_map.h"

#define LEVEL	       3 /* of zstd: windows are written as they come */
#define OVERHEAD_BYTES (64u << 10)

struct segment_writer {
	enum segment_kind kind;
	struct segment_file *file;
	struct segment_dict dict;
	struct segment_dict_mark written; /* what of it is in the file */
	int (*reserve)(void *arg, size_t bytes);
	void (*settle)(void *arg, size_t bytes);
	void *arg;
};

/* Reads the dictionary that is there already. */
static int load(struct segment_writer *w)
{
	auto_free struct segment_row *rows = NULL;
	size_t count = 0;
	int err = segment_file_rows(w->file, 0, &rows, &count);

	for (size_t i = 0; i < count && !err; i++) {
		auto_buffer names = BUFFER_INIT;

		err = segment_file_fetch(w->file, rows[i].id, SEGMENT_NAMES, &names);
		if (!err && names.length)
			err = segment_dict_read(&w->dict, names.bytes, names.length);
	}
	w->written = segment_dict_mark(&w->dict);
	return err;
}

int segment_writer_open(const char *path, enum segment_kind kind, struct segment_writer **ret)
{
	CLEANUP(segment_writer_closep) struct segment_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->kind = kind;
	segment_dict_init(&w->dict);

	int err = segment_file_open(path, SEGMENT_CREATE, &w->file);

	if (!err)
		err = load(w);
	if (err)
		return err;
	*ret = take_ptr(w);
	return 0;
}

void segment_writer_watch(struct segment_writer *w, int (*reserve)(void *arg, size_t bytes),
			  void (*settle)(void *arg, size_t bytes), void *arg)
{
	w->reserve = reserve;
	w->settle = settle;
	w->arg = arg;
}

void segment_writer_close(struct segment_writer *w)
{
	if (!w)
		return;
	segment_file_close(w->file);
	segment_dict_release(&w->dict);
	free(w);
}

bool segment_writer_is_large(const struct segment_writer *w)
{
	return segment_dict_is_large(&w->dict);
}

/* Maps the stacks that samples use. */
static int map_stacks(struct segment_map *m, const struct segment_sample *samples, size_t count)
{
	const struct window *w = m->window;
	auto_free uint32_t *order = calloc(w->stack_count + 1u, sizeof(*order));
	auto_free uint8_t *used = calloc(w->stack_count + 1u, sizeof(*used));
	size_t used_count = 0;

	if (!order || !used)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint32_t stack = w->samples[samples[i].series].stack;

		if (!used[stack])
			order[used_count++] = stack;
		used[stack] = 1;
	}
	return segment_map_stacks(m, order, used_count);
}

/* Puts the ids of series where indices of samples of the window stood. */
static int map_samples(struct segment_dict *d, const struct window *window,
		       struct segment_sample *samples, size_t count)
{
	CLEANUP(segment_map_release) struct segment_map m;
	int err = segment_map_init(&m, d, window);

	if (!err)
		err = map_stacks(&m, samples, count);
	for (size_t i = 0; i < count && !err; i++) {
		const struct window_sample *s = &window->samples[samples[i].series];

		if (!m.label_sets[s->labels])
			err = segment_map_labels(&m, s->labels);
		if (!err)
			err = segment_dict_series(d, m.label_sets[s->labels] - 1,
						  m.stacks[s->stack] - 1, &samples[i].series);
	}
	return err;
}

/* The samples of a span, each with its index in the window instead of a series; times relative to the span. */
static int select_samples(const struct window *window, const struct segment_span *span,
			  struct segment_sample **ret, size_t *ret_count)
{
	struct segment_sample *samples = calloc(window->sample_count + 1u, sizeof(*samples));
	uint64_t start_ns = window->wall_start_ns;
	size_t count = 0;

	if (!samples)
		return -ENOMEM;
	for (uint32_t i = 0; i < window->sample_count; i++) {
		const struct window_sample *s = &window->samples[i];
		uint64_t time_ns = start_ns + s->time_us * NS_PER_US;
		uint64_t shift_ns = span && span->from_ns > start_ns ? span->from_ns - start_ns : 0;

		if (span && (time_ns < span->from_ns || time_ns >= span->to_ns))
			continue;
		samples[count++] = (struct segment_sample){
			.series = i,
			.time_us = s->time_us - (uint32_t)(shift_ns / NS_PER_US),
			.weight = s->weight ? s->weight : 1,
			.cpu = s->cpu,
		};
	}
	*ret = samples;
	*ret_count = count;
	return 0;
}

static int compare_series(const void *a, const void *b)
{
	uint32_t x = ((const struct segment_sample *)a)->series;
	uint32_t y = ((const struct segment_sample *)b)->series;

	return x < y ? -1 : x > y;
}

/* One sample per series, without time and CPU. Returns how many there are. */
static size_t sum_up(struct segment_sample *samples, size_t count)
{
	size_t kept = 0;

	qsort(samples, count, sizeof(*samples), compare_series);
	for (size_t i = 0; i < count; i++) {
		if (kept && samples[kept - 1].series == samples[i].series) {
			samples[kept - 1].weight += samples[i].weight;
			continue;
		}
		samples[kept] = samples[i];
		samples[kept].time_us = 0;
		samples[kept++].cpu = 0;
	}
	return kept;
}

/*
 * A row's pages are its own but for the last leaf and the pages above it, and those go into the journal before
 * they change: OVERHEAD_BYTES is more than both.
 */
static int add_block(struct segment_writer *w, struct segment_row *row, const struct buffer *names,
		     const struct buffer *data)
{
	size_t bytes = names->length + data->length + OVERHEAD_BYTES;
	int err = w->reserve ? w->reserve(w->arg, bytes) : 0;

	if (err)
		return err;
	err = segment_file_append(w->file, row, names, data);
	if (w->settle)
		w->settle(w->arg, bytes);
	return err;
}

/* Writes a window whose samples name series of the dictionary. */
static int write_block(struct segment_writer *w, struct segment_window *out,
		       struct segment_row *row)
{
	struct segment_block_writer block_writer = {0};
	CLEANUP(segment_block_writer_releasep) struct segment_block_writer *block = &block_writer;
	struct segment_dict_mark mark = segment_dict_mark(&w->dict);
	auto_buffer names = BUFFER_INIT;
	auto_buffer data = BUFFER_INIT;
	int err = 0;

	*row = (struct segment_row){.start_ns = out->wall_start_ns,
				    .end_ns = out->wall_end_ns,
				    .windows = 1,
				    .samples = (uint32_t)out->sample_count};
	segment_block_add(block, &w->dict, out);
	err = segment_block_finish(block, LEVEL, &data);
	if (!err && memcmp(&mark, &w->written, sizeof(mark)))
		err = segment_dict_write(&w->dict, &w->written, LEVEL, &names);
	if (!err)
		err = add_block(w, row, &names, &data);
	if (!err)
		w->written = mark;
	return err;
}

int segment_writer_append(struct segment_writer *w, const struct window *window,
			  const struct segment_span *span, struct segment_row *ret_row)
{
	auto_free struct segment_sample *samples = NULL;
	struct segment_window out = {
		.kind = w->kind,
		.wall_start_ns = window->wall_start_ns,
		.wall_end_ns = window->wall_end_ns,
		.period_ns = window->period_ns,
	};
	bool is_head = !span || span->from_ns <= window->wall_start_ns;
	size_t count = 0;
	int err = select_samples(window, span, &samples, &count);

	if (err)
		return err;
	*ret_row = (struct segment_row){0};
	if (span && span->from_ns > out.wall_start_ns)
		out.wall_start_ns = span->from_ns;
	if (span && span->to_ns < out.wall_end_ns)
		out.wall_end_ns = span->to_ns;
	if (is_head)
		memcpy(out.lost, window->lost, sizeof(out.lost));
	else if (!count)
		return 0;
	err = map_samples(&w->dict, window, samples, count);
	if (err)
		return err == -ENOSPC ? -EFBIG : err; /* a table is full, not the disk */
	if (w->kind == SEGMENT_TOTALS)
		count = sum_up(samples, count);
	out.samples = samples;
	out.sample_count = count;
	return write_block(w, &out, ret_row);
}
