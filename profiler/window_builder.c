// SPDX-License-Identifier: Apache-2.0
#include "profiler/window_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"

DEFINE_CLEANUP(window_unref, struct window *)

const struct window_limits window_limits_default = {
	.samples = 1u << 20,
	.stacks = 1u << 17,
	.stack_frames = 1u << 21,
	.frames = 1u << 18,
	.label_sets = 1u << 16,
	.binaries = 1u << 14,
	.string_bytes = 16u << 20,
};

void window_builder_init(struct window_builder *b, const struct window_limits *limits)
{
	*b = (struct window_builder){.limits = limits ? *limits : window_limits_default};
}

static void forget_indices(struct window_builder *b)
{
	idmap_clear(&b->binary_ids);
	idmap_clear(&b->frame_ids);
	idmap_clear(&b->stack_ids);
	idmap_clear(&b->label_set_ids);
	b->binary_capacity = b->frame_capacity = b->stack_frame_capacity = b->stack_capacity = 0;
	b->label_capacity = b->label_set_capacity = b->sample_capacity = 0;
}

/* Free the tables of a window that lies in the builder. */
static void release_tables(struct window *w)
{
	for (uint32_t i = 0; i < w->binary_count; i++)
		binary_unref(w->binaries[i]);
	strpool_release(&w->strings);
	free(w->binaries);
	free(w->frames);
	free(w->stack_frames);
	free(w->stacks);
	free(w->labels);
	free(w->label_sets);
	free(w->samples);
	*w = (struct window){0};
}

void window_builder_release(struct window_builder *b)
{
	if (!b)
		return;
	release_tables(&b->w);
	idmap_release(&b->binary_ids);
	idmap_release(&b->frame_ids);
	idmap_release(&b->stack_ids);
	idmap_release(&b->label_set_ids);
}

void window_builder_open(struct window_builder *b, uint64_t start_ns, uint64_t wall_start_ns,
			 uint64_t period_ns)
{
	release_tables(&b->w);
	forget_indices(b);
	b->serial++;
	b->start_ns = start_ns;
	b->w.wall_start_ns = wall_start_ns;
	b->w.period_ns = period_ns;
}

int window_builder_string(struct window_builder *b, const char *text, uint32_t *ret)
{
	if (b->w.strings.bytes >= b->limits.string_bytes)
		return -ENOSPC;
	if (b->append_only)
		return strpool_append(&b->w.strings, text, ret);
	return strpool_add(&b->w.strings, text, ret);
}

int window_builder_binary(struct window_builder *b, struct binary *binary, uint32_t *ret)
{
	struct window *w = &b->w;
	uint64_t hash = hash_bytes(&binary, sizeof(binary));

	for (struct idmap_probe p = idmap_find(&b->binary_ids, hash); p.found;
	     idmap_next(&b->binary_ids, &p)) {
		if (w->binaries[p.id] == binary) {
			*ret = p.id;
			return 0;
		}
	}
	if (w->binary_count >= b->limits.binaries)
		return -ENOSPC;
	if (array_reserve((void **)&w->binaries, &b->binary_capacity, w->binary_count + 1,
			  sizeof(w->binaries[0])))
		return -ENOMEM;
	if (idmap_insert(&b->binary_ids, hash, w->binary_count))
		return -ENOMEM;

	w->binaries[w->binary_count] = binary_ref(binary);
	*ret = w->binary_count++;
	return 0;
}

/* A place in the index for what was added under a hash. */
static int index_item(const struct window_builder *b, struct idmap *ids, uint64_t hash, uint32_t id)
{
	return b->append_only ? 0 : idmap_insert(ids, hash, id);
}

static uint64_t frame_hash(const struct window_frame *f)
{
	uint64_t hash = hash_combine(f->addr, f->binary);

	return hash_combine(hash, (uint64_t)f->name << 32 | f->flags);
}

int window_builder_frame(struct window_builder *b, const struct window_frame *frame, uint32_t *ret)
{
	struct window *w = &b->w;
	uint64_t hash = frame_hash(frame);

	for (struct idmap_probe p = idmap_find(&b->frame_ids, hash); p.found;
	     idmap_next(&b->frame_ids, &p)) {
		const struct window_frame *f = &w->frames[p.id];

		if (f->addr == frame->addr && f->binary == frame->binary &&
		    f->name == frame->name && f->flags == frame->flags) {
			*ret = p.id;
			return 0;
		}
	}
	if (w->frame_count >= b->limits.frames)
		return -ENOSPC;
	if (array_reserve((void **)&w->frames, &b->frame_capacity, w->frame_count + 1,
			  sizeof(w->frames[0])))
		return -ENOMEM;
	if (index_item(b, &b->frame_ids, hash, w->frame_count))
		return -ENOMEM;

	w->frames[w->frame_count] = *frame;
	*ret = w->frame_count++;
	return 0;
}

int window_builder_stack(struct window_builder *b, const uint32_t *frames, size_t count,
			 enum stack_verdict verdict, uint32_t *ret)
{
	struct window *w = &b->w;
	size_t bytes = count * sizeof(frames[0]);

	if (count > UINT16_MAX)
		return -EINVAL;

	uint64_t hash = hash_combine(hash_bytes(frames, bytes), verdict);
	for (struct idmap_probe p = idmap_find(&b->stack_ids, hash); p.found;
	     idmap_next(&b->stack_ids, &p)) {
		const struct window_stack *s = &w->stacks[p.id];

		if (s->count == count && s->verdict == verdict &&
		    (!count || !memcmp(&w->stack_frames[s->first], frames, bytes))) {
			*ret = p.id;
			return 0;
		}
	}
	if (w->stack_count >= b->limits.stacks ||
	    count > b->limits.stack_frames - w->stack_frame_count)
		return -ENOSPC;
	if (array_reserve((void **)&w->stacks, &b->stack_capacity, w->stack_count + 1,
			  sizeof(w->stacks[0])) ||
	    array_reserve((void **)&w->stack_frames, &b->stack_frame_capacity,
			  w->stack_frame_count + count, sizeof(w->stack_frames[0])) ||
	    index_item(b, &b->stack_ids, hash, w->stack_count))
		return -ENOMEM;

	if (count)
		memcpy(&w->stack_frames[w->stack_frame_count], frames, bytes);
	w->stacks[w->stack_count] = (struct window_stack){.first = w->stack_frame_count,
							  .count = (uint16_t)count,
							  .verdict = (uint8_t)verdict};
	w->stack_frame_count += (uint32_t)count;
	*ret = w->stack_count++;
	return 0;
}

/* A dozen labels at most: insertion is the shortest sort. */
static void sort_labels(const struct window *w, struct window_label *labels, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct window_label label = labels[i];
		const char *name = strpool_get(&w->strings, label.name);
		size_t at = i;

		for (; at && strcmp(strpool_get(&w->strings, labels[at - 1].name), name) > 0; at--)
			labels[at] = labels[at - 1];
		labels[at] = label;
	}
}

int window_builder_labels(struct window_builder *b, struct window_label *labels, size_t count,
			  uint32_t *ret)
{
	struct window *w = &b->w;
	size_t bytes = count * sizeof(labels[0]);

	sort_labels(w, labels, count);
	uint64_t hash = hash_bytes(labels, bytes);
	for (struct idmap_probe p = idmap_find(&b->label_set_ids, hash); p.found;
	     idmap_next(&b->label_set_ids, &p)) {
		const struct window_label_set *s = &w->label_sets[p.id];

		if (s->count == count && (!count || !memcmp(&w->labels[s->first], labels, bytes))) {
			*ret = p.id;
			return 0;
		}
	}
	if (w->label_set_count >= b->limits.label_sets)
		return -ENOSPC;
	if (array_reserve((void **)&w->label_sets, &b->label_set_capacity, w->label_set_count + 1,
			  sizeof(w->label_sets[0])) ||
	    array_reserve((void **)&w->labels, &b->label_capacity, w->label_count + count,
			  sizeof(w->labels[0])) ||
	    index_item(b, &b->label_set_ids, hash, w->label_set_count))
		return -ENOMEM;

	if (count)
		memcpy(&w->labels[w->label_count], labels, bytes);
	w->label_sets[w->label_set_count] =
		(struct window_label_set){.first = w->label_count, .count = (uint32_t)count};
	w->label_count += (uint32_t)count;
	*ret = w->label_set_count++;
	return 0;
}

int window_builder_sample(struct window_builder *b, uint64_t time_ns,
			  const struct window_sample *sample)
{
	struct window *w = &b->w;

	if (w->sample_count >= b->limits.samples)
		return -ENOSPC;
	if (array_reserve((void **)&w->samples, &b->sample_capacity, w->sample_count + 1,
			  sizeof(w->samples[0])))
		return -ENOMEM;

	uint64_t time_us = time_ns > b->start_ns ? (time_ns - b->start_ns) / NS_PER_US : 0;
	struct window_sample s = *sample;
	s.time_us = time_us > UINT32_MAX ? UINT32_MAX : (uint32_t)time_us;

	uint32_t at = w->sample_count++;
	for (; at && w->samples[at - 1].time_us > s.time_us; at--)
		w->samples[at] = w->samples[at - 1];
	w->samples[at] = s;
	return 0;
}

/* Give back what growth left over; keeping it would be no mistake, so a failure is none. */
static void shrink(void *items, size_t count, size_t item_bytes)
{
	void **array = items;
	void *smaller = count ? realloc(*array, count * item_bytes) : NULL;

	if (smaller)
		*array = smaller;
}

int window_builder_finish(struct window_builder *b, uint64_t wall_end_ns, struct window **ret)
{
	struct window *w = malloc(sizeof(*w));
	if (!w) {
		release_tables(&b->w);
		forget_indices(b);
		return -ENOMEM;
	}

	*w = b->w;
	b->w = (struct window){0};
	forget_indices(b);
	w->wall_end_ns = wall_end_ns;
	w->ref_count = 1;
	shrink(&w->binaries, w->binary_count, sizeof(w->binaries[0]));
	shrink(&w->frames, w->frame_count, sizeof(w->frames[0]));
	shrink(&w->stack_frames, w->stack_frame_count, sizeof(w->stack_frames[0]));
	shrink(&w->stacks, w->stack_count, sizeof(w->stacks[0]));
	shrink(&w->labels, w->label_count, sizeof(w->labels[0]));
	shrink(&w->label_sets, w->label_set_count, sizeof(w->label_sets[0]));
	shrink(&w->samples, w->sample_count, sizeof(w->samples[0]));
	*ret = w;
	return 0;
}

/* Returns 0; -ENOMEM. An empty array stays NULL. */
static int copy_array(void *ret_items, const void *items, size_t count, size_t item_bytes)
{
	void **ret = ret_items;

	*ret = NULL;
	if (!count)
		return 0;
	*ret = malloc(count * item_bytes);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, items, count * item_bytes);
	return 0;
}

/* Ids count up in order of first appearance, so adding the strings in the order of their ids keeps the ids. */
static int copy_strings(struct strpool *to, const struct strpool *from)
{
	for (uint32_t id = 1; id < strpool_count(from); id++) {
		uint32_t same;

		if (strpool_add(to, strpool_get(from, id), &same))
			return -ENOMEM;
	}
	return 0;
}

int window_builder_copy(const struct window_builder *b, uint64_t wall_end_ns, struct window **ret)
{
	const struct window *from = &b->w;
	CLEANUP(window_unrefp) struct window *w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;

	*w = *from;
	w->strings = (struct strpool){0};
	w->wall_end_ns = wall_end_ns;
	w->ref_count = 1;
	int error =
		copy_array(&w->binaries, from->binaries, w->binary_count, sizeof(w->binaries[0]));
	for (uint32_t i = 0; !error && i < w->binary_count; i++)
		(void)binary_ref(w->binaries[i]);
	if (error)
		w->binary_count = 0;
	error |= copy_array(&w->frames, from->frames, w->frame_count, sizeof(w->frames[0]));
	error |= copy_array(&w->stack_frames, from->stack_frames, w->stack_frame_count,
			    sizeof(w->stack_frames[0]));
	error |= copy_array(&w->stacks, from->stacks, w->stack_count, sizeof(w->stacks[0]));
	error |= copy_array(&w->labels, from->labels, w->label_count, sizeof(w->labels[0]));
	error |= copy_array(&w->label_sets, from->label_sets, w->label_set_count,
			    sizeof(w->label_sets[0]));
	error |= copy_array(&w->samples, from->samples, w->sample_count, sizeof(w->samples[0]));
	error |= copy_strings(&w->strings, &from->strings);
	if (error)
		return -ENOMEM;
	*ret = take_ptr(w);
	return 0;
}
