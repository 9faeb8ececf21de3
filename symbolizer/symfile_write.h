/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a symbol file from tables in memory.
 *
 * The tables are filled by the readers of ELF symbols and DWARF; addresses in them are relative to `base`, files
 * and names are ids of the string pools (0 = unknown).
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_SYMFILE_WRITE_H
#define HEARTH_SYMBOLIZER_SYMFILE_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "base/strpool.h"
#include "symbolizer/symfile_format.h"

/** A range of addresses named by an ELF symbol table. */
struct symtable_symbol {
	uint32_t start;
	uint32_t function; /* index in functions; SYMFILE_NONE = nothing known from here on */
	uint32_t origin;   /* where the symbol really starts */
};

/** A function: what is known of it wherever it is inlined. */
struct symtable_function {
	uint32_t name; /* id in names: as the linker or, failing that, the source calls it */
	uint32_t start_line;
	uint32_t file; /* id in files */
};

/** A function at work in one place: of its own, or inlined into a scope with a lower index. */
struct symtable_scope {
	uint32_t
		parent; /* index in scopes, lower than its own; SYMFILE_NONE = a function of its own */
	uint32_t function;
	uint32_t file;	 /* where it was called from */
	uint32_t line;	 /* idem; of a function of its own: the address where it starts */
	uint32_t column; /* idem */
};

/** A run of addresses that share scope, file, line and column: up to the next row's start. */
struct symtable_row {
	uint32_t start;
	uint32_t scope; /* index in scopes; SYMFILE_NONE = no function known to DWARF */
	uint32_t file;
	uint32_t line;
	uint32_t column;
};

/** Rows of consecutive code. */
struct symtable_chunk {
	uint32_t start, end;   /* addresses; what lies between chunks is unknown */
	uint32_t first, count; /* rows */
};

struct symtable {
	uint64_t base;
	const void *note; /* borrowed; kept in the file as it is */
	size_t note_bytes;
	struct strpool names;
	struct strpool files;
	struct symtable_symbol *symbols; /* sorted by start, which are distinct */
	size_t symbol_count, symbol_capacity;
	struct symtable_function *functions; /* distinct */
	size_t function_count, function_capacity;
	struct idmap function_ids;
	struct symtable_scope *scopes;
	size_t scope_count, scope_capacity;
	struct symtable_row *rows; /* sorted by start within a chunk */
	size_t row_count, row_capacity;
	struct symtable_chunk *chunks; /* sorted by start; where they overlap the first holds */
	size_t chunk_count, chunk_capacity;
};

/** Bytes of names and paths together: beyond that somebody makes them up. */
#define SYMTABLE_TEXT_MAX (256u << 20)

/** A raw name or path is cut at this length: mangled ones are not made readable beyond half of it. */
#define SYMTABLE_NAME_MAX 8192

/** Free what @t holds; NULL allowed. A zeroed table is an empty one. */
void symtable_release(struct symtable *t);

/**
 * Add a name or a path to one of the table's pools, cut at SYMTABLE_NAME_MAX.
 *
 * @text: NULL counts as empty, which has id 0
 *
 * Returns 0; -EFBIG beyond SYMTABLE_TEXT_MAX; -ENOMEM.
 */
int symtable_text(struct strpool *pool, const char *text, uint32_t *ret);

/**
 * Find or add a function.
 *
 * @ret: on success its index
 *
 * Returns 0; -ENOMEM.
 */
int symtable_function(struct symtable *t, uint32_t name, uint32_t start_line, uint32_t *ret);

/** Put the chunks in order of address, as symfile_write() wants them. */
void symtable_sort_chunks(struct symtable *t);

/**
 * Write a symbol file.
 *
 * @fd: an empty file, open for writing
 *
 * Returns 0; -EFBIG if a part exceeds 4 GiB; -ENOMEM; -errno of writing.
 */
int symfile_write(const struct symtable *t, int fd);

#endif
