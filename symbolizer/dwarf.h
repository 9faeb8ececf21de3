/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of DWARF 2 to 5 made for one purpose: to go once over all debugging information entries of a file, look at
 * functions and inlined calls only, and skip the rest as fast as memory allows. (libdw takes 4.4 s and 520 MB to
 * walk the 21 million entries of libjvm.so, this reader 0.3 s and no memory to speak of.) All of it is
 * bounds-checked; damage ends a unit, not the file.
 *
 *	dwarf_abbrev.c	the shapes of entries: how to skip one, where its attributes are
 *	dwarf_form.c	attribute values in all their forms
 *	dwarf_unit.c	units: their headers, the attributes of their first entry
 *	dwarf_ranges.c	address ranges of an entry
 *	dwarf_names.c	which function an entry is about, along abstract origins and specifications
 *	dwarf_line.c	the line table of a unit
 *	dwarf_scopes.c	the walk over a unit: its functions and inlined calls
 *	dwarf_build.c	all of it together into a struct symtable
 *
 * Sources: DWARF 5 standard, chapter 7 (encodings), 6.2 (line tables), 2.17 (ranges), 3.3 (functions); GNU
 * extensions: DW_FORM_GNU_* of dwz and of -gsplit-dwarf before DWARF 5.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_DWARF_H
#define HEARTH_SYMBOLIZER_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "symbolizer/cursor.h"
#include "symbolizer/elffile.h"
#include "symbolizer/elfstream.h"

#define DWARF_HOPS_MAX	   16	 /* longest chain of abstract origins and specifications followed */
#define DWARF_DEPTH_MAX	   4096	 /* deepest nesting of entries */
#define DWARF_RANGES_MAX   65536 /* ranges of one entry */
#define DWARF_ABBREVS_MAX  (1u << 20) /* shapes in one table */
#define DWARF_NO_ATTRIBUTE 0

/** One attribute of a shape. */
struct dwarf_attribute {
	uint16_t name;
	uint16_t form;
	int64_t implicit; /* value of DW_FORM_implicit_const */
};

/** One step of skipping an entry: so many bytes, then a value of that form (0 = none). */
struct dwarf_skip {
	uint16_t bytes;
	uint16_t form;
};

/** The shape of an entry. */
struct dwarf_abbrev {
	uint64_t code;
	uint16_t tag;
	bool has_children;
	uint32_t attribute_first, attribute_count; /* into the table's attributes */
	uint32_t skip_first, skip_count;	   /* into the table's skips */
};

/** The shapes of a unit. */
struct dwarf_abbrevs {
	uint64_t offset; /* in .debug_abbrev */
	uint8_t address_bytes, offset_bytes;
	uint16_t version;
	struct dwarf_abbrev *items; /* sorted by code */
	size_t count, capacity;
	struct dwarf_attribute *attributes;
	size_t attribute_count, attribute_capacity;
	struct dwarf_skip *skips;
	size_t skip_count, skip_capacity;
	bool dense; /* codes are 1, 2, 3 ... */
};

struct dwarf_file;

struct dwarf_unit {
	struct dwarf_file *file;
	uint64_t offset; /* of the header in .debug_info */
	uint64_t first;	 /* of its first entry */
	uint64_t end;	 /* exclusive */
	uint64_t abbrev_offset;
	uint16_t version;
	uint8_t type; /* DW_UT_* */
	uint8_t address_bytes, offset_bytes;
	uint64_t dwo_id;	       /* of split units; 0 = none */
	struct dwarf_abbrevs *abbrevs; /* borrowed from the file's cache; NULL until wanted */

	/* Attributes of the first entry, set by dwarf_unit_load(). */
	bool loaded;
	uint16_t tag;
	uint64_t str_offsets_base, addr_base, rnglists_base, ranges_base;
	uint64_t low_pc;
	uint64_t stmt_list; /* UINT64_MAX = none */
	const char *comp_dir;
	const char *dwo_name;	     /* NULL = not a skeleton */
	struct dwarf_unit *skeleton; /* of a split unit: whose .debug_addr and line table it uses */
};

/** How a file is read. */
enum dwarf_mode {
	DWARF_STREAMED, /* unit by unit, forgetting them unless they refer to each other */
	DWARF_WHOLE,	/* all units at once: others refer to them */
	DWARF_SPLIT,	/* whole, and the sections are the .dwo ones */
};

struct dwarf_file {
	struct elfstream info_stream;
	uint64_t next_unit; /* offset up to which units are known */
	bool keeps_units;   /* units refer to each other: none may be forgotten */
	struct slice info, abbrev, line, str, line_str, ranges, rnglists, addr, str_offsets;
	struct dwarf_file *alt;	  /* dwz's supplementary file, borrowed; NULL = none */
	bool is_split;		  /* sections are the .dwo ones */
	uint32_t index;		  /* tells offsets of several files apart; each its own */
	struct dwarf_unit *units; /* sorted by offset */
	size_t unit_count, unit_capacity;
	struct dwarf_abbrevs **tables; /* parsed shapes, by offset through `table_ids` */
	size_t table_count, table_capacity;
	struct idmap table_ids;
};

/** A value of an attribute, not yet resolved: what `number` means depends on the form. */
struct dwarf_value {
	uint16_t form; /* DW_FORM_*; DW_FORM_indirect is resolved; 0 = absent */
	uint64_t number;
	const char *text; /* DW_FORM_string only */
};

/** Where an entry lies. */
struct dwarf_ref {
	struct dwarf_file *file; /* NULL = nowhere */
	uint64_t offset;	 /* in its .debug_info */
};

/* --- dwarf_unit.c --- */

/**
 * Find the sections of a file and, unless it is streamed, its units.
 *
 * @elf: borrowed until dwarf_file_release()
 * @ret: on success release with dwarf_file_release()
 *
 * Returns 0; -ENOENT if there is no .debug_info; -EBADMSG, -EFBIG, -ENOTSUP as elffile_section_data(); -ENOMEM.
 */
int dwarf_file_open(struct elffile *elf, enum dwarf_mode mode, struct dwarf_file *ret);

/**
 * Find the units of a file whose sections were set by hand.
 *
 * Returns 0; -EBADMSG; -ENOMEM; then release it all the same.
 */
int dwarf_file_index(struct dwarf_file *f);

/**
 * Go on to the next unit of a file; the one before is forgotten if no other refers to it.
 *
 * @index: of the unit, counts up from 0
 * @ret: on success the unit, borrowed, valid until the next call
 *
 * Returns 0; -ENOENT behind the last one; -EBADMSG if the section does not unpack; -ENOMEM.
 */
int dwarf_file_unit(struct dwarf_file *f, size_t index, struct dwarf_unit **ret);

/** Free what @f holds; NULL allowed. */
void dwarf_file_release(struct dwarf_file *f);

/** Read the attributes of a unit's first entry. Returns 0; -EBADMSG; -ENOMEM. */
int dwarf_unit_load(struct dwarf_unit *unit);

/** The unit that holds an offset of .debug_info; NULL if none does. */
struct dwarf_unit *dwarf_find_unit(struct dwarf_file *f, uint64_t offset);

/* --- dwarf_abbrev.c --- */

/** The shapes of a unit, parsed once per offset of the file. Returns 0; -EBADMSG; -ENOMEM. */
int dwarf_unit_abbrevs(struct dwarf_unit *unit);

/** The shape with a code; NULL if there is none. */
const struct dwarf_abbrev *dwarf_find_abbrev(const struct dwarf_abbrevs *table, uint64_t code);

/** Free a table; NULL allowed. */
void dwarf_abbrevs_free(struct dwarf_abbrevs *table);

/** Go over the attributes of an entry. */
static inline void dwarf_skip_entry(struct cursor *c, const struct dwarf_unit *unit,
				    const struct dwarf_abbrev *abbrev);

#endif
