/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elfsyms.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"

void elfsyms_init(struct elfsyms *e, const struct textmap *text, struct symtable *table)
{
	*e = (struct elfsyms){.text = text, .table = table};
}

void elfsyms_release(struct elfsyms *e)
{
	if (!e)
		return;
	free(e->symbols);
	*e = (struct elfsyms){0};
}

static int add(struct elfsyms *e, struct elfsyms_symbol symbol)
{
	if (e->symbol_count >= SYMFILE_NONE - 1 ||
	    array_reserve((void **)&e->symbols, &e->symbol_capacity, e->symbol_count + 1,
			  sizeof(*e->symbols)))
		return -ENOMEM;
	symbol.position = (uint32_t)e->symbol_count;
	e->symbols[e->symbol_count++] = symbol;
	return 0;
}

static bool is_wanted(const ElfW(Sym) * symbol, const char *name)
{
	switch (ELF64_ST_TYPE(symbol->st_info)) {
	case STT_NOTYPE:
	case STT_OBJECT:
	case STT_FUNC:
	case STT_GNU_IFUNC:
		break;
	default:
		return false;
	}
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS)
		return false;
	/* "$x" and "$d" mark code and data on ARM, ".L" is the assembler's own. */
	return name && *name && *name != '$' && strncmp(name, ".L", 2) != 0;
}

static bool is_mangled(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2);
}

static int add_symbol(struct elfsyms *e, const ElfW(Sym) * symbol, const char *name,
		      enum elfsyms_layer layer, size_t *ret_count)
{
	const struct textmap_area *area = textmap_find(e->text, symbol->st_value);
	struct elfsyms_symbol found = {
		.layer = (uint8_t)layer,
		.is_local = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL,
	};

	if (!area || !is_wanted(symbol, name))
		return 0;
	found.start = (uint32_t)(symbol->st_value - e->text->base);
	if (!symbol->st_size) {
		found.layer = ELFSYMS_SIZELESS;
		found.end = area->end;
	} else {
		if (layer == ELFSYMS_SEPARATE && is_mangled(name))
			found.layer = ELFSYMS_MANGLED;
		found.end = symbol->st_size < area->end - found.start
				    ? found.start + (uint32_t)symbol->st_size
				    : area->end;
	}

	uint32_t id;
	int err = symtable_text(&e->table->names, name, &id);

	if (!err)
		err = symtable_function(e->table, id, 0, &found.function);
	if (err)
		return err;
	++*ret_count;
	return add(e, found);
}

int elfsyms_add(struct elfsyms *e, struct elffile *f, enum elfsyms_layer layer, size_t *ret_count)
{
	const ElfW(Shdr) *table = NULL;
	struct slice data, names;

	*ret_count = 0;
	for (size_t i = 0; i < f->section_count; i++) {
		const ElfW(Shdr) *s = &f->sections[i];

		if (s->sh_type == SHT_SYMTAB || (s->sh_type == SHT_DYNSYM && !table))
			table = s;
		if (s->sh_type == SHT_SYMTAB)
			break;
	}
	if (!table)
		return 0;
	if (table->sh_link >= f->section_count || table->sh_entsize != sizeof(ElfW(Sym)))
		return -EBADMSG;
	if (table->sh_size > ELFSYMS_TABLE_MAX)
		return -EFBIG;

	int err = elffile_section_data(f, table, &data);

	if (!err)
		err = elffile_section_data(f, &f->sections[table->sh_link], &names);
	for (size_t at = 0; !err && at + sizeof(ElfW(Sym)) <= data.length;
	     at += sizeof(ElfW(Sym))) {
		ElfW(Sym) symbol;

		memcpy(&symbol, data.bytes + at, sizeof(symbol));
		err = add_symbol(e, &symbol, slice_string(names, symbol.st_name), layer, ret_count);
	}
	return err;
}

int elfsyms_add_dwarf(struct elfsyms *e, uint32_t start, uint32_t end, uint32_t function)
{
	return add(e, (struct elfsyms_symbol){
			      .start = start,
			      .end = end,
			      .function = function,
			      .layer = ELFSYMS_DWARF,
		      });
}

/* The order in which they are painted: what comes later shows. Aliases: the better one later. */
static int compare_symbols(const void *left, const void *right)
{
	const struct elfsyms_symbol *a = left, *b = right;

	if (a->layer != b->layer)
		return a->layer < b->layer ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	if (a->is_local != b->is_local)
		return a->is_local ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

/* Sorts, and keeps the best, which is the last, of those that start at one address of a layer. */
static void choose(struct elfsyms *e)
{
	struct elfsyms_symbol *s = e->symbols;
	size_t kept = 0;

	qsort(s, e->symbol_count, sizeof(*s), compare_symbols);
	for (size_t i = 0; i < e->symbol_count; i++) {
		if (kept && s[kept - 1].layer == s[i].layer && s[kept - 1].start == s[i].start)
			kept--;
		s[kept++] = s[i];
	}
	e->symbol_count = kept;
}

static int add_result(struct symtable *t, struct symtable_symbol symbol)
{
	const struct symtable_symbol *last =
		t->symbol_count ? &t->symbols[t->symbol_count - 1] : NULL;

	if (last ? last->function == symbol.function && last->origin == symbol.origin
		 : symbol.function == SYMFILE_NONE)
		return 0;
	if (array_reserve((void **)&t->symbols, &t->symbol_capacity, t->symbol_count + 1,
			  sizeof(*t->symbols)))
		return -ENOMEM;
	t->symbols[t->symbol_count++] = symbol;
	return 0;
}

static int compare_starts(const void *left, const void *right)
{
	const struct elfsyms_symbol *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* A symbol without a size reaches no further than to the next one of whatever table. */
static void end_sizeless(struct elfsyms *e)
{
	uint32_t next = UINT32_MAX, next_start = UINT32_MAX;

	qsort(e->symbols, e->symbol_count, sizeof(*e->symbols), compare_starts);
	for (size_t i = e->symbol_count; i-- > 0;) {
		struct elfsyms_symbol *s = &e->symbols[i];

		if (s->start != next_start) {
			next = next_start;
			next_start = s->start;
		}
		if (s->layer == ELFSYMS_SIZELESS && s->end > next)
			s->end = next;
	}
}

int elfsyms_finish(struct elfsyms *e)
{
	auto_free struct paint_range *ranges = NULL;
	CLEANUP(paint_release) struct paint paint = {0};

	if (!e->symbol_count)
		return 0;
	end_sizeless(e);
	choose(e);
	ranges = calloc(e->symbol_count + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < e->symbol_count; i++)
		ranges[i] = (struct paint_range){
			.start = e->symbols[i].start,
			.end = e->symbols[i].end,
			.order = (uint32_t)i,
			.value = (uint32_t)i,
		};

	int err = paint_ranges(&paint, ranges, e->symbol_count);

	for (size_t i = 0; !err && i < paint.run_count; i++) {
		struct symtable_symbol symbol = {
			.start = paint.runs[i].start,
			.function = SYMFILE_NONE,
		};

		if (paint.runs[i].value != PAINT_NOTHING) {
			const struct elfsyms_symbol *s = &e->symbols[paint.runs[i].value];

			symbol.function = s->function;
			symbol.origin = s->start;
		}
		err = add_result(e->table, symbol);
	}
	return err;
}
