/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <dwarf.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_value.h"

#define UNITS_MAX	 (4u << 20)
#define HEADER_BYTES_MAX 64

/* Reads a header at the cursor. Returns false at the end, or where there is no unit that can be stepped over. */
static bool read_header(struct dwarf_file *f, struct cursor *c, struct dwarf_unit *unit)
{
	*unit = (struct dwarf_unit){
		.file = f,
		.offset = (uint64_t)(c->at - f->info.bytes),
		.offset_bytes = 4,
		.type = DW_UT_compile,
		.stmt_list = UINT64_MAX,
	};

	uint64_t length = cursor_u32(c);

	if (length == UINT32_MAX) {
		length = cursor_u64(c);
		unit->offset_bytes = 8;
	}
	if (c->bad || length > cursor_left(c) || length < 2)
		return false;

	struct cursor inner = {.at = c->at, .end = c->at + length};

	c->at = inner.end;
	unit->end = (uint64_t)(c->at - f->info.bytes);
	unit->version = cursor_u16(&inner);
	if (unit->version >= 5) {
		unit->type = cursor_u8(&inner);
		unit->address_bytes = cursor_u8(&inner);
		unit->abbrev_offset = cursor_offset(&inner, unit->offset_bytes);
		if (unit->type == DW_UT_skeleton || unit->type == DW_UT_split_compile)
			unit->dwo_id = cursor_u64(&inner);
		if (unit->type == DW_UT_type || unit->type == DW_UT_split_type)
			cursor_skip(&inner, 8u + unit->offset_bytes);
	} else {
		unit->abbrev_offset = cursor_offset(&inner, unit->offset_bytes);
		unit->address_bytes = cursor_u8(&inner);
	}
	unit->first = (uint64_t)(inner.at - f->info.bytes);
	if (inner.bad || unit->version < 2 || unit->version > 5 ||
	    (unit->address_bytes != 4 && unit->address_bytes != 8))
		unit->first = unit->end; /* nothing in it that we could read */
	return true;
}

/* Makes a unit readable and adds it to those known. Returns 0; -ENOENT behind the last one; -EBADMSG; -ENOMEM. */
static int read_unit(struct dwarf_file *f)
{
	struct dwarf_unit unit;
	int err = elfstream_fill(&f->info_stream, f->next_unit + HEADER_BYTES_MAX);

	if (err)
		return err;

	struct cursor c = cursor_at(f->info, f->next_unit);

	if (c.bad || !cursor_left(&c) || !read_header(f, &c, &unit) || f->unit_count >= UNITS_MAX)
		return -ENOENT;
	err = elfstream_fill(&f->info_stream, unit.end);
	if (!err && array_reserve((void **)&f->units, &f->unit_capacity, f->unit_count + 1,
				  sizeof(*f->units)))
		err = -ENOMEM;
	if (err)
		return err;
	f->units[f->unit_count++] = unit;
	f->next_unit = unit.end;
	return 0;
}

int dwarf_file_unit(struct dwarf_file *f, size_t index, struct dwarf_unit **ret)
{
	while (f->unit_count <= index) {
		if (!f->keeps_units)
			elfstream_drop(&f->info_stream, f->next_unit);

		int err = read_unit(f);

		if (err)
			return err;
	}
	*ret = &f->units[index];
	return 0;
}

static int read_units(struct dwarf_file *f)
{
	int err = 0;

	while (!err)
		err = read_unit(f);
	return err == -ENOENT ? 0 : err;
}

int dwarf_file_index(struct dwarf_file *f)
{
	f->info_stream = (struct elfstream){.bytes = f->info, .ready = f->info.length};
	f->keeps_units = true;
	return read_units(f);
}

/*
 * Whether units may refer to each other, judged by the shapes of all entries: DW_FORM_ref_addr does. Sections of
 * shapes are tables behind each other; where that cannot be read the answer is yes.
 */
static bool has_references_between_units(struct slice abbrev)
{
	struct cursor c = cursor_at(abbrev, 0);

	while (!c.bad && cursor_left(&c)) {
		if (!cursor_uleb(&c))
			continue;
		(void)cursor_uleb(&c); /* tag */
		(void)cursor_u8(&c);   /* whether it has children */
		for (;;) {
			uint64_t name = cursor_uleb(&c), form = cursor_uleb(&c);

			if (form == DW_FORM_implicit_const)
				cursor_skip_leb(&c);
			if (c.bad || form == DW_FORM_ref_addr || form == DW_FORM_indirect)
				return true;
			if (!name && !form)
				break;
		}
	}
	return c.bad;
}

static int open_sections(struct elffile *elf, struct dwarf_file *f)
{
	const struct {
		const char *name;
		struct slice *slice;
	} wanted[] = {
		{"abbrev", &f->abbrev}, {"line", &f->line},
		{"str", &f->str},	{"line_str", &f->line_str},
		{"ranges", &f->ranges}, {"rnglists", &f->rnglists},
		{"addr", &f->addr},	{"str_offsets", &f->str_offsets},
	};
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		snprintf(name, sizeof(name), "%s%s", wanted[i].name, f->is_split ? ".dwo" : "");

		int err = elffile_debug_section(elf, name, wanted[i].slice);

		if (err)
			return err;
	}
	return elfstream_open(elf,
			      elffile_find_debug_section(elf, f->is_split ? "info.dwo" : "info"),
			      &f->info_stream);
}

DEFINE_CLEANUP(dwarf_file_release, struct dwarf_file *)

int dwarf_file_open(struct elffile *elf, enum dwarf_mode mode, struct dwarf_file *ret)
{
	CLEANUP(dwarf_file_releasep) struct dwarf_file *f = ret;

	*f = (struct dwarf_file){.is_split = mode == DWARF_SPLIT};

	int err = open_sections(elf, f);

	if (err)
		return err;
	f->info = f->info_stream.bytes;
	if (!f->info.length || !f->abbrev.length)
		return -ENOENT;

	f->keeps_units = mode != DWARF_STREAMED || has_references_between_units(f->abbrev);
	err = f->keeps_units ? read_units(f) : 0;
	if (err)
		return err;
	(void)take_ptr(f);
	return 0;
}

void dwarf_file_release(struct dwarf_file *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->table_count; i++)
		dwarf_abbrevs_free(f->tables[i]);
	free(f->tables);
	idmap_release(&f->table_ids);
	free(f->units);
	elfstream_release(&f->info_stream);
	*f = (struct dwarf_file){0};
}

struct dwarf_unit *dwarf_find_unit(struct dwarf_file *f, uint64_t offset)
{
	size_t low = 0, high = f->unit_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->units[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < f->unit_count && f->units[low].first <= offset ? &f->units[low] : NULL;
}

/* Bases come first: other attributes are read through them. */
static void take_base(struct dwarf_unit *unit, uint16_t name, struct dwarf_value value)
{
	switch (name) {
	case DW_AT_str_offsets_base:
		unit->str_offsets_base = value.number;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		unit->addr_base = value.number;
		break;
	case DW_AT_rnglists_base:
		unit->rnglists_base = value.number;
		break;
	case DW_AT_GNU_ranges_base:
		unit->ranges_base = value.number;
		break;
	case DW_AT_GNU_dwo_id:
		unit->dwo_id = value.number;
		break;
	case DW_AT_stmt_list:
		unit->stmt_list = value.number;
		break;
	}
}

static void take_rest(struct dwarf_unit *unit, uint16_t name, struct dwarf_value value)
{
	switch (name) {
	case DW_AT_comp_dir:
		unit->comp_dir = dwarf_value_string(unit, value);
		break;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		unit->dwo_name = dwarf_value_string(unit, value);
		break;
	case DW_AT_low_pc:
		(void)dwarf_value_address(unit, value, &unit->low_pc); /* stays 0 */
		break;
	}
}

int dwarf_unit_load(struct dwarf_unit *unit)
{
	if (unit->loaded)
		return 0;

	int err = dwarf_unit_abbrevs(unit);

	if (err)
		return err;

	struct cursor start =
		cursor_at((struct slice){unit->file->info.bytes, unit->end}, unit->first);
	const struct dwarf_abbrev *abbrev = dwarf_find_abbrev(unit->abbrevs, cursor_uleb(&start));

	if (start.bad || !abbrev)
		return -EBADMSG;
	unit->tag = abbrev->tag;
	if (unit->file->is_split && unit->version >= 5) { /* behind the headers of the sections */
		unit->str_offsets_base = unit->offset_bytes == 8 ? 16 : 8;
		unit->rnglists_base = unit->offset_bytes == 8 ? 20 : 12;
	}

	for (int pass = 0; pass < 2; pass++) {
		struct cursor c = start;

		for (uint32_t i = 0; i < abbrev->attribute_count; i++) {
			const struct dwarf_attribute *a =
				&unit->abbrevs->attributes[abbrev->attribute_first + i];
			struct dwarf_value value = dwarf_read_form(&c, unit, a);

			if (c.bad)
				return -EBADMSG;
			if (!pass)
				take_base(unit, a->name, value);
			else
				take_rest(unit, a->name, value);
		}
	}
	unit->loaded = true;
	return 0;
}
