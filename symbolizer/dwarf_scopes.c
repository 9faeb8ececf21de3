/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include <dwarf.h>

#include "base/array.h"
#include "symbolizer/dwarf_build.h"

struct walk {
	struct dwarf_builder *b;
	struct dwarf_unit *unit;
	const char *comp_dir;
	/* The entry whose ranges are being listed. */
	struct dwarf_entry *entry;
	uint32_t parent;
	uint32_t scope; /* SYMFILE_NONE until it turns out to have code */
	bool inlined;
};

static int add_scope(struct walk *w, uint32_t start)
{
	struct symtable *t = w->b->table;
	struct symtable_scope scope = {.parent = SYMFILE_NONE, .line = start};
	int err = dwarf_entry_function(w->b, w->unit, w->entry, &scope.function);

	if (!err && w->inlined && w->parent != SYMFILE_NONE) {
		scope.parent = w->parent;
		scope.line = w->entry->call_line;
		scope.column = w->entry->call_column;
		err = dwarf_lines_file(&w->b->lines, w->comp_dir, &t->files, w->entry->call_file,
				       &scope.file);
		if (!t->functions[t->scopes[w->parent].function].file)
			t->functions[t->scopes[w->parent].function].file = scope.file;
	}
	if (err)
		return err;
	if (t->scope_count >= DWARF_NO_SCOPE ||
	    array_reserve((void **)&t->scopes, &t->scope_capacity, t->scope_count + 1,
			  sizeof(*t->scopes)))
		return -ENOMEM;
	w->scope = (uint32_t)t->scope_count;
	t->scopes[t->scope_count++] = scope;
	if (w->inlined)
		w->b->counts.inlined++;
	else
		w->b->counts.functions++;
	return 0;
}

static int add_range(struct dwarf_builder *b, struct paint_range range)
{
	if (array_reserve((void **)&b->ranges, &b->range_capacity, b->range_count + 1,
			  sizeof(*b->ranges)))
		return -ENOMEM;
	b->ranges[b->range_count++] = range;
	return 0;
}

static int take_range(void *context, uint64_t low, uint64_t high)
{
	struct walk *w = context;
	struct paint_range range;

	if (!w->b->ranges_left)
		return -EFBIG;
	w->b->ranges_left--;
	if (!textmap_range(w->b->text, low, high, &range.start, &range.end))
		return 0;
	if (w->scope == SYMFILE_NONE) {
		int err = add_scope(w, range.start);

		if (err)
			return err;
	}
	range.value = w->scope;
	range.order =
		w->scope + 1; /* scopes are numbered as they are met: parents before children */

	uint32_t function = w->b->table->scopes[w->scope].function;

	if (!w->inlined && w->b->table->functions[function].name) {
		int err = elfsyms_add_dwarf(w->b->symbols, range.start, range.end, function);

		if (err)
			return err;
	}
	return add_range(w->b, range);
}

static int take_unit_range(void *context, uint64_t low, uint64_t high)
{
	struct walk *w = context;
	struct paint_range range = {.value = DWARF_NO_SCOPE};

	if (!w->b->ranges_left)
		return -EFBIG;
	w->b->ranges_left--;
	if (!textmap_range(w->b->text, low, high, &range.start, &range.end))
		return 0;
	return add_range(w->b, range);
}

/* A function or an inlined call. Returns the scope of its children in @ret_scope. */
static int take_function(struct walk *w, struct cursor *c, const struct dwarf_abbrev *abbrev,
			 uint32_t *ret_scope)
{
	struct dwarf_entry entry;

	dwarf_read_entry(c, w->unit, abbrev, &entry);
	if (c->bad)
		return -EBADMSG;
	w->entry = &entry;
	w->scope = SYMFILE_NONE;
	w->inlined = abbrev->tag == DW_TAG_inlined_subroutine;

	int err = dwarf_list_ranges(w->unit, &entry, take_range, w);

	w->entry = NULL;
	*ret_scope = w->scope != SYMFILE_NONE ? w->scope : w->inlined ? w->parent : SYMFILE_NONE;
	return err == -EBADMSG ? 0 : err; /* a damaged list costs its function, not the unit */
}

static int take_entry(struct walk *w, struct cursor *c, const struct dwarf_abbrev *abbrev,
		      uint32_t *ret_scope)
{
	struct dwarf_entry entry;

	*ret_scope = w->parent;
	switch (abbrev->tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
		return take_function(w, c, abbrev, ret_scope);
	case DW_TAG_compile_unit:
	case DW_TAG_partial_unit:
	case DW_TAG_skeleton_unit:
		dwarf_read_entry(c, w->unit, abbrev, &entry);
		switch (dwarf_list_ranges(w->unit, &entry, take_unit_range, w)) {
		case -ENOMEM:
			return -ENOMEM;
		case -EFBIG:
			return -EFBIG;
		}
		return 0;
	default:
		dwarf_skip_entry(c, w->unit, abbrev);
		return 0;
	}
}

int dwarf_walk(struct dwarf_builder *b, struct dwarf_unit *unit, const char *comp_dir)
{
	struct walk w = {.b = b, .unit = unit, .comp_dir = comp_dir};
	struct cursor c = cursor_at((struct slice){unit->file->info.bytes, unit->end}, unit->first);
	size_t depth = 0;

	if (!b->depth_scopes)
		b->depth_scopes = calloc(DWARF_DEPTH_MAX, sizeof(*b->depth_scopes));
	if (!b->depth_scopes)
		return -ENOMEM;
	b->depth_scopes[0] = SYMFILE_NONE;

	while (!c.bad && cursor_left(&c)) {
		uint64_t code = cursor_uleb(&c);

		if (!code) {
			if (!depth || !--depth)
				return 0;
			continue;
		}

		const struct dwarf_abbrev *abbrev = dwarf_find_abbrev(unit->abbrevs, code);
		uint32_t scope;

		if (!abbrev)
			return -EBADMSG;
		b->counts.entries++;
		w.parent = b->depth_scopes[depth];

		int err = take_entry(&w, &c, abbrev, &scope);

		if (err)
			return err;
		if (!abbrev->has_children) {
			if (!depth)
				return 0;
			continue;
		}
		if (++depth == DWARF_DEPTH_MAX)
			return -EBADMSG;
		b->depth_scopes[depth] = scope;
	}
	return c.bad ? -EBADMSG : 0;
}
