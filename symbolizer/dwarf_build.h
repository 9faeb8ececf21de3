/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From DWARF to a struct symtable: see dwarf.h for the parts.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_DWARF_BUILD_H
#define HEARTH_SYMBOLIZER_DWARF_BUILD_H

#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_split.h"
#include "symbolizer/dwarf_value.h"
#include "symbolizer/elfsyms.h"
#include "symbolizer/paint.h"
#include "symbolizer/symfile_write.h"
#include "symbolizer/textmap.h"

#define DWARF_ROWS_MAX	(64u << 20) /* rows of all line tables together */
#define DWARF_FILES_MAX (1u << 20)  /* files in one line table */

/** What of an entry is about functions and calls; absent attributes have form 0. */
struct dwarf_entry {
	struct dwarf_value name, linkage_name;
	struct dwarf_value origin, specification;
	struct dwarf_value low_pc, high_pc, ranges;
	uint32_t decl_line;
	uint32_t call_file, call_line, call_column;
};

/** A row of a line table. */
struct dwarf_row {
	uint32_t start;
	uint32_t file; /* index in the line table's files */
	uint32_t line;
	uint32_t column;
};

/** Rows without a gap. */
struct dwarf_sequence {
	uint32_t start, end;
	uint32_t first, count; /* rows */
};

struct dwarf_line_file {
	const char *name; /* NULL = not there */
	uint64_t directory;
	uint32_t id; /* in the table's files, + 1; 0 = not looked up yet */
};

/** The line table of a unit; the arrays are used again for the next one. */
struct dwarf_lines {
	uint16_t version;
	uint64_t program_bytes; /* run to make the rows */
	const char **directories;
	size_t directory_count, directory_capacity;
	struct dwarf_line_file *files;
	size_t file_count, file_capacity;
	struct dwarf_row *rows;
	size_t row_count, row_capacity;
	struct dwarf_sequence *sequences;
	size_t sequence_count, sequence_capacity;
};

/** What has been found of the function at a place that many entries refer to. */
struct dwarf_known {
	uint64_t offset;
	uint32_t file;
	uint32_t function;
};

struct dwarf_counts {
	uint64_t units, units_damaged;
	uint64_t entries;
	uint64_t functions, inlined;
	uint64_t rows;
	uint64_t split_missing; /* skeleton units whose .dwo was not found */
	uint64_t alt_missing;	/* references into a supplementary file that was not found */
};

struct dwarf_builder {
	const struct textmap *text; /* borrowed */
	struct symtable *table;	    /* borrowed */
	struct elfsyms *symbols;    /* borrowed; hears what DWARF names */
	struct dwarf_known *known;
	size_t known_count, known_capacity;
	struct idmap known_ids;
	struct dwarf_lines lines;
	struct paint_range *ranges; /* of the unit at hand */
	size_t range_count, range_capacity;
	struct paint paint;
	uint32_t *depth_scopes; /* scratch of the walk */
	/* What may still be read of lists that several entries can refer to; see dwarf_build(). */
	uint64_t line_bytes_left, ranges_left;
	struct dwarf_counts counts;
};

/** Set up; what is passed is borrowed until dwarf_builder_release(). */
void dwarf_builder_init(struct dwarf_builder *b, const struct textmap *text, struct symtable *table,
			struct elfsyms *symbols);

/** Free what @b holds; NULL allowed. */
void dwarf_builder_release(struct dwarf_builder *b);

/**
 * Add all code of a file's units.
 *
 * @splits: asked for the rest of each skeleton unit; NULL = there is none
 *
 * Returns 0 also when some units are damaged (see the counts); -ENOMEM; -EFBIG beyond the limits.
 */
int dwarf_build(struct dwarf_builder *b, struct dwarf_file *f, struct dwarf_splits *splits);

/* --- dwarf_names.c --- */

/** Read the wanted attributes of an entry behind its code. */
void dwarf_read_entry(struct cursor *c, const struct dwarf_unit *unit,
		      const struct dwarf_abbrev *abbrev, struct dwarf_entry *ret);

/** The function that an entry is about, in the table. Returns 0; -ENOMEM. */
int dwarf_entry_function(struct dwarf_builder *b, const struct dwarf_unit *unit,
			 const struct dwarf_entry *entry, uint32_t *ret);

/* --- dwarf_line.c --- */

/** Read a unit's line table into @lines. Returns 0; -ENOENT if it has none; -EBADMSG; -ENOMEM; -EFBIG. */
int dwarf_lines_read(struct dwarf_lines *lines, const struct dwarf_unit *unit,
		     const struct textmap *text);

/** Free what @lines holds; NULL allowed. */
void dwarf_lines_release(struct dwarf_lines *lines);

/** Path of a file, as an id of the table's files; 0 = unknown. Returns 0; -ENOMEM. */
int dwarf_lines_file(struct dwarf_lines *lines, const char *comp_dir, struct strpool *files,
		     uint64_t index, uint32_t *ret);

/* --- dwarf_scopes.c --- */

/**
 * Walk a unit: adds its functions and inlined calls to the table's scopes, their ranges to the builder's.
 *
 * @comp_dir: of the unit whose line table @b->lines holds
 *
 * Returns 0; -EBADMSG if the unit is damaged (what was read so far stays); -ENOMEM.
 */
int dwarf_walk(struct dwarf_builder *b, struct dwarf_unit *unit, const char *comp_dir);

#define DWARF_NO_SCOPE \
	(PAINT_NOTHING - 1) /* a range's value: code of the unit, but of no function */

#endif
