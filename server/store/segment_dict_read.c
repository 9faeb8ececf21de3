/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of what was added to a dictionary; the form is at the head of segment_dict.h.
 *
 * The tables refuse nothing that was written, so that a duplicate, or an id that does not come out as the next
 * one, means that the bytes are damaged or belong to another dictionary.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "server/store/segment_dict.h"

DEFINE_CLEANUP(pack_release, struct pack *)
DEFINE_CLEANUP(binary_unref, struct binary *)

/* @id: by address, because the call that sets it is often the argument before. */
static int check_next(int err, const uint32_t *id, uint32_t expected)
{
	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	return *id == expected ? 0 : -EBADMSG;
}

static int read_strings(struct segment_dict *d, const struct pack *p)
{
	struct byte_reader r = pack_reader(p, DICT_STRINGS);

	while (r.at < r.end) {
		size_t length = strnlen((const char *)r.at, (size_t)(r.end - r.at));
		uint32_t expected = strpool_count(&d->tables.w.strings);
		uint32_t id = 0;

		if (r.at + length == r.end)
			return -EBADMSG;

		int err = check_next(window_builder_string(&d->tables, (const char *)r.at, &id),
				     &id, expected);

		if (err)
			return err;
		r.at += length + 1;
	}
	return 0;
}

static int create_binary(enum binary_kind kind, const struct binary_identity *identity,
			 struct binary **ret)
{
	if (kind == BINARY_ELF)
		return binary_create_detached(identity, ret);
	if (kind != BINARY_VDSO)
		return binary_create_special(kind, identity->path, ret);

	/* The vDSO of this kernel may be another one than that of the time of recording. */
	CLEANUP(binary_unrefp) struct binary *vdso = NULL;
	int err = binary_create_special(kind, identity->path, &vdso);

	if (err == -ENOMEM)
		return err;
	if (err || !build_id_equal(binary_build_id(vdso), &identity->build_id))
		return binary_create_detached(identity, ret);
	*ret = take_ptr(vdso);
	return 0;
}

static void read_segments(struct byte_reader *r, struct binary_segment *segments, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		segments[i].offset = take_varint(r);
		segments[i].vaddr = take_varint(r);
		segments[i].file_bytes = take_varint(r);
		segments[i].memory_bytes = take_varint(r);
		segments[i].executable = take_varint(r);
	}
}

static int read_binary(struct segment_dict *d, struct byte_reader *r)
{
	struct binary_segment segments[SEGMENT_BINARY_SEGMENTS_MAX];
	struct binary_identity identity = {.segments = segments};
	CLEANUP(binary_unrefp) struct binary *b = NULL;
	enum binary_kind kind = take_below(r, BINARY_UNKNOWN + 1);

	identity.has_build_id = take_varint(r);

	size_t path_length, id_length;
	const char *path_bytes = take_bytes(r, &path_length);
	auto_free char *path = path_length ? strndup(path_bytes, path_length) : strdup("");
	const void *id_bytes = take_bytes(r, &id_length);

	identity.segment_count = take_below(r, SEGMENT_BINARY_SEGMENTS_MAX + 1);
	read_segments(r, segments, identity.segment_count);
	if (r->bad || id_length > BUILD_ID_BYTES_MAX)
		return -EBADMSG;
	if (!path)
		return -ENOMEM;
	if (id_length)
		memcpy(identity.build_id.bytes, id_bytes, id_length);
	identity.build_id.length = (uint8_t)id_length;
	identity.path = path;

	uint32_t expected = d->tables.w.binary_count;
	uint32_t id = 0;
	int err = create_binary(kind, &identity, &b);

	return err ? err : check_next(segment_dict_binary(d, b, &id), &id, expected);
}

static int read_binaries(struct segment_dict *d, const struct pack *p)
{
	struct byte_reader r = pack_reader(p, DICT_BINARIES);

	while (r.at < r.end) {
		int err = read_binary(d, &r);

		if (err)
			return err;
	}
	return 0;
}

static uint32_t read_name(struct byte_reader *r, uint32_t *highest, uint32_t string_count)
{
	uint64_t code = take_varint(r);

	if (!code)
		return 0;

	int64_t distance = (int64_t)((code - 1) >> 1 ^ -((code - 1) & 1));
	uint64_t name = *highest + (uint64_t)distance;

	if (!name || name >= string_count) {
		r->bad = true;
		return 0;
	}
	if (name > *highest)
		*highest = (uint32_t)name;
	return (uint32_t)name;
}

static int read_frames(struct segment_dict *d, const struct pack *p, uint32_t highest_name)
{
	const struct window *w = &d->tables.w;
	struct byte_reader r = pack_reader(p, DICT_FRAMES);
	struct byte_reader addresses = pack_reader(p, DICT_ADDRESSES);
	struct byte_reader names = pack_reader(p, DICT_NAMES);
	uint32_t string_count = strpool_count(&w->strings);
	auto_free uint64_t *before = calloc(w->binary_count + 1u, sizeof(*before));

	if (!before)
		return -ENOMEM;
	while (r.at < r.end) {
		struct window_frame f = {.binary = take_below(&r, w->binary_count)};
		uint32_t expected = w->frame_count;
		uint32_t id = 0;

		f.flags = take_below(&r, 1u << 8);
		f.addr = before[f.binary] += (uint64_t)take_signed(&addresses);
		f.name = read_name(&names, &highest_name, string_count);
		if (r.bad || addresses.bad || names.bad)
			return -EBADMSG;

		int err = check_next(window_builder_frame(&d->tables, &f, &id), &id, expected);

		if (err)
			return err;
	}
	return 0;
}

/* The frames of one stack, as they lie in memory: leaf first. */
struct stack_reading {
	uint32_t frames[UINT16_MAX];
	uint32_t before[UINT16_MAX]; /* of the stack before */
	uint32_t before_count;
	uint32_t next;
};

static int read_stack(struct segment_dict *d, struct byte_reader *r, struct stack_reading *s)
{
	uint32_t verdict = take_below(r, STACK_VERDICT_COUNT);
	uint32_t count = take_below(r, UINT16_MAX + 1u);
	uint32_t shared = take_below(r, (count < s->before_count ? count : s->before_count) + 1ull);
	uint32_t frame_count = d->tables.w.frame_count;

	memcpy(s->frames + count - shared, s->before + s->before_count - shared,
	       shared * sizeof(*s->frames));
	for (uint32_t at = count - shared; at-- > 0 && !r->bad;) {
		uint64_t frame = s->next - (uint64_t)take_signed(r);

		if (frame >= frame_count)
			return -EBADMSG;
		s->frames[at] = (uint32_t)frame;
		if (frame >= s->next)
			s->next = (uint32_t)frame + 1;
	}
	if (r->bad)
		return -EBADMSG;

	uint32_t expected = d->tables.w.stack_count;
	uint32_t id = 0;
	int err = window_builder_stack(&d->tables, s->frames, count, verdict, &id);

	memcpy(s->before, s->frames, count * sizeof(*s->frames));
	s->before_count = count;
	return check_next(err, &id, expected);
}

static int read_stacks(struct segment_dict *d, const struct pack *p, uint32_t next_frame)
{
	struct byte_reader r = pack_reader(p, DICT_STACKS);
	auto_free struct stack_reading *s = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->before_count = 0;
	s->next = next_frame;
	while (r.at < r.end) {
		int err = read_stack(d, &r, s);

		if (err)
			return err;
	}
	return 0;
}

static uint32_t read_label_half(struct byte_reader *r, const uint32_t *before,
				uint32_t string_count)
{
	uint32_t code = take_below(r, string_count + 1ull);

	if (code)
		return code - 1;
	if (!before)
		r->bad = true;
	return before ? *before : 0;
}

static int read_label_set(struct segment_dict *d, struct byte_reader *r, bool is_first)
{
	const struct window *w = &d->tables.w;
	uint32_t string_count = strpool_count(&w->strings);
	struct window_label labels[SEGMENT_LABELS_MAX];
	const struct window_label_set *before =
		is_first ? NULL : &w->label_sets[w->label_set_count - 1];
	uint32_t count = take_below(r, SEGMENT_LABELS_MAX + 1);

	for (uint32_t at = 0; at < count; at++) {
		const struct window_label *same =
			before && at < before->count ? &w->labels[before->first + at] : NULL;

		labels[at].name = read_label_half(r, same ? &same->name : NULL, string_count);
		labels[at].value = read_label_half(r, same ? &same->value : NULL, string_count);
	}
	if (r->bad)
		return -EBADMSG;

	uint32_t expected = w->label_set_count;
	uint32_t id = 0;
	int err = window_builder_labels(&d->tables, labels, count, &id);

	return check_next(err, &id, expected);
}

static int read_label_sets(struct segment_dict *d, const struct pack *p)
{
	struct byte_reader r = pack_reader(p, DICT_LABEL_SETS);

	for (bool is_first = true; r.at < r.end; is_first = false) {
		int err = read_label_set(d, &r, is_first);

		if (err)
			return err;
	}
	return 0;
}

static int read_series(struct segment_dict *d, const struct pack *p, uint32_t next_stack)
{
	const struct window *w = &d->tables.w;
	struct byte_reader r = pack_reader(p, DICT_SERIES);
	uint64_t labels = 0;

	while (r.at < r.end) {
		uint32_t expected = (uint32_t)d->series_count;
		uint32_t id = 0;

		labels += (uint64_t)take_signed(&r);

		uint64_t stack = next_stack - (uint64_t)take_signed(&r);

		if (r.bad || labels >= w->label_set_count || stack >= w->stack_count)
			return -EBADMSG;
		if (stack >= next_stack)
			next_stack = (uint32_t)stack + 1;

		int err = segment_dict_series(d, (uint32_t)labels, (uint32_t)stack, &id);

		err = check_next(err, &id, expected);
		if (err)
			return err;
	}
	return 0;
}

int segment_dict_read(struct segment_dict *d, const void *bytes, size_t length)
{
	struct segment_dict_mark before = segment_dict_mark(d);
	struct pack columns = {0};
	CLEANUP(pack_releasep) struct pack *p = &columns;
	int err = pack_read(bytes, length, 0, p);

	if (!err && p->count != DICT_COLUMN_COUNT)
		err = -EBADMSG;
	if (!err)
		err = read_strings(d, p);
	if (!err)
		err = read_binaries(d, p);
	if (!err)
		err = read_frames(d, p, before.strings);
	if (!err)
		err = read_stacks(d, p, before.frames);
	if (!err)
		err = read_label_sets(d, p);
	if (!err)
		err = read_series(d, p, before.stacks);
	return err;
}
