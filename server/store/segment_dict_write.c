/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing of what was added to a dictionary; the form is at the head of segment_dict.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/segment_dict.h"

DEFINE_CLEANUP(pack_release, struct pack *)

static void write_strings(const struct window *w, uint32_t since, struct buffer *out)
{
	for (uint32_t id = since + 1; id < strpool_count(&w->strings); id++) {
		const char *text = strpool_get(&w->strings, id);

		buffer_append(out, text, strlen(text) + 1);
	}
}

static void write_binary(const struct binary *b, struct buffer *out)
{
	const struct build_id *id = binary_build_id(b);
	size_t count;
	const struct binary_segment *segments = binary_segments(b, &count);

	if (count > SEGMENT_BINARY_SEGMENTS_MAX)
		count = SEGMENT_BINARY_SEGMENTS_MAX;
	put_varint(out, binary_kind(b));
	put_varint(out, binary_has_build_id(b));
	put_bytes(out, binary_path(b), strlen(binary_path(b)));
	put_bytes(out, id->bytes, id->length);
	put_varint(out, count);
	for (size_t i = 0; i < count; i++) {
		put_varint(out, segments[i].offset);
		put_varint(out, segments[i].vaddr);
		put_varint(out, segments[i].file_bytes);
		put_varint(out, segments[i].memory_bytes);
		put_varint(out, segments[i].executable);
	}
}

static int write_frames(const struct window *w, const struct segment_dict_mark *since,
			struct pack *p)
{
	auto_free uint64_t *before = calloc(w->binary_count + 1u, sizeof(*before));
	uint32_t highest_name = since->strings;

	if (!before)
		return -ENOMEM;
	for (uint32_t i = since->frames; i < w->frame_count; i++) {
		const struct window_frame *f = &w->frames[i];

		put_varint(&p->columns[DICT_FRAMES], f->binary);
		put_varint(&p->columns[DICT_FRAMES], f->flags);
		put_signed(&p->columns[DICT_ADDRESSES], (int64_t)(f->addr - before[f->binary]));
		before[f->binary] = f->addr;
		if (!f->name) {
			put_varint(&p->columns[DICT_NAMES], 0);
			continue;
		}

		int64_t distance = (int64_t)f->name - highest_name;

		put_varint(&p->columns[DICT_NAMES],
			   1 + ((uint64_t)distance << 1 ^ (uint64_t)(distance >> 63)));
		if (f->name > highest_name)
			highest_name = f->name;
	}
	return 0;
}

/* How many frames two stacks share, counted from the root. */
static uint32_t shared_frames(const struct window *w, const struct window_stack *a,
			      const struct window_stack *b)
{
	const uint32_t *a_end = w->stack_frames + a->first + a->count;
	const uint32_t *b_end = w->stack_frames + b->first + b->count;
	uint32_t least = a->count < b->count ? a->count : b->count;
	uint32_t shared = 0;

	while (shared < least && a_end[-1 - (int64_t)shared] == b_end[-1 - (int64_t)shared])
		shared++;
	return shared;
}

static void write_stacks(const struct window *w, const struct segment_dict_mark *since,
			 struct buffer *out)
{
	static const struct window_stack none;
	const struct window_stack *before = &none;
	uint32_t next = since->frames;

	for (uint32_t i = since->stacks; i < w->stack_count; i++) {
		const struct window_stack *s = &w->stacks[i];
		uint32_t shared = shared_frames(w, before, s);

		put_varint(out, s->verdict);
		put_varint(out, s->count);
		put_varint(out, shared);
		for (uint32_t at = s->count - shared; at-- > 0;) {
			uint32_t frame = w->stack_frames[s->first + at];

			put_signed(out, (int64_t)next - frame);
			if (frame >= next)
				next = frame + 1;
		}
		before = s;
	}
}

static void write_label_sets(const struct window *w, uint32_t since, struct buffer *out)
{
	static const struct window_label_set none;
	const struct window_label_set *before = &none;

	for (uint32_t i = since; i < w->label_set_count; i++) {
		const struct window_label_set *set = &w->label_sets[i];

		put_varint(out, set->count);
		for (uint32_t at = 0; at < set->count; at++) {
			const struct window_label *label = &w->labels[set->first + at];
			const struct window_label *same =
				at < before->count ? &w->labels[before->first + at] : NULL;
			bool same_name = same && same->name == label->name;
			bool same_value = same && same->value == label->value;

			put_varint(out, same_name ? 0 : 1ull + label->name);
			put_varint(out, same_value ? 0 : 1ull + label->value);
		}
		before = set;
	}
}

static void write_series(const struct segment_dict *d, const struct segment_dict_mark *since,
			 struct buffer *out)
{
	uint32_t labels_before = 0;
	uint32_t next_stack = since->stacks;

	for (size_t i = since->series; i < d->series_count; i++) {
		const struct segment_series *s = &d->series[i];

		put_signed(out, (int64_t)s->labels - labels_before);
		put_signed(out, (int64_t)next_stack - s->stack);
		labels_before = s->labels;
		if (s->stack >= next_stack)
			next_stack = s->stack + 1;
	}
}

int segment_dict_write(const struct segment_dict *d, const struct segment_dict_mark *since,
		       int level, struct buffer *out)
{
	const struct window *w = &d->tables.w;
	struct pack columns = {.count = DICT_COLUMN_COUNT};
	CLEANUP(pack_releasep) struct pack *p = &columns;

	write_strings(w, since->strings, &p->columns[DICT_STRINGS]);
	for (uint32_t i = since->binaries; i < w->binary_count; i++)
		write_binary(w->binaries[i], &p->columns[DICT_BINARIES]);

	int err = write_frames(w, since, p);

	if (err)
		return err;
	write_stacks(w, since, &p->columns[DICT_STACKS]);
	write_label_sets(w, since->label_sets, &p->columns[DICT_LABEL_SETS]);
	write_series(d, since, &p->columns[DICT_SERIES]);
	return pack_write(p, level, out);
}
