/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/array.h"
#include "symbolizer/gopclntab.h"

#define PCDATA_INLINE_INDEX  2
#define FUNCDATA_INLINE_TREE 3
#define NO_FUNCDATA	     UINT32_MAX

/* Where things stand in a function and in an entry of an inline tree. */
struct layout {
	uint8_t entry_bytes; /* of its first field and of the pairs in the table of functions */
	uint8_t name, pc_file, pc_line, pcdata_count, unit;
	uint8_t start_line; /* 0 = not there */
	uint8_t funcdata_count, pcdata, funcdata_bytes;
	uint8_t tree_bytes, tree_name, tree_parent_pc;
	uint8_t tree_start_line; /* 0 = not there */
};

static const struct layout layouts[] = {
	[GOPCLNTAB_1_16] = {8, 8, 24, 28, 32, 36, 0, 43, 44, 8, 20, 12, 16, 0},
	[GOPCLNTAB_1_18] = {4, 4, 20, 24, 28, 32, 0, 39, 40, 4, 20, 12, 16, 0},
	[GOPCLNTAB_1_20] = {4, 4, 20, 24, 28, 32, 36, 43, 44, 4, 16, 4, 8, 12},
};

/* Walks along a pc table. */
struct pc_walk {
	struct cursor c;
	uint32_t end; /* of the value */
	int32_t value;
	bool begun;
};

static const struct layout *layout_of(const struct gopclntab *g)
{
	return &layouts[g->version];
}

static uint32_t u32_at(struct slice s, uint64_t offset)
{
	struct cursor c = cursor_at(s, offset);

	return cursor_u32(&c);
}

/* A line number; what cannot be one reads as unknown. */
static uint32_t line_at(struct slice s, uint64_t offset)
{
	uint32_t line = u32_at(s, offset);

	return line > INT32_MAX ? 0 : line;
}

/* Address of the function of pair @index (there is one more than functions), and where it is described. */
static uint64_t pair_at(const struct gopclntab *g, uint32_t index, uint64_t *ret_offset)
{
	uint8_t bytes = layout_of(g)->entry_bytes;
	struct cursor c = cursor_at(g->functions, 2ull * bytes * index);
	uint64_t entry = cursor_sized(&c, bytes);

	*ret_offset = cursor_left(&c) < bytes ? 0 : cursor_sized(&c, bytes);
	return g->text + entry;
}

bool gopclntab_inline_tree(const struct gopclntab *g, uint32_t index, uint64_t *ret)
{
	const struct layout *l = layout_of(g);
	uint64_t offset;

	(void)pair_at(g, index, &offset);

	struct cursor c = cursor_at(g->functions, offset);
	struct slice f = {c.at, cursor_left(&c)};
	uint32_t pcdata_count = u32_at(f, l->pcdata_count);

	if (c.bad || f.length <= l->pcdata || f.bytes[l->funcdata_count] <= FUNCDATA_INLINE_TREE ||
	    pcdata_count <= PCDATA_INLINE_INDEX || !u32_at(f, l->pcdata + 4 * PCDATA_INLINE_INDEX))
		return false;

	uint64_t funcdata = l->pcdata + 4ull * pcdata_count;

	/* Pointers are aligned, and so are functions. */
	funcdata += -funcdata % l->funcdata_bytes;
	c = cursor_at(f, funcdata + (uint64_t)l->funcdata_bytes * FUNCDATA_INLINE_TREE);
	*ret = cursor_sized(&c, l->funcdata_bytes);
	return !c.bad && *ret != (l->funcdata_bytes == 8 ? 0 : NO_FUNCDATA);
}

/* Entry @index of the inline tree at @vaddr; empty if it lies outside of the file. */
static struct slice tree_entry(const struct gopclntab *g, uint64_t vaddr, uint32_t index)
{
	uint8_t bytes = layout_of(g)->tree_bytes;
	struct slice entry = gopclntab_bytes_at(g->elf, vaddr + (uint64_t)bytes * index);

	return entry.length < bytes ? (struct slice){0} : entry;
}

bool gopclntab_is_inline_tree(const struct gopclntab *g, uint64_t vaddr)
{
	const struct layout *l = layout_of(g);
	struct slice entry = tree_entry(g, vaddr, 0);

	if (!entry.length)
		return false;

	uint32_t name = u32_at(entry, l->tree_name);

	/* A name begins behind the end of another. */
	return name && name < g->names.length && !g->names.bytes[name - 1] &&
	       g->names.bytes[name] && (int32_t)u32_at(entry, l->tree_parent_pc) >= 0;
}

bool gopclntab_read_call(const struct gopclntab_reader *r, uint32_t index,
			 struct gopclntab_call *ret)
{
	const struct layout *l = layout_of(r->g);
	struct slice entry = tree_entry(r->g, r->g->gofunc + r->f.tree, index);

	if (!entry.length)
		return false;
	*ret = (struct gopclntab_call){
		.name = slice_string(r->g->names, u32_at(entry, l->tree_name)),
		.start_line = l->tree_start_line ? line_at(entry, l->tree_start_line) : 0,
		.pc = u32_at(entry, l->tree_parent_pc),
	};
	return true;
}

bool gopclntab_read_function(struct gopclntab_reader *r, uint32_t index)
{
	const struct gopclntab *g = r->g;
	const struct layout *l = layout_of(g);
	uint64_t offset, unused;
	struct gopclntab_function f = {.entry = pair_at(g, index, &offset)};
	uint64_t end = pair_at(g, index + 1, &unused);
	struct cursor c = cursor_at(g->functions, offset);
	struct slice s = {c.at, cursor_left(&c)};

	if (c.bad || s.length <= l->pcdata || end <= f.entry || end - f.entry > INT32_MAX)
		return false;
	f.length = (uint32_t)(end - f.entry);
	f.name = slice_string(g->names, u32_at(s, l->name));
	f.tables[0] = u32_at(s, l->pc_file);
	f.tables[1] = u32_at(s, l->pc_line);
	f.unit = u32_at(s, l->unit);
	f.start_line = l->start_line ? line_at(s, l->start_line) : 0;
	f.has_tree = (g->gofunc || g->version == GOPCLNTAB_1_16) &&
		     gopclntab_inline_tree(g, index, &f.tree);
	if (f.has_tree)
		f.tables[2] = u32_at(s, l->pcdata + 4 * PCDATA_INLINE_INDEX);
	r->f = f;
	return f.name && *f.name;
}

/* Goes on to the next value of a pc table; behind its end the value is -1 and holds forever. */
static void pc_next(struct gopclntab_reader *r, struct pc_walk *w)
{
	uint64_t difference = cursor_uleb(&w->c);
	uint64_t bytes = cursor_uleb(&w->c) * r->g->quantum;

	if (r->steps_left)
		r->steps_left--;
	if (w->c.bad || (!difference && w->begun) || !bytes || bytes >= UINT32_MAX - w->end ||
	    !r->steps_left) {
		*w = (struct pc_walk){.end = UINT32_MAX, .value = -1, .c.bad = true};
		return;
	}
	/* Wraps around where the table is damaged. */
	w->value =
		(int32_t)((uint32_t)w->value + (uint32_t)((difference >> 1) ^ -(difference & 1)));
	w->end += (uint32_t)bytes;
	w->begun = true;
}

int gopclntab_read_places(struct gopclntab_reader *r)
{
	struct pc_walk walks[GOPCLNTAB_PC_TABLES];
	uint32_t at = 0;

	r->place_count = 0;
	for (size_t i = 0; i < GOPCLNTAB_PC_TABLES; i++) {
		walks[i] = (struct pc_walk){.value = -1};
		walks[i].c = r->f.tables[i] ? cursor_at(r->g->pc_tables, r->f.tables[i])
					    : (struct cursor){.bad = true};
		pc_next(r, &walks[i]);
	}
	while (at < r->f.length) {
		uint32_t next = r->f.length;

		if (walks[0].c.bad && walks[1].c.bad) {
			r->f.length = at ? at : r->f.length; /* of code in no table all is code */
			break;
		}
		if (array_reserve((void **)&r->places, &r->place_capacity, r->place_count + 1,
				  sizeof(*r->places)))
			return -ENOMEM;
		r->places[r->place_count++] = (struct gopclntab_place){
			at, walks[0].value, walks[1].value, walks[2].value};
		for (size_t i = 0; i < GOPCLNTAB_PC_TABLES; i++)
			next = walks[i].end < next ? walks[i].end : next;
		for (size_t i = 0; i < GOPCLNTAB_PC_TABLES; i++)
			if (walks[i].end == next)
				pc_next(r, &walks[i]);
		at = next;
	}
	return 0;
}

const struct gopclntab_place *gopclntab_find_place(const struct gopclntab_reader *r,
						   uint32_t offset)
{
	size_t low = 0, high = r->place_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->places[middle].start <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low && offset < r->f.length ? &r->places[low - 1] : NULL;
}
