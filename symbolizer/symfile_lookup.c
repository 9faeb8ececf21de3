/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking an address up in a symbol file; see the head of symfile.c. Every number read is checked against its section.
 */
#include "symbolizer/cursor.h"
#include "symbolizer/symfile.h"
#include "symbolizer/symfile_map.h"

/* A decoded row; see the head. `scope` is an index or SYMFILE_NONE. */
struct row {
	uint32_t scope;
	uint32_t file;
	uint32_t line;
	uint32_t column;
};

/* A decoded scope; see the head. */
struct scope {
	uint32_t parent; /* SYMFILE_NONE for a function of its own */
	uint32_t function;
	uint32_t file, line, column; /* of the call */
	uint32_t start;
};

static const struct symfile_disk_function *function_at(const struct symfile *f, uint32_t id)
{
	static const struct symfile_disk_function unknown;

	return id < f->function_count ? &f->functions[id] : &unknown;
}

static const char *text_at(const struct symfile *f, uint32_t offset)
{
	return offset ? (const char *)f->strings.bytes + offset : NULL;
}

static const char *file_at(const struct symfile *f, uint32_t id)
{
	return id < f->file_count ? text_at(f, f->files[id]) : NULL;
}

/* Reads one scope. `id` is its own index; the file and line are those of the call, not yet made absolute. */
static bool read_scope(struct cursor *c, uint32_t id, struct scope *ret, bool *ret_file_given)
{
	uint64_t head = cursor_uleb(c);
	uint64_t distance = head >> SCOPE_FLAG_BITS;
	struct scope scope = {.parent = SYMFILE_NONE, .function = (uint32_t)cursor_uleb(c)};

	*ret_file_given = head & SCOPE_FILE_GIVEN;
	if (distance > id)
		return false;
	if (!distance) {
		scope.start = (uint32_t)cursor_uleb(c);
	} else {
		scope.parent = (uint32_t)(id - distance);
		if (*ret_file_given)
			scope.file = (uint32_t)cursor_uleb(c);
		scope.line = (uint32_t)cursor_sleb(c);
		scope.column = (uint32_t)cursor_uleb(c);
	}
	*ret = scope;
	return !c->bad;
}

/* Finds scope @id by the index and the few scopes before it. */
static bool find_scope(const struct symfile *f, uint32_t id, struct scope *ret,
		       bool *ret_file_given)
{
	if (id >= f->scope_count)
		return false;

	uint32_t first = id / SYMFILE_SCOPE_STRIDE;
	struct cursor c = cursor_at(f->scopes, f->scope_index[first]);

	for (uint32_t at = first * SYMFILE_SCOPE_STRIDE; at <= id; at++)
		if (!read_scope(&c, at, ret, ret_file_given))
			return false;
	return true;
}

/* The function of a scope, whose file and line rows are relative to. */
static const struct symfile_disk_function *scope_function(const struct symfile *f, uint32_t id)
{
	struct scope scope;
	bool file_given;

	if (!find_scope(f, id, &scope, &file_given))
		return function_at(f, SYMFILE_NONE);
	return function_at(f, scope.function);
}

/* The state while the rows of a block are read: of the row itself only what the answer needs is looked up. */
struct row_reader {
	uint32_t address;
	uint32_t scope; /* + 1; 0 = none */
	int64_t line;	/* relative while `relative` */
	bool relative;	/* line counts from the line of the scope's function */
	bool file_given;
	uint32_t file;
	uint32_t column;
};

static bool read_row(struct cursor *c, struct row_reader *r)
{
	uint64_t head = cursor_uleb(c);

	r->address += (uint32_t)(head >> ROW_FLAG_BITS);
	if (head & ROW_SCOPE_CHANGED) {
		r->scope += (uint32_t)cursor_sleb(c);
		r->relative = true;
		r->line = 0;
	}
	r->file_given = head & ROW_FILE_GIVEN;
	if (r->file_given)
		r->file = (uint32_t)cursor_uleb(c);
	if (__builtin_add_overflow(r->line, cursor_sleb(c), &r->line))
		return false;
	if (!(head & ROW_COLUMN_SAME))
		r->column = (uint32_t)cursor_uleb(c);
	return !c->bad;
}

/* The last block that starts at or below @address; NULL if there is none. */
static const struct symfile_disk_block *find_block(const struct symfile *f, uint32_t address)
{
	size_t low = 0, high = f->block_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->blocks[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &f->blocks[low - 1] : NULL;
}

static bool find_row(const struct symfile *f, uint32_t address, struct row *ret)
{
	const struct symfile_disk_block *block = find_block(f, address);

	if (!block)
		return false;

	bool is_last = block == &f->blocks[f->block_count - 1];
	size_t end = is_last ? f->rows.length : block[1].rows;
	struct cursor c = cursor_at((struct slice){f->rows.bytes, end}, block->rows);
	struct row_reader next = {.address = block->start}, best = next;
	bool found = false;

	for (unsigned int i = 0; i < SYMFILE_BLOCK_ROWS && !c.bad && cursor_left(&c); i++) {
		if (!read_row(&c, &next) || next.address > address)
			break;
		best = next;
		found = true;
	}
	if (!found)
		return false;

	const struct symfile_disk_function *function =
		best.scope ? scope_function(f, best.scope - 1) : function_at(f, SYMFILE_NONE);

	*ret = (struct row){
		.scope = best.scope - 1, /* none: SYMFILE_NONE */
		.file = best.file_given ? best.file : function->file,
		.line = (uint32_t)(best.line + (best.relative ? function->start_line : 0)),
		.column = best.column,
	};
	return true;
}

/* The symbol that covers @address; NULL if there is none. */
static const struct symfile_disk_symbol *find_symbol(const struct symfile *f, uint32_t address)
{
	size_t low = 0, high = f->symbol_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && f->symbols[low - 1].function != SYMFILE_NONE ? &f->symbols[low - 1] : NULL;
}

static void name_frame(const struct symfile *f, uint32_t function_id, struct symfile_frame *frame)
{
	const struct symfile_disk_function *function = function_at(f, function_id);

	frame->function = text_at(f, function->name);
	frame->system_name = text_at(f, function->system_name);
	frame->start_line = function->start_line;
}

/* Fills @frame with a place in the source; a line of 0 is no place. */
static void place_frame(const struct symfile *f, uint32_t file, uint32_t line, uint32_t column,
			struct symfile_frame *frame)
{
	if (!line)
		return;
	frame->file = file_at(f, file);
	frame->line = line;
	frame->column = column;
}

/* Goes up from @row's scope; returns the frames written, of which the last is the physical function. */
static size_t climb(const struct symfile *f, struct row row, struct symfile_frame *chain,
		    size_t chain_size)
{
	size_t count = 0;
	uint32_t id = row.scope;

	while (count < chain_size) {
		struct symfile_frame *frame = &chain[count++];
		struct scope scope;
		bool file_given;

		*frame = (struct symfile_frame){0};
		place_frame(f, row.file, row.line, row.column, frame);
		if (!find_scope(f, id, &scope, &file_given))
			break;
		name_frame(f, scope.function, frame);
		if (scope.parent == SYMFILE_NONE) {
			frame->start = f->base + scope.start;
			break;
		}

		const struct symfile_disk_function *caller = scope_function(f, scope.parent);

		frame->inlined = true;
		row = (struct row){
			.file = file_given ? scope.file : caller->file,
			.line = scope.line + caller->start_line,
			.column = scope.column,
		};
		id = scope.parent;
	}
	return count;
}

size_t symfile_lookup(const struct symfile *f, uint64_t addr, struct symfile_frame *chain,
		      size_t chain_size)
{
	if (addr < f->base || addr - f->base > UINT32_MAX || !chain_size)
		return 0;

	uint32_t address = (uint32_t)(addr - f->base);
	const struct symfile_disk_symbol *symbol = find_symbol(f, address);
	struct row row;
	size_t count = find_row(f, address, &row) && (row.scope != SYMFILE_NONE || row.line)
			       ? climb(f, row, chain, chain_size)
			       : 0;

	if (!symbol)
		return count;
	if (!count) {
		chain[0] = (struct symfile_frame){0};
		count = 1;
	}

	struct symfile_frame *outermost = &chain[count - 1];
	uint32_t start_line = outermost->start_line;

	if (outermost->inlined)
		return count; /* the chain was cut before its outer end */
	name_frame(f, symbol->function, outermost);
	outermost->start_line = start_line;
	outermost->start = f->base + symbol->origin;
	return count;
}

bool symfile_range_at(const struct symfile *f, size_t index, struct symfile_range *ret)
{
	if (index >= f->symbol_count)
		return false;

	const struct symfile_disk_symbol *s = &f->symbols[index];

	*ret = (struct symfile_range){
		.start = f->base + s->start,
		.end = f->base + (index + 1 < f->symbol_count ? s[1].start : s->start),
		.function = s->function == SYMFILE_NONE
				    ? NULL
				    : text_at(f, function_at(f, s->function)->name),
	};
	return true;
}
