/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_dict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"

#define SERIES_MAX (1u << 20)

/* What a dictionary is expected to stay below, so that a query needs some ten MiB for it. A window that adds more is
 * still taken in whole. */
#define LARGE_STACKS	   (1u << 16)
#define LARGE_STACK_FRAMES (1u << 21)
#define LARGE_FRAMES	   (1u << 18)
#define LARGE_LABEL_SETS   (1u << 15)
#define LARGE_SERIES	   (1u << 18)
#define LARGE_STRING_BYTES (8u << 20)

/* What is refused: the most that a large dictionary and the largest window make. */
static const struct window_limits limits = {
	.samples = 0,
	.stacks = 1u << 18,
	.stack_frames = 1u << 22,
	.frames = 1u << 19,
	.label_sets = 1u << 17,
	.binaries = 1u << 15,
	.string_bytes = 32u << 20,
};

void segment_dict_init(struct segment_dict *d)
{
	*d = (struct segment_dict){0};
	window_builder_init(&d->tables, &limits);
	window_builder_open(&d->tables, 0, 0, 0);
}

void segment_dict_init_reading(struct segment_dict *d)
{
	segment_dict_init(d);
	d->tables.append_only = true;
}

void segment_dict_release(struct segment_dict *d)
{
	if (!d)
		return;
	window_builder_release(&d->tables);
	idmap_release(&d->binary_ids);
	idmap_release(&d->series_ids);
	for (size_t i = 0; i < d->list_count; i++)
		free(d->lists[i].series);
	free(d->lists);
	free(d->series);
	segment_dict_init(d);
}

struct segment_dict_mark segment_dict_mark(const struct segment_dict *d)
{
	const struct window *w = &d->tables.w;

	return (struct segment_dict_mark){
		.strings = strpool_count(&w->strings) - 1,
		.binaries = w->binary_count,
		.frames = w->frame_count,
		.stacks = w->stack_count,
		.label_sets = w->label_set_count,
		.series = (uint32_t)d->series_count,
	};
}

bool segment_dict_is_large(const struct segment_dict *d)
{
	const struct window *w = &d->tables.w;

	return w->stack_count > LARGE_STACKS || w->stack_frame_count > LARGE_STACK_FRAMES ||
	       w->frame_count > LARGE_FRAMES || w->label_set_count > LARGE_LABEL_SETS ||
	       d->series_count > LARGE_SERIES || w->strings.bytes > LARGE_STRING_BYTES;
}

size_t segment_dict_bytes(const struct segment_dict *d)
{
	const struct window_builder *t = &d->tables;
	size_t bytes = window_bytes(&t->w) + idmap_bytes(&t->binary_ids) +
		       idmap_bytes(&t->frame_ids) + idmap_bytes(&t->stack_ids) +
		       idmap_bytes(&t->label_set_ids) + idmap_bytes(&d->binary_ids) +
		       idmap_bytes(&d->series_ids) + d->series_capacity * sizeof(*d->series) +
		       d->list_capacity * sizeof(*d->lists);

	for (size_t i = 0; i < d->list_count; i++)
		bytes += d->lists[i].capacity * sizeof(*d->lists[i].series);
	return bytes;
}

int segment_dict_binary(struct segment_dict *d, struct binary *b, uint32_t *ret)
{
	uint64_t hash = binary_code_hash(b);

	for (struct idmap_probe p = idmap_find(&d->binary_ids, hash); p.found;
	     idmap_next(&d->binary_ids, &p))
		if (binary_same_code(d->tables.w.binaries[p.id], b)) {
			*ret = p.id;
			return 0;
		}

	int err = window_builder_binary(&d->tables, b, ret);

	return err ? err : idmap_insert(&d->binary_ids, hash, *ret);
}

static int add_to_list(struct segment_dict *d, uint32_t labels, uint32_t series, uint32_t *ret_rank)
{
	if (labels >= d->list_count) {
		if (array_reserve((void **)&d->lists, &d->list_capacity, labels + 1u,
				  sizeof(*d->lists)))
			return -ENOMEM;
		memset(d->lists + d->list_count, 0,
		       (labels + 1u - d->list_count) * sizeof(*d->lists));
		d->list_count = labels + 1u;
	}

	struct series_list *list = &d->lists[labels];

	if (array_reserve((void **)&list->series, &list->capacity, list->count + 1,
			  sizeof(*list->series)))
		return -ENOMEM;
	*ret_rank = (uint32_t)list->count;
	list->series[list->count++] = series;
	return 0;
}

int segment_dict_series(struct segment_dict *d, uint32_t labels, uint32_t stack, uint32_t *ret)
{
	uint64_t hash = hash_combine(labels, stack);
	uint32_t rank;

	for (struct idmap_probe p = idmap_find(&d->series_ids, hash); p.found;
	     idmap_next(&d->series_ids, &p))
		if (d->series[p.id].labels == labels && d->series[p.id].stack == stack) {
			*ret = p.id;
			return 0;
		}
	if (d->series_count >= SERIES_MAX)
		return -ENOSPC;
	if (array_reserve((void **)&d->series, &d->series_capacity, d->series_count + 1,
			  sizeof(*d->series)) ||
	    (!d->tables.append_only &&
	     idmap_insert(&d->series_ids, hash, (uint32_t)d->series_count)) ||
	    add_to_list(d, labels, (uint32_t)d->series_count, &rank))
		return -ENOMEM;
	d->series[d->series_count] = (struct segment_series){labels, stack, rank};
	*ret = (uint32_t)d->series_count++;
	return 0;
}
