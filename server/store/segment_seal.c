/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store/segment_map.h"

#define LEVEL 12 /* of zstd: once per segment, in the background */
#define BLOCK_SAMPLES \
	(2u << 20) /* a block ends when it has more, so that it is read in little memory */

struct sealing {
	struct segment_reader *reader;
	const struct segment_seal_options *options;
	const struct segment_dict *from;
	struct segment_row *rows; /* owned; by their start */
	size_t row_count;
	uint64_t *weights; /* owned; by series of `from` */
	uint64_t *label_weights;
	uint32_t *series; /* owned; from series of `from` to those of `to` */

	struct segment_dict to;
	struct segment_file *file;
	struct segment_block_writer block;
	struct segment_row row;	   /* of that block */
	bool has_names;		   /* the dictionary is in the file */
	uint64_t windows, samples; /* written */
};

static void sealing_release(struct sealing *g)
{
	free(g->rows);
	free(g->weights);
	free(g->label_weights);
	free(g->series);
	segment_dict_release(&g->to);
	segment_file_close(g->file);
	segment_block_writer_release(&g->block);
}

typedef int (*window_fn)(struct sealing *g, struct segment_window *w);

static int for_each_in_block(struct sealing *g, int64_t id, window_fn fn)
{
	struct segment_block_reader opened = {0};
	CLEANUP(segment_block_reader_releasep) struct segment_block_reader *block = &opened;
	int err = segment_reader_block(g->reader, id, false, block);

	while (!err) {
		struct segment_window w;

		err = segment_block_next(block, &w);
		if (!err)
			err = fn(g, &w);
	}
	return err == -ENOENT ? 0 : err;
}

static int for_each_window(struct sealing *g, window_fn fn)
{
	int err = 0;

	for (size_t i = 0; i < g->row_count && !err; i++) {
		err = for_each_in_block(g, g->rows[i].id, fn);
		if (!err && g->options->stop && g->options->stop(g->options->stop_arg))
			err = -ECANCELED;
	}
	return err;
}

static int compare_rows(const void *a, const void *b)
{
	const struct segment_row *x = a;
	const struct segment_row *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int open_source(struct sealing *g)
{
	int64_t last_id = 0;
	int err = segment_reader_rows(g->reader, &g->rows, &g->row_count);

	if (err)
		return err;
	for (size_t i = 0; i < g->row_count; i++)
		if (g->rows[i].id > last_id)
			last_id = g->rows[i].id;
	if (!last_id)
		return -ENODATA;
	qsort(g->rows, g->row_count, sizeof(*g->rows), compare_rows);
	err = segment_reader_dict(g->reader, last_id, &g->from);
	if (err)
		return err;
	g->weights = calloc(g->from->series_count + 1, sizeof(*g->weights));
	g->label_weights = calloc(g->from->tables.w.label_set_count + 1u, sizeof(*g->weights));
	g->series = calloc(g->from->series_count + 1, sizeof(*g->series));
	return g->weights && g->label_weights && g->series ? 0 : -ENOMEM;
}

static int count_window(struct sealing *g, struct segment_window *w)
{
	for (size_t i = 0; i < w->sample_count; i++) {
		uint32_t series = w->samples[i].series;

		g->weights[series] += w->samples[i].weight;
		g->label_weights[g->from->series[series].labels] += w->samples[i].weight;
	}
	return 0;
}

static int take_stacks(struct sealing *g, struct segment_map *m)
{
	uint32_t count = g->from->tables.w.stack_count;
	auto_free uint8_t *used = calloc(count + 1u, sizeof(*used));
	auto_free uint32_t *ids = calloc(count + 1u, sizeof(*ids));
	size_t used_count = 0;

	if (!used || !ids)
		return -ENOMEM;
	for (size_t i = 0; i < g->from->series_count; i++)
		if (g->weights[i])
			used[g->from->series[i].stack] = 1;
	for (uint32_t i = 0; i < count; i++)
		if (used[i])
			ids[used_count++] = i;
	return segment_map_stacks(m, ids, used_count);
}

static int compare_label_sets(const void *a, const void *b, void *weights)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;
	const uint64_t *w = weights;

	if (w[x] != w[y])
		return w[x] > w[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The most used ones first. */
static int take_label_sets(struct sealing *g, struct segment_map *m)
{
	uint32_t count = g->from->tables.w.label_set_count;
	auto_free uint32_t *ids = calloc(count + 1u, sizeof(*ids));
	int err = 0;

	if (!ids)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		ids[i] = i;
	qsort_r(ids, count, sizeof(*ids), compare_label_sets, g->label_weights);
	for (uint32_t i = 0; i < count && g->label_weights[ids[i]] && !err; i++)
		err = segment_map_labels(m, ids[i]);
	return err;
}

/* A series on its way: what it is in the new dictionary, and how much it is used. */
struct moving {
	uint32_t labels, stack;
	uint32_t octaves; /* binary logarithm of its weight */
	uint32_t from;	  /* its id before */
};

/*
 * The most used ones of a label set get the lowest ranks. Those that are used about as much lie in the order of their
 * stacks, so that the dictionary stays small.
 */
static int compare_moving(const void *a, const void *b)
{
	const struct moving *x = a;
	const struct moving *y = b;

	if (x->labels != y->labels)
		return x->labels < y->labels ? -1 : 1;
	if (x->octaves != y->octaves)
		return x->octaves > y->octaves ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static int take_series(struct sealing *g, const struct segment_map *m)
{
	auto_free struct moving *moving = calloc(g->from->series_count + 1, sizeof(*moving));
	size_t count = 0;
	int err = 0;

	if (!moving)
		return -ENOMEM;
	for (size_t i = 0; i < g->from->series_count; i++) {
		const struct segment_series *s = &g->from->series[i];

		if (g->weights[i])
			moving[count++] = (struct moving){
				.labels = m->label_sets[s->labels] - 1,
				.stack = m->stacks[s->stack] - 1,
				.octaves = 63u - (uint32_t)__builtin_clzll(g->weights[i]),
				.from = (uint32_t)i,
			};
	}
	qsort(moving, count, sizeof(*moving), compare_moving);
	for (size_t i = 0; i < count && !err; i++)
		err = segment_dict_series(&g->to, moving[i].labels, moving[i].stack,
					  &g->series[moving[i].from]);
	return err;
}

static int make_dictionary(struct sealing *g)
{
	CLEANUP(segment_map_release) struct segment_map m;
	int err = segment_map_init(&m, &g->to, &g->from->tables.w);

	if (!err)
		err = take_stacks(g, &m);
	if (!err)
		err = take_label_sets(g, &m);
	if (!err)
		err = take_series(g, &m);
	return err == -ENOSPC ? -EFBIG : err; /* a table is full, not the disk */
}

static int write_block(struct sealing *g)
{
	static const struct segment_dict_mark none;
	auto_buffer names = BUFFER_INIT;
	auto_buffer data = BUFFER_INIT;
	int err = 0;

	if (!g->row.windows)
		return 0;
	err = segment_block_finish(&g->block, LEVEL, &data);
	if (!err && !g->has_names)
		err = segment_dict_write(&g->to, &none, LEVEL, &names);
	if (!err)
		err = segment_file_append(g->file, &g->row, &names, &data);
	g->has_names = true;
	g->windows += g->row.windows;
	g->samples += g->row.samples;
	g->row = (struct segment_row){0};
	return err;
}

static bool belongs_to_block(const struct sealing *g, const struct segment_window *w)
{
	uint64_t block_ns = g->options->block_ns;

	return g->row.start_ns / block_ns == w->wall_start_ns / block_ns &&
	       g->row.samples + w->sample_count <= BLOCK_SAMPLES;
}

static int move_window(struct sealing *g, struct segment_window *w)
{
	int err = g->row.windows && !belongs_to_block(g, w) ? write_block(g) : 0;

	if (err)
		return err;
	for (size_t i = 0; i < w->sample_count; i++)
		w->samples[i].series = g->series[w->samples[i].series];
	if (!g->row.windows++)
		g->row.start_ns = w->wall_start_ns;
	if (w->wall_end_ns > g->row.end_ns)
		g->row.end_ns = w->wall_end_ns;
	g->row.samples += (uint32_t)w->sample_count;
	segment_block_add(&g->block, &g->to, w);
	return 0;
}

/* Nothing is replaced by less than it was. */
static int check_counts(const struct sealing *g)
{
	uint64_t windows = 0;
	uint64_t samples = 0;

	for (size_t i = 0; i < g->row_count; i++) {
		windows += g->rows[i].windows;
		samples += g->rows[i].samples;
	}
	return windows == g->windows && samples == g->samples ? 0 : -EBADMSG;
}

static int write_file(struct sealing *g, const char *path)
{
	if (!access(path, F_OK))
		return -EEXIST;

	int err = segment_file_open(path, SEGMENT_CREATE, &g->file);

	if (!err)
		err = segment_file_begin(g->file);
	if (!err)
		err = for_each_window(g, move_window);
	if (!err)
		err = write_block(g);
	if (!err)
		err = check_counts(g);
	if (!err)
		err = segment_file_seal(g->file);
	return err ? err : segment_file_commit(g->file);
}

int segment_seal(struct segment_reader *from, const char *path,
		 const struct segment_seal_options *options)
{
	CLEANUP(sealing_release) struct sealing g = {.reader = from, .options = options};
	int err = 0;

	segment_dict_init(&g.to);
	err = open_source(&g);
	if (!err)
		err = for_each_window(&g, count_window);
	if (!err)
		err = make_dictionary(&g);
	return err ? err : write_file(&g, path);
}
