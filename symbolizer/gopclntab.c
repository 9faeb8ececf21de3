/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/gopclntab.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "symbolizer/symfile.h"

#define NO_FILE UINT32_MAX

struct adder {
	struct gopclntab_reader r;
	struct gopclntab_target *target;
	uint32_t scope;	  /* of the function at hand */
	uint32_t *scopes; /* by index in its inline tree; SYMFILE_NONE = not made yet */
	size_t scope_count, scope_capacity;
	uint32_t file_offset, file_id; /* last looked up */
};

static uint32_t unit_file(struct slice units, uint64_t offset)
{
	struct cursor c = cursor_at(units, offset);

	return cursor_u32(&c);
}

/* Id of a file by its number in the function's unit; 0 = unknown. */
static int find_file(struct adder *a, int32_t number, uint32_t *ret)
{
	uint64_t index = (uint64_t)a->r.f.unit + (uint32_t)number;
	uint32_t offset = number < 0 || 4 * index + 4 > a->r.g->units.length
				  ? NO_FILE
				  : unit_file(a->r.g->units, 4 * index);

	if (offset != a->file_offset) {
		const char *name = offset == NO_FILE ? NULL : slice_string(a->r.g->files, offset);
		int err = strpool_add(&a->target->table->files, name, &a->file_id);

		if (err)
			return err;
		a->file_offset = offset;
	}
	*ret = a->file_id;
	return 0;
}

static int add_scope(struct adder *a, struct symtable_scope scope, uint32_t *ret)
{
	struct symtable *t = a->target->table;

	if (t->scope_count >= SYMFILE_NONE - 2 ||
	    array_reserve((void **)&t->scopes, &t->scope_capacity, t->scope_count + 1,
			  sizeof(*t->scopes)))
		return -ENOMEM;
	*ret = (uint32_t)t->scope_count;
	t->scopes[t->scope_count++] = scope;
	return 0;
}

static int add_function(struct adder *a, const char *name, uint32_t start_line, uint32_t *ret)
{
	uint32_t id;
	int err = strpool_add(&a->target->table->names, name, &id);

	return err ? err : symtable_function(a->target->table, id, start_line, ret);
}

/* Makes the scope of entry @index of the inline tree in @parent, called at @place. */
static int add_inlined(struct adder *a, uint32_t index, uint32_t parent,
		       const struct gopclntab_place *place)
{
	struct symtable_scope scope = {.parent = parent};
	struct symtable *t = a->target->table;
	struct gopclntab_call call;

	if (!gopclntab_read_call(&a->r, index, &call))
		return -EBADMSG; /* not reached: it was read before */

	int err = add_function(a, call.name, call.start_line, &scope.function);

	if (!err && place->line > 0) {
		scope.line = (uint32_t)place->line;
		err = find_file(a, place->file, &scope.file);
	}
	if (err)
		return err;
	if (!t->functions[t->scopes[parent].function].file)
		t->functions[t->scopes[parent].function].file = scope.file;
	a->target->inlined++;
	return add_scope(a, scope, &a->scopes[index]);
}

/* Makes room for the scope of entry @index. Returns 0; -EBADMSG if there cannot be such an entry; -ENOMEM. */
static int reach_scope(struct adder *a, int32_t index)
{
	size_t wanted = (size_t)index + 1;

	if (wanted > GOPCLNTAB_INLINED_MAX)
		return -EBADMSG;
	if (wanted <= a->scope_count)
		return 0;
	if (wanted - a->scope_count > a->r.steps_left)
		return -EBADMSG;
	a->r.steps_left -= (uint32_t)(wanted - a->scope_count);
	if (array_reserve((void **)&a->scopes, &a->scope_capacity, wanted, sizeof(*a->scopes)))
		return -ENOMEM;
	while (a->scope_count < wanted)
		a->scopes[a->scope_count++] = SYMFILE_NONE;
	return 0;
}

/* The place of the call that entry @index of the inline tree is; NULL if that is nonsense. */
static const struct gopclntab_place *find_call(const struct adder *a, int32_t index)
{
	struct gopclntab_call call;

	if (!gopclntab_read_call(&a->r, (uint32_t)index, &call))
		return NULL;
	return gopclntab_find_place(&a->r, call.pc);
}

/* The scope of an inlined call, made with those around it, outermost first. Nonsense counts as the function itself. */
static int find_scope(struct adder *a, int32_t wanted, uint32_t *ret)
{
	uint32_t chain[SYMFILE_CHAIN_MAX];
	const struct gopclntab_place *calls[SYMFILE_CHAIN_MAX];
	size_t depth = 0;
	int32_t index = wanted;

	*ret = a->scope;
	while (index >= 0) {
		int err = reach_scope(a, index);

		if (err)
			return err == -ENOMEM ? err : 0;
		if (a->scopes[index] != SYMFILE_NONE)
			break;

		const struct gopclntab_place *call = find_call(a, index);

		if (!call || depth == SYMFILE_CHAIN_MAX) {
			a->scopes[wanted] = a->scope;
			return 0;
		}
		chain[depth] = (uint32_t)index;
		calls[depth++] = call;
		index = call->inlined;
	}

	uint32_t parent = index >= 0 ? a->scopes[index] : a->scope;

	while (depth--) {
		int err = add_inlined(a, chain[depth], parent, calls[depth]);

		if (err)
			return err;
		parent = a->scopes[chain[depth]];
	}
	*ret = parent;
	return 0;
}

/* Adds a row of the function at hand unless it says what the one before says. */
static int add_row(struct adder *a, struct symtable_chunk *chunk,
		   const struct gopclntab_place *place)
{
	struct symtable *t = a->target->table;
	struct symtable_row row = {.start = chunk->start + place->start};
	int err = find_scope(a, place->inlined, &row.scope);

	if (!err && place->line > 0) {
		row.line = (uint32_t)place->line;
		err = find_file(a, place->file, &row.file);
		if (!row.file)
			row.line = 0;
	}
	if (err)
		return err;

	const struct symtable_row *last =
		t->row_count > chunk->first ? &t->rows[t->row_count - 1] : NULL;
	struct symtable_function *function = &t->functions[t->scopes[row.scope].function];

	if (!function->file)
		function->file = row.file;
	if (last && last->scope == row.scope && last->file == row.file && last->line == row.line)
		return 0;
	if (t->row_count >= GOPCLNTAB_ROWS_MAX)
		return -EFBIG;
	if (array_reserve((void **)&t->rows, &t->row_capacity, t->row_count + 1, sizeof(*t->rows)))
		return -ENOMEM;
	t->rows[t->row_count++] = row;
	a->target->rows++;
	return 0;
}

/* Adds the code of the function at hand as a chunk. */
static int add_chunk(struct adder *a, uint32_t start, uint32_t end, uint32_t function)
{
	struct symtable *t = a->target->table;
	struct symtable_chunk chunk = {start, end, (uint32_t)t->row_count, 0};
	int err = add_scope(a,
			    (struct symtable_scope){
				    .parent = SYMFILE_NONE, .function = function, .line = start},
			    &a->scope);

	a->scope_count = 0;
	for (size_t i = 0; !err && i < a->r.place_count; i++)
		if (a->r.places[i].start < end - start)
			err = add_row(a, &chunk, &a->r.places[i]);
	chunk.count = (uint32_t)(t->row_count - chunk.first);
	if (err || !chunk.count)
		return err;
	if (array_reserve((void **)&t->chunks, &t->chunk_capacity, t->chunk_count + 1,
			  sizeof(*t->chunks)))
		return -ENOMEM;
	t->chunks[t->chunk_count++] = chunk;
	return 0;
}

/* Whether one of the first @count chunks, which are sorted, covers @address. */
static bool is_covered(const struct symtable *t, size_t count, uint32_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->chunks[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && t->chunks[low - 1].end > address;
}

/* Adds function @index. @covered: how many chunks were there before. */
static int add_at(struct adder *a, uint32_t index, size_t covered)
{
	struct gopclntab_target *to = a->target;
	uint32_t start, end, function;

	if (!gopclntab_read_function(&a->r, index) ||
	    !textmap_range(to->text, a->r.f.entry, a->r.f.entry + a->r.f.length, &start, &end) ||
	    is_covered(to->table, covered, start))
		return 0;

	int err = to->lines ? gopclntab_read_places(&a->r) : 0;

	if (!err)
		err = add_function(a, a->r.f.name, a->r.f.start_line, &function);
	if (err)
		return err;
	if (a->r.f.length < end - start)
		end = start + a->r.f.length;
	to->functions++;
	err = elfsyms_add_dwarf(to->symbols, start, end, function);
	return err || !to->lines ? err : add_chunk(a, start, end, function);
}

int gopclntab_add(const struct gopclntab *g, struct gopclntab_target *target)
{
	struct adder a = {
		.r = {.g = g, .steps_left = GOPCLNTAB_STEPS_MAX},
		.target = target,
		.file_offset = NO_FILE,
	};
	size_t covered = target->table->chunk_count;
	int err = 0;

	for (uint32_t i = 0; !err && i < g->function_count; i++)
		err = a.r.steps_left ? add_at(&a, i, covered) : -EFBIG;
	symtable_sort_chunks(target->table);
	free(a.r.places);
	free(a.scopes);
	return err;
}
