/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit by unit, the ranges of functions and inlined calls are laid over each other, so that each address shows its
 * innermost scope; then that is cut against the rows of the line table. The result is a run of rows a unit, which
 * are put in order of address when all units are done.
 */
#include "symbolizer/dwarf_build.h"

#include <errno.h>
#include <stdlib.h>

#include <dwarf.h>

#include "base/array.h"

/* What is read at least of lists that many can refer to: split units bring some of their own. */
#define SHARED_LISTS_MIN (64u << 20)
#define RANGES_MIN	 (4u << 20)

/* Walks along the line rows of a unit while addresses go up. */
struct line_reader {
	const struct dwarf_lines *lines;
	size_t sequence;
	size_t row; /* in the sequence */
};

/* A piece of code with the same line row, or without one (`row` NULL), from an address on. */
struct line_piece {
	const struct dwarf_row *row;
	uint32_t end;
};

void dwarf_builder_init(struct dwarf_builder *b, const struct textmap *text, struct symtable *table,
			struct elfsyms *symbols)
{
	*b = (struct dwarf_builder){.text = text, .table = table, .symbols = symbols};
}

void dwarf_builder_release(struct dwarf_builder *b)
{
	if (!b)
		return;
	free(b->known);
	idmap_release(&b->known_ids);
	dwarf_lines_release(&b->lines);
	free(b->ranges);
	paint_release(&b->paint);
	free(b->depth_scopes);
	*b = (struct dwarf_builder){0};
}

/* The line row at @address, which must not go down from call to call. */
static struct line_piece line_at(struct line_reader *r, uint32_t address)
{
	const struct dwarf_lines *l = r->lines;

	for (; r->sequence < l->sequence_count; r->sequence++, r->row = 0) {
		const struct dwarf_sequence *s = &l->sequences[r->sequence];

		if (s->end > address)
			break;
	}
	if (r->sequence == l->sequence_count)
		return (struct line_piece){NULL, UINT32_MAX};

	const struct dwarf_sequence *s = &l->sequences[r->sequence];
	const struct dwarf_row *rows = l->rows + s->first;

	if (address < s->start || address < rows[0].start)
		return (struct line_piece){NULL, s->start > address ? s->start : rows[0].start};
	while (r->row + 1 < s->count && rows[r->row + 1].start <= address)
		r->row++;
	return (struct line_piece){
		.row = &rows[r->row],
		.end = r->row + 1 < s->count ? rows[r->row + 1].start : s->end,
	};
}

static bool same_place(const struct symtable_row *a, const struct symtable_row *b)
{
	return a->scope == b->scope && a->file == b->file && a->line == b->line &&
	       a->column == b->column;
}

/* Adds a row unless it says what the one before it says. */
static int add_row(struct symtable *t, const struct symtable_chunk *chunk, struct symtable_row row)
{
	if (t->row_count > chunk->first && same_place(&t->rows[t->row_count - 1], &row))
		return 0;
	if (t->row_count >= DWARF_ROWS_MAX)
		return -EFBIG;
	if (array_reserve((void **)&t->rows, &t->row_capacity, t->row_count + 1, sizeof(*t->rows)))
		return -ENOMEM;
	t->rows[t->row_count++] = row;
	return 0;
}

/* Makes a row of a scope and a line row; a line of 0 is no line. */
static int make_row(struct dwarf_builder *b, const char *comp_dir, uint32_t scope,
		    const struct dwarf_row *line, struct symtable_row *ret)
{
	*ret = (struct symtable_row){.scope = scope == DWARF_NO_SCOPE ? SYMFILE_NONE : scope};
	if (!line || !line->line)
		return 0;

	int err = dwarf_lines_file(&b->lines, comp_dir, &b->table->files, line->file, &ret->file);

	if (err || !ret->file)
		return err;
	ret->line = line->line;
	ret->column = line->column;
	if (ret->scope == SYMFILE_NONE)
		return 0;

	struct symtable_function *function = &b->table->functions[b->table->scopes[scope].function];

	if (!function->file)
		function->file = ret->file;
	return 0;
}

/* Ends a chunk at @end and, if it is not empty, keeps it. */
static int close_chunk(struct symtable *t, struct symtable_chunk *chunk, uint32_t end)
{
	chunk->count = (uint32_t)(t->row_count - chunk->first);
	chunk->end = end;
	if (!chunk->count)
		return 0;
	chunk->start = t->rows[chunk->first].start;
	if (array_reserve((void **)&t->chunks, &t->chunk_capacity, t->chunk_count + 1,
			  sizeof(*t->chunks)))
		return -ENOMEM;
	t->chunks[t->chunk_count++] = *chunk;
	return 0;
}

/* Cuts one painted run against the line rows. */
static int flatten_run(struct dwarf_builder *b, const char *comp_dir, struct line_reader *reader,
		       const struct symtable_chunk *chunk, const struct paint_run *run)
{
	uint32_t end = run[1].start;

	for (uint32_t at = run->start; at < end;) {
		struct line_piece piece = line_at(reader, at);
		struct symtable_row row;
		int err = make_row(b, comp_dir, run->value, piece.row, &row);

		row.start = at;
		if (!err)
			err = add_row(b->table, chunk, row);
		if (err)
			return err;
		at = piece.end < end ? piece.end : end;
	}
	return 0;
}

static int flatten(struct dwarf_builder *b, const char *comp_dir)
{
	struct line_reader reader = {.lines = &b->lines};
	struct symtable *t = b->table;
	struct symtable_chunk chunk = {.first = (uint32_t)t->row_count};
	int err = paint_ranges(&b->paint, b->ranges, b->range_count);

	for (size_t i = 0; !err && i + 1 < b->paint.run_count; i++) {
		const struct paint_run *run = &b->paint.runs[i];

		if (run->value != PAINT_NOTHING)
			err = flatten_run(b, comp_dir, &reader, &chunk, run);
		if (!err && run[1].value == PAINT_NOTHING) {
			err = close_chunk(t, &chunk, run[1].start);
			chunk = (struct symtable_chunk){.first = (uint32_t)t->row_count};
		}
	}
	return err;
}

/* Where a unit does not say what code is its own, its line table does. */
static int add_sequence_ranges(struct dwarf_builder *b)
{
	for (size_t i = 0; i < b->range_count; i++)
		if (b->ranges[i].value == DWARF_NO_SCOPE)
			return 0;
	for (size_t i = 0; i < b->lines.sequence_count; i++) {
		const struct dwarf_sequence *s = &b->lines.sequences[i];

		if (array_reserve((void **)&b->ranges, &b->range_capacity, b->range_count + 1,
				  sizeof(*b->ranges)))
			return -ENOMEM;
		b->ranges[b->range_count++] =
			(struct paint_range){s->start, s->end, 0, DWARF_NO_SCOPE};
	}
	return 0;
}

static bool is_damage(int err)
{
	return err == -EBADMSG || err == -ENOENT;
}

static int build_unit(struct dwarf_builder *b, struct dwarf_unit *unit, struct dwarf_unit *split)
{
	bool damaged = false;

	b->range_count = 0;

	int err = dwarf_lines_read(&b->lines, unit, b->text);

	if (err && !is_damage(err))
		return err;
	if (b->lines.program_bytes > b->line_bytes_left)
		return -EFBIG;
	b->line_bytes_left -= b->lines.program_bytes;
	damaged = err == -EBADMSG;
	b->counts.rows += b->lines.row_count;
	if (b->counts.rows > DWARF_ROWS_MAX)
		return -EFBIG;

	err = dwarf_walk(b, unit, unit->comp_dir);
	if (!err && split)
		err = dwarf_walk(b, split, unit->comp_dir);
	if (err && !is_damage(err))
		return err;
	damaged = damaged || err;
	b->counts.units_damaged += damaged;

	err = add_sequence_ranges(b);
	return err ? err : flatten(b, unit->comp_dir);
}

int dwarf_build(struct dwarf_builder *b, struct dwarf_file *f, struct dwarf_splits *splits)
{
	/* Each list is referred to once or a few times; made-up files let a million entries share one. */
	b->line_bytes_left = 8 * (uint64_t)f->line.length + SHARED_LISTS_MIN;
	b->ranges_left =
		2 * (uint64_t)(f->ranges.length + f->rnglists.length) + f->info.length + RANGES_MIN;
	for (size_t i = 0;; i++) {
		struct dwarf_unit *unit, *split_unit = NULL;
		int err = dwarf_file_unit(f, i, &unit);

		if (err == -ENOENT)
			break;
		if (err)
			return err;
		if (unit->first == unit->end || unit->type == DW_UT_type ||
		    unit->type == DW_UT_split_type)
			continue;
		b->counts.units++;

		err = dwarf_unit_load(unit);
		if (err == -ENOMEM)
			return err;
		if (err) {
			b->counts.units_damaged++;
			continue;
		}
		if (unit->dwo_name) {
			split_unit = splits ? dwarf_splits_find(splits, unit) : NULL;
			if (!split_unit)
				b->counts.split_missing++;
		}
		err = build_unit(b, unit, split_unit);
		if (err)
			return err;
	}
	symtable_sort_chunks(b->table);
	return 0;
}
