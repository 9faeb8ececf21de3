/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions by the ELF symbol tables: which symbol names which addresses.
 *
 * Candidates are functions, objects and untyped symbols (assembler) in sections with code; not section, file, TLS and
 * mapping symbols. At each address the symbol with the closest start shows that covers it with its size; where none
 * does, one without a size reaches up to the next symbol or the end of its section. Of several that start at one
 * address the largest shows, then global and weak before local, then the last one in the table (any choice among
 * aliases is as good; this one is llvm-symbolizer's).
 *
 * Several tables are layers: what the file itself says lies above what DWARF covers,
 * and that above the tables of separate debug files. Of these, mangled names lie above DWARF as well, which knows
 * functions that are local to a unit by their bare names only.
 *
 * Sources: gABI chapter 4, "Symbol Table".
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_ELFSYMS_H
#define HEARTH_SYMBOLIZER_ELFSYMS_H

#include "symbolizer/elffile.h"
#include "symbolizer/paint.h"
#include "symbolizer/symfile_write.h"
#include "symbolizer/textmap.h"

#define ELFSYMS_TABLE_MAX (256u << 20) /* bytes of a symbol table: 11 million symbols */

enum elfsyms_layer {
	ELFSYMS_SIZELESS, /* symbols without a size, of any table */
	ELFSYMS_SEPARATE, /* tables of debug files and .gnu_debugdata */
	ELFSYMS_DWARF,	  /* functions that DWARF covers and names */
	ELFSYMS_MANGLED,  /* those of ELFSYMS_SEPARATE with mangled names */
	ELFSYMS_OWN,	  /* the file's own table */
	ELFSYMS_LAYER_COUNT,
};

struct elfsyms_symbol {
	uint32_t start, end;
	uint32_t function; /* index in the table's functions */
	uint32_t position; /* among all that were added */
	uint8_t layer;
	bool is_local;
};

struct elfsyms {
	const struct textmap *text; /* borrowed */
	struct symtable *table;	    /* borrowed; gets the names */
	struct elfsyms_symbol *symbols;
	size_t symbol_count, symbol_capacity;
};

/** Start with nothing. @text and @table are borrowed until elfsyms_release(). */
void elfsyms_init(struct elfsyms *e, const struct textmap *text, struct symtable *table);

/** Free what @e holds; NULL allowed. */
void elfsyms_release(struct elfsyms *e);

/**
 * Add the symbols of a file: .symtab, or .dynsym if there is none.
 *
 * @layer: ELFSYMS_OWN or ELFSYMS_SEPARATE
 * @ret_count: symbols of code found in it
 *
 * Returns 0; -EBADMSG if a table is damaged; -EFBIG if one is larger than ELFSYMS_TABLE_MAX, or its names are; -ENOMEM.
 */
int elfsyms_add(struct elfsyms *e, struct elffile *f, enum elfsyms_layer layer, size_t *ret_count);

/** Add a range that DWARF names. @function: index in the table's functions. Returns 0; -ENOMEM. */
int elfsyms_add_dwarf(struct elfsyms *e, uint32_t start, uint32_t end, uint32_t function);

/** Lay all over each other and put the result into the table's symbols. Returns 0; -ENOMEM. */
int elfsyms_finish(struct elfsyms *e);

#endif
