/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"

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

/* From ids of a window to ids of the dictionary, each + 1; 0 = not asked for yet. */
struct mapping {
	struct segment_dict *dict;
	const struct window *window;
	uint32_t *strings;
	uint32_t *binaries;
	uint32_t *frames;
	uint32_t *stacks;
	uint32_t *label_sets;
	uint32_t *memory; /* owned; all of the above */
};

static void mapping_release(struct mapping *m)
{
	free(m->memory);
}

static int mapping_init(struct mapping *m, struct segment_dict *d, const struct window *w)
{
	size_t string_count = strpool_count(&w->strings);
	size_t count = string_count + w->binary_count + w->frame_count + w->stack_count +
		       w->label_set_count;

	*m = (struct mapping){.dict = d, .window = w};
	m->memory = calloc(count + 1, sizeof(*m->memory));
	if (!m->memory)
		return -ENOMEM;
	m->strings = m->memory;
	m->binaries = m->strings + string_count;
	m->frames = m->binaries + w->binary_count;
	m->stacks = m->frames + w->frame_count;
	m->label_sets = m->stacks + w->stack_count;
	return 0;
}

static int map_string(struct mapping *m, uint32_t id, uint32_t *ret)
{
	if (!m->strings[id]) {
		const char *text = strpool_get(&m->window->strings, id);
		int err = window_builder_string(&m->dict->tables, text, ret);

		if (err)
			return err;
		m->strings[id] = *ret + 1;
	}
	*ret = m->strings[id] - 1;
	return 0;
}

static int map_frame(struct mapping *m, uint32_t id, uint32_t *ret)
{
	if (!m->frames[id]) {
		struct window_frame f = m->window->frames[id];
		uint32_t *binary = &m->binaries[f.binary];
		int err = 0;

		if (!*binary) {
			err = segment_dict_binary(m->dict, m->window->binaries[f.binary], binary);
			if (err)
				return err;
			++*binary;
		}
		f.binary = *binary - 1;
		err = map_string(m, f.name, &f.name);
		if (!err)
			err = window_builder_frame(&m->dict->tables, &f, ret);
		if (err)
			return err;
		m->frames[id] = *ret + 1;
	}
	*ret = m->frames[id] - 1;
	return 0;
}

/* Frames from the root, so that new ones get ids in the order in which stacks name them. */
static int map_stack(struct mapping *m, uint32_t id)
{
	const struct window_stack *s = &m->window->stacks[id];
	auto_free uint32_t *frames = malloc((s->count + 1u) * sizeof(*frames));
	uint32_t mapped;

	if (!frames)
		return -ENOMEM;
	for (uint32_t i = s->count; i-- > 0;) {
		int err = map_frame(m, m->window->stack_frames[s->first + i], &frames[i]);

		if (err)
			return err;
	}

	int err = window_builder_stack(&m->dict->tables, frames, s->count, s->verdict, &mapped);

	if (!err)
		m->stacks[id] = mapped + 1;
	return err;
}

static int map_label_set(struct mapping *m, uint32_t id)
{
	const struct window_label_set *set = &m->window->label_sets[id];
	struct window_label labels[SEGMENT_LABELS_MAX];
	uint32_t mapped;

	if (set->count > SEGMENT_LABELS_MAX)
		return -EFBIG;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct window_label *from = &m->window->labels[set->first + i];
		int err = map_string(m, from->name, &labels[i].name);

		if (!err)
			err = map_string(m, from->value, &labels[i].value);
		if (err)
			return err;
	}

	int err = window_builder_labels(&m->dict->tables, labels, set->count, &mapped);

	if (!err)
		m->label_sets[id] = mapped + 1;
	return err;
}

/* By what is nearest to the root, so that each stack shares much with the one before. */
static int compare_stacks(const void *a, const void *b, void *window)
{
	const struct window *w = window;
	const struct window_stack *x = &w->stacks[*(const uint32_t *)a];
	const struct window_stack *y = &w->stacks[*(const uint32_t *)b];

	for (uint32_t i = 1; i <= x->count && i <= y->count; i++) {
		uint32_t f = w->stack_frames[x->first + x->count - i];
		uint32_t g = w->stack_frames[y->first + y->count - i];

		if (f != g)
			return f < g ? -1 : 1;
	}
	return x->count < y->count ? -1 : x->count > y->count;
}

static int map_stacks(struct mapping *m, const struct segment_sample *samples, size_t count)
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
	qsort_r(order, used_count, sizeof(*order), compare_stacks, (void *)w);
	for (size_t i = 0; i < used_count; i++) {
		int err = map_stack(m, order[i]);

		if (err)
			return err;
	}
	return 0;
}

/* Puts the ids of series where indices of samples of the window stood. */
static int map_samples(struct segment_dict *d, const struct window *window,
		       struct segment_sample *samples, size_t count)
{
	CLEANUP(mapping_release) struct mapping m;
	int err = mapping_init(&m, d, window);

	if (!err)
		err = map_stacks(&m, samples, count);
	for (size_t i = 0; i < count && !err; i++) {
		const struct window_sample *s = &window->samples[samples[i].series];

		if (!m.label_sets[s->labels])
			err = map_label_set(&m, s->labels);
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
