/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_map.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

void segment_map_release(struct segment_map *m)
{
	free(m->memory);
}

int segment_map_init(struct segment_map *m, struct segment_dict *d, const struct window *w)
{
	size_t string_count = strpool_count(&w->strings);
	size_t count = string_count + w->binary_count + w->frame_count + w->stack_count +
		       w->label_set_count;

	*m = (struct segment_map){.dict = d, .window = w};
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

static int map_string(struct segment_map *m, uint32_t id, uint32_t *ret)
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

static int map_frame(struct segment_map *m, uint32_t id, uint32_t *ret)
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
static int map_stack(struct segment_map *m, uint32_t id)
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

int segment_map_labels(struct segment_map *m, uint32_t id)
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

int segment_map_stacks(struct segment_map *m, uint32_t *ids, size_t count)
{
	int err = 0;

	qsort_r(ids, count, sizeof(*ids), compare_stacks, (void *)m->window);
	for (size_t i = 0; i < count && !err; i++)
		err = map_stack(m, ids[i]);
	return err;
}
