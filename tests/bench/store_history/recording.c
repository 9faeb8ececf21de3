/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/store_history/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define SAMPLES_LEAST 1000
#define STEP	      10 /* samples at 19 Hz lie this many recorded ones apart */

DEFINE_CLEANUP(recording_release, struct recording *)

struct seen {
	uint64_t time_ns;
	uint32_t program;
	uint32_t labels;
	uint32_t stack;
	uint16_t cpu;
};

struct loading {
	struct recording *r;
	struct seen *seen; /* owned */
	size_t count, capacity;
	uint32_t *programs; /* owned; by label set */
	size_t jitter_capacity;
};

static void loading_release(struct loading *l)
{
	free(l->seen);
	free(l->programs);
}

void recording_release(struct recording *r)
{
	segment_reader_close(r->reader);
	free(r->programs);
	free(r->pool);
	free(r->jitter_ms);
	*r = (struct recording){0};
}

static const char *label_of(const struct window *w, uint32_t id, const char *name)
{
	const struct window_label_set *set = &w->label_sets[id];

	for (uint32_t i = set->first; i < set->first + set->count; i++)
		if (!strcmp(strpool_get(&w->strings, w->labels[i].name), name))
			return strpool_get(&w->strings, w->labels[i].value);
	return "";
}

static int find_program(struct recording *r, const char *comm, const char *exe, uint32_t *ret)
{
	for (*ret = 0; *ret < r->program_count; ++*ret)
		if (!strcmp(r->programs[*ret].comm, comm) && !strcmp(r->programs[*ret].exe, exe))
			return 0;

	void *grown = reallocarray(r->programs, r->program_count + 1, sizeof(*r->programs));

	if (!grown)
		return -ENOMEM;
	r->programs = grown;
	r->programs[r->program_count++] = (struct program){.comm = comm, .exe = exe};
	return 0;
}

/* How many label sets up to this one are of the same process: each is a thread. */
static uint32_t count_threads(const struct window *w, uint32_t last)
{
	const char *pid = label_of(w, last, "pid");
	uint32_t count = 0;

	for (uint32_t i = 0; i <= last; i++)
		count += !strcmp(label_of(w, i, "pid"), pid);
	return count < RECORDING_THREADS_MAX ? count : RECORDING_THREADS_MAX;
}

static int find_programs(struct loading *l)
{
	const struct window *w = &l->r->dict->tables.w;

	l->programs = calloc(w->label_set_count + 1u, sizeof(*l->programs));
	if (!l->programs)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->label_set_count; i++) {
		int err = find_program(l->r, label_of(w, i, "comm"), label_of(w, i, "exe"),
				       &l->programs[i]);

		if (err)
			return err;

		struct program *p = &l->r->programs[l->programs[i]];
		uint32_t threads = count_threads(w, i);

		if (threads > p->threads)
			p->threads = threads;
	}
	return 0;
}

static int note_jitter(struct loading *l, const struct segment_window *w, size_t i)
{
	struct recording *r = l->r;
	int64_t period_us = (int64_t)(w->period_ns / NS_PER_US);

	if (!i || w->samples[i].cpu != w->samples[i - 1].cpu || !period_us)
		return 0;

	int64_t passed = (int64_t)w->samples[i].time_us - w->samples[i - 1].time_us;
	int64_t beside = passed - (passed + period_us / 2) / period_us * period_us;

	if (array_reserve((void **)&r->jitter_ms, &l->jitter_capacity, r->jitter_count + 1, 1))
		return -ENOMEM;
	r->jitter_ms[r->jitter_count++] = (int8_t)(beside / 1000);
	return 0;
}

static int load_window(struct loading *l, const struct segment_window *w)
{
	const struct segment_dict *d = l->r->dict;

	if (array_reserve((void **)&l->seen, &l->capacity, l->count + w->sample_count,
			  sizeof(*l->seen)))
		return -ENOMEM;
	for (size_t i = 0; i < w->sample_count; i++) {
		const struct segment_series *series = &d->series[w->samples[i].series];

		l->seen[l->count++] = (struct seen){
			.time_ns = w->wall_start_ns + w->samples[i].time_us * NS_PER_US,
			.program = l->programs[series->labels],
			.labels = series->labels,
			.stack = series->stack,
			.cpu = w->samples[i].cpu,
		};

		int err = note_jitter(l, w, i);

		if (err)
			return err;
	}
	return 0;
}

static int load_block(struct loading *l, int64_t id)
{
	struct segment_block_reader opened = {0};
	CLEANUP(segment_block_reader_releasep) struct segment_block_reader *block = &opened;
	int err = segment_reader_block(l->r->reader, id, false, block);

	while (!err) {
		struct segment_window w;

		err = segment_block_next(block, &w);
		if (!err)
			err = load_window(l, &w);
	}
	return err == -ENOENT ? 0 : err;
}

static int load(struct loading *l, const char *path)
{
	auto_free struct segment_row *rows = NULL;
	size_t count = 0;
	int err = segment_reader_open(path, &l->r->reader);

	if (!err)
		err = segment_reader_rows(l->r->reader, &rows, &count);
	if (!err && !count)
		err = -ENODATA;
	if (!err)
		err = segment_reader_dict(l->r->reader, rows[count - 1].id, &l->r->dict);
	if (!err)
		err = find_programs(l);
	for (size_t i = 0; i < count && !err; i++)
		err = load_block(l, rows[i].id);
	return err;
}

static int compare_heat(const void *a, const void *b, void *heat)
{
	uint32_t x = ((const uint32_t *)heat)[*(const uint32_t *)a];
	uint32_t y = ((const uint32_t *)heat)[*(const uint32_t *)b];

	return x > y ? -1 : x < y;
}

/* Drops the samples of the rarest stacks. */
static int limit_stacks(struct loading *l, size_t most)
{
	size_t count = l->r->dict->tables.w.stack_count;
	auto_free uint32_t *heat = calloc(count + 1, sizeof(*heat));
	auto_free uint32_t *order = calloc(count + 1, sizeof(*order));
	size_t kept = 0;

	if (!heat || !order)
		return -ENOMEM;
	for (size_t i = 0; i < l->count; i++)
		heat[l->seen[i].stack]++;
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, count, sizeof(*order), compare_heat, heat);
	for (size_t i = most; i < count; i++)
		heat[order[i]] = 0;
	for (size_t i = 0; i < l->count; i++)
		if (heat[l->seen[i].stack])
			l->seen[kept++] = l->seen[i];
	l->count = kept;
	for (size_t i = 0; i < count; i++)
		l->r->stack_count += heat[i] != 0;
	return 0;
}

static int compare_by_cpu(const void *a, const void *b)
{
	const struct seen *x = a;
	const struct seen *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static int compare_by_thread(const void *a, const void *b)
{
	const struct seen *x = a;
	const struct seen *y = b;

	if (x->program != y->program)
		return x->program < y->program ? -1 : 1;
	if (x->labels != y->labels)
		return x->labels < y->labels ? -1 : 1;
	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* How often a CPU stays with a thread from one sample to the next at the played rate. */
static int measure_staying(struct loading *l)
{
	struct recording *r = l->r;
	auto_free uint32_t *stayed = calloc(r->program_count + 1, sizeof(*stayed));
	auto_free uint32_t *seen = calloc(r->program_count + 1, sizeof(*seen));

	if (!stayed || !seen)
		return -ENOMEM;
	qsort(l->seen, l->count, sizeof(*l->seen), compare_by_cpu);
	for (size_t i = 0; i + STEP < l->count; i++) {
		const struct seen *a = &l->seen[i];
		const struct seen *b = &l->seen[i + STEP];

		seen[a->program]++;
		stayed[a->program] += a->cpu == b->cpu && a->labels == b->labels;
	}
	for (size_t i = 0; i < r->program_count; i++)
		r->programs[i].stay_share = seen[i] ? stayed[i] * 65536ull / seen[i] : 0;
	return 0;
}

static int make_sequences(struct loading *l)
{
	struct recording *r = l->r;

	r->pool = calloc(l->count + 1, sizeof(*r->pool));
	if (!r->pool)
		return -ENOMEM;
	qsort(l->seen, l->count, sizeof(*l->seen), compare_by_thread);
	for (size_t i = 0; i < l->count; i++) {
		struct program *p = &r->programs[l->seen[i].program];

		if (!p->count++)
			p->sequence = r->pool + i;
		r->pool[i] = l->seen[i].stack;
	}
	r->sample_count = l->count;
	return 0;
}

static void drop_empty_programs(struct recording *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->program_count; i++)
		if (r->programs[i].count)
			r->programs[kept++] = r->programs[i];
	r->program_count = kept;
}

int recording_open(const char *path, size_t stacks_most, struct recording *ret)
{
	struct recording opened = {0};
	CLEANUP(recording_releasep) struct recording *r = &opened;
	CLEANUP(loading_release) struct loading l = {.r = r};
	int err = load(&l, path);

	if (!err)
		err = limit_stacks(&l, stacks_most);
	if (!err && l.count < SAMPLES_LEAST)
		err = -ENODATA;
	if (!err)
		err = measure_staying(&l);
	if (!err)
		err = make_sequences(&l);
	if (err)
		return err;
	drop_empty_programs(r);
	*ret = opened;
	opened = (struct recording){0};
	return 0;
}
