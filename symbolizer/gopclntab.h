/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's own tables of functions and lines (.gopclntab), which the runtime needs and no strip(1) removes: functions, inlined
 * calls, files and lines of a Go program without DWARF.
 *
 *	gopclntab_find.c	where the tables lie, and what they refer to
 *	gopclntab.c		functions, one after another, into a struct symtable
 *
 * Versions: those of Go 1.16, 1.18 and 1.20 up to 1.27. The layout, by the magic number of its header:
 *
 *	header	u32 magic, u8 0, u8 0, u8 quantum, u8 pointer size, then words: functions, files, [start of text, from
 *		1.18 on; unused and 0 from 1.26 on], and the offsets in the table of names, units, files, pc tables, functions
 *	functions	{entry, offset from here} pairs: of words, entry an address (1.16); of u32, from the start of text
 *	function	see struct layout in gopclntab.c
 *	units		u32: offset in files, by the unit's first + the number of a file in it; ~0 = none
 *	pc table	{value difference as zigzag varint, pc difference / quantum as varint} pairs, from -1 and the entry on,
 *			each value up to its pc; ends at a value difference of 0 that is not the first
 *	inline tree	by index: function, and an address whose place is that of the call
 *
 * Sources: src/runtime/symtab.go, symtabinl.go and src/cmd/link/internal/ld/pcln.go of these versions of Go.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_GOPCLNTAB_H
#define HEARTH_SYMBOLIZER_GOPCLNTAB_H

#include <stdbool.h>

#include "symbolizer/elffile.h"
#include "symbolizer/elfsyms.h"
#include "symbolizer/symfile_write.h"
#include "symbolizer/textmap.h"

#define GOPCLNTAB_SEARCH_MAX (512u << 20) /* words and relocations looked at to find everything */
#define GOPCLNTAB_STEPS_MAX \
	(256u               \
	 << 20) /* steps in all pc tables together; the largest known programs take 60 million */
#define GOPCLNTAB_ROWS_MAX    (32u << 20)
#define GOPCLNTAB_INLINED_MAX 65536u /* inlined calls of one function */

enum gopclntab_version {
	GOPCLNTAB_1_16,
	GOPCLNTAB_1_18,
	GOPCLNTAB_1_20,
};

struct gopclntab {
	const struct elffile *elf; /* borrowed */
	enum gopclntab_version version;
	uint8_t pointer_bytes;
	uint8_t quantum;
	uint32_t function_count;
	uint64_t vaddr; /* of the header */
	uint64_t text;	/* what entries count from; 0 in version 1.16 */
	uint64_t
		gofunc; /* what offsets of inline trees count from; 0 = unknown: no inlined calls; unused in version 1.16 */
	struct slice names, units, files, pc_tables, functions;
	uint64_t search_left; /* steps that searching may still take */
};

/**
 * Find the tables of a file.
 *
 * @elf: borrowed while @ret is used
 *
 * Returns 0; -ENOENT if it is no Go program; -ENOTSUP if it is one of a version that is not known; -EBADMSG.
 */
int gopclntab_open(const struct elffile *elf, struct gopclntab *ret);

/** Bytes of the file from @vaddr to the end of its segment; empty if there are none. */
struct slice gopclntab_bytes_at(const struct elffile *elf, uint64_t vaddr);

/** What is made of the tables. */
struct gopclntab_target {
	const struct textmap *text;
	struct symtable *table;
	struct elfsyms *symbols; /* hears the names of functions */
	bool lines;		 /* not only functions, but their lines and inlined calls as well */
	uint64_t functions, inlined, rows; /* counted */
};

/**
 * Add all functions; with lines those whose code no chunk of the table covers yet.
 *
 * Returns 0 also when some are damaged; -ENOMEM; -EFBIG beyond the limits.
 */
int gopclntab_add(const struct gopclntab *g, struct gopclntab_target *target);

/** Whether an inline tree at @vaddr makes sense for a function that has one: to tell where they lie. */
bool gopclntab_is_inline_tree(const struct gopclntab *g, uint64_t vaddr);

/** Offset of a function's inline tree from gofunc; false if it has none. @index: of the function. */
bool gopclntab_inline_tree(const struct gopclntab *g, uint32_t index, uint64_t *ret);

/* --- between gopclntab_function.c and gopclntab.c ------------------------------------------------ */

#define GOPCLNTAB_PC_TABLES 3

/** A function as the tables describe it. */
struct gopclntab_function {
	uint64_t entry;	 /* vaddr */
	uint32_t length; /* bytes up to the next function */
	uint32_t tables
		[GOPCLNTAB_PC_TABLES]; /* offsets of the pc tables of files, lines, inlined calls; 0 = none */
	uint32_t unit;		       /* index in units */
	uint32_t start_line;	       /* 0 = unknown */
	const char *name;
	bool has_tree;
	uint64_t tree; /* offset from gofunc */
};

/** A run of instructions of one place. */
struct gopclntab_place {
	uint32_t start; /* from the entry */
	int32_t file, line,
		inlined; /* number in the unit, line, index in the inline tree; -1 = none */
};

/** An inlined call. */
struct gopclntab_call {
	const char *name; /* NULL = unknown */
	uint32_t start_line;
	uint32_t pc; /* from the entry: its place is that of the call */
};

/** Reads function after function. */
struct gopclntab_reader {
	const struct gopclntab *g;
	uint32_t steps_left;
	struct gopclntab_function f; /* the one at hand */
	struct gopclntab_place *places;
	size_t place_count, place_capacity;
};

/** Read function @index. Returns false if it is damaged. */
bool gopclntab_read_function(struct gopclntab_reader *r, uint32_t index);

/** List the places of the function at hand; its length becomes that of its code, without padding. Returns 0; -ENOMEM. */
int gopclntab_read_places(struct gopclntab_reader *r);

/** The place that holds @offset from the entry; NULL if none does. Borrowed until the next function. */
const struct gopclntab_place *gopclntab_find_place(const struct gopclntab_reader *r,
						   uint32_t offset);

/** Entry @index of the inline tree of the function at hand. Returns false if it lies outside of the file. */
bool gopclntab_read_call(const struct gopclntab_reader *r, uint32_t index,
			 struct gopclntab_call *ret);

#endif
