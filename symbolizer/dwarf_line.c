/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <dwarf.h>

#include "base/array.h"
#include "symbolizer/dwarf_build.h"

#define ENTRY_FORMATS_MAX 32 /* of a DWARF 5 file entry; real ones have up to 5 */

/* The line number program's header (DWARF 5, 6.2.4) as far as it is needed to run the program. */
struct program {
	struct cursor c;
	unsigned int instruction_bytes;
	int line_base;
	unsigned int line_range;
	unsigned int opcode_base;
	uint8_t operand_counts[256];
};

/* The state machine's registers (6.2.2). */
struct state {
	uint64_t address;
	uint64_t file;
	uint32_t line;
	uint32_t column;
};

void dwarf_lines_release(struct dwarf_lines *l)
{
	if (!l)
		return;
	free(l->directories);
	free(l->files);
	free(l->rows);
	free(l->sequences);
	*l = (struct dwarf_lines){0};
}

static int add_directory(struct dwarf_lines *l, const char *directory)
{
	if (l->directory_count >= DWARF_FILES_MAX)
		return -EFBIG;
	if (array_reserve((void **)&l->directories, &l->directory_capacity, l->directory_count + 1,
			  sizeof(*l->directories)))
		return -ENOMEM;
	l->directories[l->directory_count++] = directory;
	return 0;
}

static int add_file(struct dwarf_lines *l, const char *name, uint64_t directory)
{
	if (l->file_count >= DWARF_FILES_MAX)
		return -EFBIG;
	if (array_reserve((void **)&l->files, &l->file_capacity, l->file_count + 1,
			  sizeof(*l->files)))
		return -ENOMEM;
	l->files[l->file_count++] = (struct dwarf_line_file){name, directory, 0};
	return 0;
}

/* Files of DWARF 2 to 4: directory 0 is the compilation's, file 0 does not exist. */
static int read_old_files(struct dwarf_lines *l, struct cursor *c)
{
	int err = add_directory(l, NULL);

	for (const char *name; !err && (name = cursor_string(c)) && *name;)
		err = add_directory(l, name);
	if (!err)
		err = add_file(l, NULL, 0);
	for (const char *name; !err && (name = cursor_string(c)) && *name;) {
		uint64_t directory = cursor_uleb(c);

		cursor_skip_leb(c); /* time */
		cursor_skip_leb(c); /* size */
		err = add_file(l, name, directory);
	}
	return err ? err : c->bad ? -EBADMSG : 0;
}

/* A list of directories or files of DWARF 5 (6.2.4.1), each described by the same formats. */
static int read_new_list(struct dwarf_lines *l, struct cursor *c, const struct dwarf_unit *unit,
			 bool of_files)
{
	struct dwarf_attribute formats[ENTRY_FORMATS_MAX];
	unsigned int format_count = cursor_u8(c);

	if (format_count > ENTRY_FORMATS_MAX)
		return -EBADMSG;
	for (unsigned int i = 0; i < format_count; i++) {
		uint64_t content = cursor_uleb(c), form = cursor_uleb(c);

		if (content > UINT16_MAX || form > UINT16_MAX || form == DW_FORM_implicit_const)
			return -EBADMSG;
		formats[i] = (struct dwarf_attribute){(uint16_t)content, (uint16_t)form, 0};
	}

	uint64_t count = cursor_uleb(c);

	/* Entries that take no bytes could be any number. */
	if (count > cursor_left(c))
		return -EBADMSG;
	for (uint64_t i = 0; i < count; i++) {
		const char *name = NULL;
		uint64_t directory = 0;

		for (unsigned int j = 0; j < format_count; j++) {
			struct dwarf_value value = dwarf_read_form(c, unit, &formats[j]);

			if (formats[j].name == DW_LNCT_path)
				name = dwarf_value_string(unit, value);
			else if (formats[j].name == DW_LNCT_directory_index)
				directory = value.number;
		}
		if (c->bad)
			return -EBADMSG;

		int err = of_files ? add_file(l, name, directory) : add_directory(l, name);

		if (err)
			return err;
	}
	return 0;
}

static int read_new_files(struct dwarf_lines *l, struct cursor *c, const struct dwarf_unit *unit,
			  unsigned int offset_bytes)
{
	/* Values are sized by the line table's own header. */
	struct dwarf_abbrevs shape = *unit->abbrevs;
	struct dwarf_unit reader = *unit;

	shape.offset_bytes = reader.offset_bytes = (uint8_t)offset_bytes;
	reader.abbrevs = &shape;

	int err = read_new_list(l, c, &reader, false);

	return err ? err : read_new_list(l, c, &reader, true);
}

static int read_header(struct dwarf_lines *l, const struct dwarf_unit *unit, struct program *p)
{
	struct cursor c = cursor_at(unit->file->line, unit->stmt_list);
	unsigned int offset_bytes = 4;
	uint64_t length = cursor_u32(&c);

	if (length == UINT32_MAX) {
		offset_bytes = 8;
		length = cursor_u64(&c);
	}
	if (c.bad || length > cursor_left(&c))
		return -EBADMSG;
	c.end = c.at + length;
	l->version = cursor_u16(&c);
	if (l->version < 2 || l->version > 5)
		return -EBADMSG;
	if (l->version >= 5)
		cursor_skip(&c, 2); /* sizes of addresses and segment selectors */

	uint64_t header_length = cursor_offset(&c, offset_bytes);

	p->c = c;
	cursor_skip(&p->c, header_length);
	p->instruction_bytes = cursor_u8(&c);
	if (l->version >= 4)
		cursor_skip(&c, 1); /* operations an instruction: VLIW machines only */
	cursor_skip(&c, 1);	    /* default_is_stmt */
	p->line_base = (int8_t)cursor_u8(&c);
	p->line_range = cursor_u8(&c);
	p->opcode_base = cursor_u8(&c);
	for (unsigned int i = 1; i < p->opcode_base; i++)
		p->operand_counts[i] = cursor_u8(&c);
	if (c.bad || p->c.bad || !p->line_range)
		return -EBADMSG;
	return l->version >= 5 ? read_new_files(l, &c, unit, offset_bytes) : read_old_files(l, &c);
}

/*
 * Ends the sequence whose rows began at @first: keeps them if they are about code. While a sequence grows, its
 * rows hold addresses relative to the sequence's own start, so that 32 bits do.
 */
static int end_sequence(struct dwarf_lines *l, const struct textmap *text, size_t first,
			uint64_t low, uint64_t high)
{
	struct dwarf_sequence s = {.first = (uint32_t)first};

	if (l->row_count == first || !textmap_range(text, low, high, &s.start, &s.end)) {
		l->row_count = first;
		return 0;
	}
	for (size_t i = first; i < l->row_count; i++) {
		struct dwarf_row row = l->rows[i];

		if (row.start >= s.end - s.start)
			break;
		row.start += s.start;
		if (s.count && l->rows[first + s.count - 1].start == row.start)
			s.count--; /* of several rows for an address the last holds */
		l->rows[first + s.count++] = row;
	}
	l->row_count = first + s.count;
	if (array_reserve((void **)&l->sequences, &l->sequence_capacity, l->sequence_count + 1,
			  sizeof(*l->sequences)))
		return -ENOMEM;
	l->sequences[l->sequence_count++] = s;
	return 0;
}

static int add_row(struct dwarf_lines *l, const struct state *s, size_t first, uint64_t *low)
{
	if (l->row_count == first)
		*low = s->address;
	/* Addresses that go back or too far are damage: the row is left out. */
	if (s->address < *low || s->address - *low >= UINT32_MAX)
		return 0;

	uint32_t start = (uint32_t)(s->address - *low);

	if (l->row_count > first && start < l->rows[l->row_count - 1].start)
		return 0;
	if (l->row_count >= DWARF_ROWS_MAX)
		return -EFBIG;
	if (array_reserve((void **)&l->rows, &l->row_capacity, l->row_count + 1, sizeof(*l->rows)))
		return -ENOMEM;
	l->rows[l->row_count++] = (struct dwarf_row){
		.start = start,
		.file = s->file < UINT32_MAX ? (uint32_t)s->file : UINT32_MAX,
		.line = s->line,
		.column = s->column,
	};
	return 0;
}

enum extended_result { EXTENDED_NOTHING, EXTENDED_END };

static int run_extended(struct dwarf_lines *l, struct program *p, struct state *s)
{
	uint64_t length = cursor_uleb(&p->c);

	if (p->c.bad || !length || length > cursor_left(&p->c)) {
		cursor_fail(&p->c);
		return EXTENDED_NOTHING;
	}

	struct cursor c = {.at = p->c.at, .end = p->c.at + length};

	cursor_skip(&p->c, length);
	switch (cursor_u8(&c)) {
	case DW_LNE_end_sequence:
		return EXTENDED_END;
	case DW_LNE_set_address:
		s->address = cursor_sized(&c, (unsigned int)cursor_left(&c));
		break;
	case DW_LNE_define_file: {
		const char *name = cursor_string(&c);
		uint64_t directory = cursor_uleb(&c);

		return add_file(l, name, directory) ? -ENOMEM : EXTENDED_NOTHING;
	}
	}
	return EXTENDED_NOTHING;
}

/* A standard opcode that adds no row; @opcode is below the opcode base and not 0. */
static void run_standard(struct program *p, struct state *s, unsigned int opcode)
{
	switch (opcode) {
	case DW_LNS_advance_pc:
		s->address += cursor_uleb(&p->c) * p->instruction_bytes;
		break;
	case DW_LNS_advance_line:
		s->line += (uint32_t)cursor_sleb(&p->c);
		break;
	case DW_LNS_set_file:
		s->file = cursor_uleb(&p->c);
		break;
	case DW_LNS_set_column:
		s->column = (uint32_t)cursor_uleb(&p->c);
		break;
	case DW_LNS_const_add_pc:
		s->address +=
			(uint64_t)((255 - p->opcode_base) / p->line_range) * p->instruction_bytes;
		break;
	case DW_LNS_fixed_advance_pc:
		s->address += cursor_u16(&p->c);
		break;
	default:
		for (unsigned int i = 0; i < p->operand_counts[opcode]; i++)
			cursor_skip_leb(&p->c);
	}
}

static int run_program(struct dwarf_lines *l, struct program *p, const struct textmap *text)
{
	static const struct state initial = {.file = 1, .line = 1};
	struct state s = initial;
	size_t first = 0;
	uint64_t low = 0;

	while (!p->c.bad && cursor_left(&p->c)) {
		unsigned int opcode = cursor_u8(&p->c);
		int err = 0;

		if (opcode >= p->opcode_base) {
			unsigned int adjusted = opcode - p->opcode_base;

			s.address += (uint64_t)(adjusted / p->line_range) * p->instruction_bytes;
			s.line += (uint32_t)(p->line_base + (int)(adjusted % p->line_range));
			err = add_row(l, &s, first, &low);
		} else if (opcode == DW_LNS_copy) {
			err = add_row(l, &s, first, &low);
		} else if (opcode) {
			run_standard(p, &s, opcode);
		} else {
			err = run_extended(l, p, &s);
			if (err == EXTENDED_END) {
				err = end_sequence(l, text, first, low, s.address);
				first = l->row_count;
				s = initial;
			}
		}
		if (err < 0)
			return err;
	}
	l->row_count = first; /* a sequence without an end is none */
	return p->c.bad ? -EBADMSG : 0;
}

static int compare_sequences(const void *left, const void *right)
{
	const struct dwarf_sequence *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

int dwarf_lines_read(struct dwarf_lines *l, const struct dwarf_unit *unit,
		     const struct textmap *text)
{
	struct program p = {0};

	l->directory_count = l->file_count = l->row_count = l->sequence_count = 0;
	l->program_bytes = 0;
	if (unit->stmt_list == UINT64_MAX || !unit->file->line.length)
		return -ENOENT;

	int err = read_header(l, unit, &p);

	l->program_bytes = err ? 0 : cursor_left(&p.c);
	if (!err)
		err = run_program(l, &p, text);
	if (l->sequence_count)
		qsort(l->sequences, l->sequence_count, sizeof(*l->sequences), compare_sequences);
	return err;
}

/* Joins the parts of a path that are not empty; a part that is absolute drops those before it. */
static int join_path(char **ret, const char *comp_dir, const char *directory, const char *name)
{
	const char *parts[3] = {comp_dir, directory, name};
	int first = 0;

	for (int i = 0; i < 3; i++) {
		if (!parts[i])
			parts[i] = "";
		if (parts[i][0] == '/')
			first = i;
	}
	for (int i = 0; i < first; i++)
		parts[i] = "";

	const char *slashes[2];
	size_t before = 0;

	for (int i = 0; i < 2; i++) {
		size_t length = strlen(parts[i]);

		if (length)
			before = (size_t)parts[i][length - 1];
		slashes[i] = length && before != '/' ? "/" : "";
	}
	return asprintf(ret, "%s%s%s%s%s", parts[0], slashes[0], parts[1], slashes[1], parts[2]) < 0
		       ? -ENOMEM
		       : 0;
}

int dwarf_lines_file(struct dwarf_lines *l, const char *comp_dir, struct strpool *files,
		     uint64_t index, uint32_t *ret)
{
	*ret = 0;
	if (index >= l->file_count || !l->files[index].name)
		return 0;

	struct dwarf_line_file *file = &l->files[index];

	if (!file->id) {
		char *path;
		const char *directory = file->directory < l->directory_count
						? l->directories[file->directory]
						: NULL;
		int err = join_path(&path, comp_dir, directory, file->name);

		if (err)
			return err;
		err = symtable_text(files, path, &file->id);
		free(path);
		if (err)
			return err;
		file->id++;
	}
	*ret = file->id - 1;
	return 0;
}
