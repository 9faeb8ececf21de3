/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(window_unref, struct window *)

/* Ids of the dictionary that are in use, and what they become: 0 = not in use, else new id + 1. */
struct selection {
	const struct window *from; /* the dictionary's tables */
	struct window *to;
	uint32_t *label_sets;
	uint32_t *binaries; /* this and what follows: NULL without stacks */
	uint32_t *frames;
	uint32_t *stacks;
	uint32_t *memory; /* owned; all of the above */
};

static void selection_release(struct selection *s)
{
	free(s->memory);
}

static int selection_init(struct selection *s, const struct window *from, struct window *to,
			  bool with_stacks)
{
	size_t count = from->label_set_count;

	if (with_stacks)
		count += from->binary_count + (size_t)from->frame_count + from->stack_count;

	*s = (struct selection){.from = from, .to = to};
	s->memory = calloc(count + 1, sizeof(*s->memory));
	if (!s->memory)
		return -ENOMEM;
	s->label_sets = s->memory;
	if (!with_stacks)
		return 0;
	s->binaries = s->label_sets + from->label_set_count;
	s->frames = s->binaries + from->binary_count;
	s->stacks = s->frames + from->frame_count;
	return 0;
}

/* Counts an id the first time it is seen and gives it its new id. */
static bool pick(uint32_t *map, uint32_t id, uint32_t *count)
{
	if (map[id])
		return false;
	map[id] = ++*count;
	return true;
}

static void pick_stack(struct selection *s, uint32_t id)
{
	const struct window_stack *stack = &s->from->stacks[id];

	if (!pick(s->stacks, id, &s->to->stack_count))
		return;
	s->to->stack_frame_count += stack->count;
	for (uint32_t i = stack->first; i < stack->first + stack->count; i++) {
		uint32_t frame = s->from->stack_frames[i];

		if (pick(s->frames, frame, &s->to->frame_count))
			(void)pick(s->binaries, s->from->frames[frame].binary,
				   &s->to->binary_count); /* may be there already */
	}
}

static int allocate(struct window *w)
{
	/* One more of each, so that an empty table is no failure. */
	w->binaries = calloc(w->binary_count + 1u, sizeof(*w->binaries));
	w->frames = calloc(w->frame_count + 1u, sizeof(*w->frames));
	w->stack_frames = calloc(w->stack_frame_count + 1u, sizeof(*w->stack_frames));
	w->stacks = calloc(w->stack_count + 1u, sizeof(*w->stacks));
	w->labels = calloc(w->label_count + 1u, sizeof(*w->labels));
	w->label_sets = calloc(w->label_set_count + 1u, sizeof(*w->label_sets));
	w->samples = calloc(w->sample_count + 1u, sizeof(*w->samples));
	return w->binaries && w->frames && w->stack_frames && w->stacks && w->labels &&
			       w->label_sets && w->samples
		       ? 0
		       : -ENOMEM;
}

static int copy_string(const struct selection *s, uint32_t id, uint32_t *ret)
{
	return strpool_add(&s->to->strings, strpool_get(&s->from->strings, id), ret);
}

static void copy_binaries(const struct selection *s)
{
	for (uint32_t i = 0; i < s->from->binary_count; i++)
		if (s->binaries[i])
			s->to->binaries[s->binaries[i] - 1] = binary_ref(s->from->binaries[i]);
}

static int copy_frames(const struct selection *s)
{
	for (uint32_t i = 0; i < s->from->frame_count; i++) {
		if (!s->frames[i])
			continue;

		struct window_frame f = s->from->frames[i];

		f.binary = s->binaries[f.binary] - 1;
		if (f.name && copy_string(s, f.name, &f.name))
			return -ENOMEM;
		s->to->frames[s->frames[i] - 1] = f;
	}
	return 0;
}

static void copy_stacks(const struct selection *s)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->from->stack_count; i++) {
		if (!s->stacks[i])
			continue;

		struct window_stack stack = s->from->stacks[i];
		const uint32_t *frames = s->from->stack_frames + stack.first;

		for (uint32_t k = 0; k < stack.count; k++)
			s->to->stack_frames[at + k] = s->frames[frames[k]] - 1;
		stack.first = at;
		at += stack.count;
		s->to->stacks[s->stacks[i] - 1] = stack;
	}
}

static int copy_label_sets(const struct selection *s)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->from->label_set_count; i++) {
		if (!s->label_sets[i])
			continue;

		const struct window_label_set *set = &s->from->label_sets[i];

		for (uint32_t k = 0; k < set->count; k++) {
			const struct window_label *label = &s->from->labels[set->first + k];

			if (copy_string(s, label->name, &s->to->labels[at + k].name) ||
			    copy_string(s, label->value, &s->to->labels[at + k].value))
				return -ENOMEM;
		}
		s->to->label_sets[s->label_sets[i] - 1] =
			(struct window_label_set){.first = at, .count = set->count};
		at += set->count;
	}
	return 0;
}

/* As many samples as a weight takes; only sums of hours have more than one. */
static uint32_t parts_of(uint32_t weight)
{
	return weight ? (weight - 1) / UINT16_MAX + 1 : 0;
}

/* @sample: all but the weight */
static void put_sample(struct window_sample sample, uint32_t weight, struct window_sample **at)
{
	for (uint32_t parts = parts_of(weight); parts--; weight -= sample.weight) {
		sample.weight = weight > UINT16_MAX ? UINT16_MAX : (uint16_t)weight;
		*(*at)++ = sample;
	}
}

static void copy_sample(const struct selection *s, const struct segment_series *series,
			const struct segment_sample *from, struct window_sample **at)
{
	struct window_sample sample = {
		.time_us = from->time_us,
		.stack = s->stacks ? s->stacks[series->stack] - 1 : 0,
		.labels = s->label_sets[series->labels] - 1,
		.cpu = from->cpu,
	};

	put_sample(sample, from->weight, at);
}

/* What the samples need; an empty stack 0 for all of them if stacks are not wanted. */
static int pick_all(struct selection *s, const struct segment_dict *d,
		    const struct segment_window *from, bool with_stacks)
{
	uint64_t sample_count = 0;
	uint64_t label_count = 0;

	for (size_t i = 0; i < from->sample_count; i++) {
		const struct segment_series *series = &d->series[from->samples[i].series];

		sample_count += parts_of(from->samples[i].weight);
		if (with_stacks)
			pick_stack(s, series->stack);
		if (pick(s->label_sets, series->labels, &s->to->label_set_count))
			label_count += s->from->label_sets[series->labels].count;
	}
	if (sample_count > UINT32_MAX || label_count > UINT32_MAX)
		return -EFBIG;
	s->to->sample_count = (uint32_t)sample_count;
	s->to->label_count = (uint32_t)label_count;
	if (!with_stacks)
		s->to->stack_count = 1;
	return 0;
}

static int compare_by_time(const void *a, const void *b)
{
	const struct segment_sample *x = a;
	const struct segment_sample *y = b;

	if (x->time_us != y->time_us)
		return x->time_us < y->time_us ? -1 : 1;
	return x->series < y->series ? -1 : x->series > y->series;
}

static void sort_by_time(struct segment_window *from)
{
	for (size_t i = 1; i < from->sample_count; i++)
		if (from->samples[i - 1].time_us > from->samples[i].time_us) {
			qsort(from->samples, from->sample_count, sizeof(*from->samples),
			      compare_by_time);
			return;
		}
}

static struct window *new_window(const struct segment_window *from)
{
	struct window *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ref_count = 1;
	w->wall_start_ns = from->wall_start_ns;
	w->wall_end_ns = from->wall_end_ns;
	w->period_ns = from->period_ns;
	memcpy(w->lost, from->lost, sizeof(w->lost));
	return w;
}

int segment_window_make(const struct segment_dict *d, struct segment_window *from, bool with_stacks,
			struct window **ret)
{
	CLEANUP(window_unrefp) struct window *w = new_window(from);
	CLEANUP(selection_release) struct selection s = {0};

	if (!w)
		return -ENOMEM;

	uint32_t binary_count = 0;
	int err = selection_init(&s, &d->tables.w, w, with_stacks);

	if (!err)
		err = pick_all(&s, d, from, with_stacks);
	if (!err)
		err = allocate(w);
	binary_count = w->binary_count;
	w->binary_count = 0; /* until the references are there */
	if (err)
		return err;
	if (with_stacks) {
		copy_binaries(&s);
		w->binary_count = binary_count;
		copy_stacks(&s);
		err = copy_frames(&s);
	}
	if (err || copy_label_sets(&s))
		return -ENOMEM;

	struct window_sample *at = w->samples;

	sort_by_time(from);
	for (size_t i = 0; i < from->sample_count; i++)
		copy_sample(&s, &d->series[from->samples[i].series], &from->samples[i], &at);
	*ret = take_ptr(w);
	return 0;
}

int segment_window_view(const struct segment_dict *d, struct segment_window *from,
			struct window *ret)
{
	uint64_t count = 0;

	for (size_t i = 0; i < from->sample_count; i++)
		count += parts_of(from->samples[i].weight);
	if (count > UINT32_MAX)
		return -EFBIG;

	struct window w = d->tables.w;
	struct window_sample *at = calloc(count + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	w.ref_count = 1;
	w.wall_start_ns = from->wall_start_ns;
	w.wall_end_ns = from->wall_end_ns;
	w.period_ns = from->period_ns;
	memcpy(w.lost, from->lost, sizeof(w.lost));
	w.samples = at;
	w.sample_count = (uint32_t)count;
	sort_by_time(from);
	for (size_t i = 0; i < from->sample_count; i++) {
		const struct segment_sample *s = &from->samples[i];
		const struct segment_series *series = &d->series[s->series];
		struct window_sample sample = {
			.time_us = s->time_us,
			.stack = series->stack,
			.labels = series->labels,
			.cpu = s->cpu,
		};

		put_sample(sample, s->weight, &at);
	}
	*ret = w;
	return 0;
}

void segment_window_release_view(struct window *view)
{
	free(view->samples);
}
