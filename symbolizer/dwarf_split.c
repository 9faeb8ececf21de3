/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/dwarf_split.h"

#include <dwarf.h>

#include "base/array.h"
#include "base/cleanup.h"

/* Sections in the index of a package (7.3.5.3); .debug_rnglists had another meaning before DWARF 5. */
#define INDEX_INFO	   1
#define INDEX_ABBREV	   3
#define INDEX_STR_OFFSETS  6
#define INDEX_RNGLISTS	   8
#define INDEX_SECTIONS_MAX 16
#define FIRST_SPLIT_INDEX  2 /* the binary's own file is 0, a supplementary one 1 */

void dwarf_splits_init(struct dwarf_splits *s, symbuild_split_fn *open, void *context,
		       int package_fd)
{
	*s = (struct dwarf_splits){.open = open, .context = context};
	if (package_fd >= 0)
		(void)elffile_open(package_fd,
				   &s->package); /* without it .dwo files are asked for */
}

static void drop_file(struct dwarf_splits *s)
{
	dwarf_file_release(&s->file);
	elffile_release(&s->object);
}

void dwarf_splits_release(struct dwarf_splits *s)
{
	if (!s)
		return;
	drop_file(s);
	elffile_release(&s->package);
}

/* The compile unit with an id among those of the file at hand. */
static struct dwarf_unit *find_unit(struct dwarf_splits *s, struct dwarf_unit *skeleton)
{
	for (size_t i = 0; i < s->file.unit_count; i++) {
		struct dwarf_unit *unit = &s->file.units[i];

		if (unit->first == unit->end || unit->type == DW_UT_split_type ||
		    unit->address_bytes != skeleton->address_bytes)
			continue;
		if (dwarf_unit_load(unit) || unit->tag != DW_TAG_compile_unit ||
		    unit->dwo_id != skeleton->dwo_id)
			continue;
		unit->skeleton = skeleton;
		return unit;
	}
	return NULL;
}

static struct slice part_of(struct slice whole, uint32_t offset, uint32_t length)
{
	if (offset > whole.length || length > whole.length - offset)
		return (struct slice){0};
	return (struct slice){whole.bytes + offset, length};
}

/* The parts of a package's sections that row @row of its index names. */
static bool take_parts(struct dwarf_splits *s, struct cursor columns, struct cursor offsets,
		       struct cursor lengths, uint32_t column_count)
{
	struct dwarf_file *f = &s->file;
	const struct {
		uint32_t id;
		const char *name;
		struct slice *slice;
	} wanted[] = {
		{INDEX_INFO, "info.dwo", &f->info},
		{INDEX_ABBREV, "abbrev.dwo", &f->abbrev},
		{INDEX_STR_OFFSETS, "str_offsets.dwo", &f->str_offsets},
		{INDEX_RNGLISTS, "rnglists.dwo", &f->rnglists},
	};

	for (uint32_t i = 0; i < column_count; i++) {
		uint32_t id = cursor_u32(&columns);
		uint32_t offset = cursor_u32(&offsets), length = cursor_u32(&lengths);

		for (size_t j = 0; j < ARRAY_SIZE(wanted); j++) {
			struct slice whole;

			if (wanted[j].id == id &&
			    !elffile_debug_section(&s->package, wanted[j].name, &whole))
				*wanted[j].slice = part_of(whole, offset, length);
		}
	}
	(void)elffile_debug_section(&s->package, "str.dwo", &f->str); /* names stay unknown */
	return !columns.bad && !offsets.bad && !lengths.bad && f->info.length && f->abbrev.length;
}

/* Looks a unit up in .debug_cu_index: a hash table, probed as 7.3.5.3 says, then tables of offsets and lengths. */
static bool open_from_package(struct dwarf_splits *s, uint64_t dwo_id)
{
	struct slice index;

	if (!s->package.image.bytes || elffile_debug_section(&s->package, "cu_index", &index))
		return false;

	struct cursor c = cursor_at(index, 0);

	(void)cursor_u32(&c); /* version: 2 or 5, in the low half */

	uint32_t column_count = cursor_u32(&c), row_count = cursor_u32(&c);
	uint32_t slot_count = cursor_u32(&c);

	if (c.bad || column_count > INDEX_SECTIONS_MAX || !slot_count ||
	    (slot_count & (slot_count - 1)) || slot_count > index.length / 12)
		return false;

	uint64_t rows_at = 16 + slot_count * 8ull, columns_at = rows_at + slot_count * 4ull;
	uint32_t mask = slot_count - 1, step = ((uint32_t)(dwo_id >> 32) & mask) | 1;
	uint32_t slot = (uint32_t)dwo_id & mask;

	for (uint32_t tries = 0; tries < slot_count; tries++, slot = (slot + step) & mask) {
		struct cursor id = cursor_at(index, 16 + slot * 8ull);
		struct cursor row = cursor_at(index, rows_at + slot * 4ull);
		uint64_t found = cursor_u64(&id);
		uint32_t number = cursor_u32(&row);

		if (!number || number > row_count)
			return false;
		if (found != dwo_id)
			continue;

		uint64_t width = column_count * 4ull;

		return take_parts(
			s, cursor_at(index, columns_at),
			cursor_at(index, columns_at + number * width),
			cursor_at(index, columns_at + (number + (uint64_t)row_count) * width),
			column_count);
	}
	return false;
}

static bool open_object(struct dwarf_splits *s, struct dwarf_unit *skeleton)
{
	if (!s->open)
		return false;

	auto_close int fd =
		s->open(s->context, skeleton->comp_dir, skeleton->dwo_name, skeleton->dwo_id);

	return fd >= 0 && !elffile_open(fd, &s->object) &&
	       !dwarf_file_open(&s->object, DWARF_SPLIT, &s->file);
}

struct dwarf_unit *dwarf_splits_find(struct dwarf_splits *s, struct dwarf_unit *skeleton)
{
	drop_file(s);
	s->file.is_split = true;
	if (open_from_package(s, skeleton->dwo_id)) {
		if (dwarf_file_index(&s->file))
			return NULL;
	} else if (!open_object(s, skeleton)) {
		return NULL;
	}
	s->file.index = FIRST_SPLIT_INDEX + s->file_count++;
	return find_unit(s, skeleton);
}
