/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What symfile.c reads and symfile_write.c writes; the format is described at the head of symfile.c.
 *
 * Thread rule: plain data.
 */
#ifndef HEARTH_SYMBOLIZER_SYMFILE_FORMAT_H
#define HEARTH_SYMBOLIZER_SYMFILE_FORMAT_H

#include <stdint.h>

#define SYMFILE_MAGIC	     "HSYMFILE"
#define SYMFILE_VERSION	     2u
#define SYMFILE_NONE	     UINT32_MAX /* no function, no scope */
#define SYMFILE_BLOCK_ROWS   64u	/* rows in a block; the last block may have fewer */
#define SYMFILE_SCOPE_STRIDE 16u	/* every how many scopes the index has an entry */

enum symfile_section_id {
	SYMFILE_SYMBOLS,     /* struct symfile_disk_symbol[] */
	SYMFILE_FUNCTIONS,   /* struct symfile_disk_function[] */
	SYMFILE_FILES,	     /* u32 string[] */
	SYMFILE_SCOPE_INDEX, /* u32 offset in SYMFILE_SCOPES [] */
	SYMFILE_BLOCKS,	     /* struct symfile_disk_block[] */
	SYMFILE_SCOPES,	     /* varints */
	SYMFILE_ROWS,	     /* varints */
	SYMFILE_STRINGS,     /* NUL-terminated strings; offset 0 is "" */
	SYMFILE_NOTE,	     /* what the maker wants to remember */
	SYMFILE_SECTION_COUNT,
};

/** Sections follow the header in the order of their ids, each at a multiple of 8. */
struct symfile_disk_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint64_t file_bytes;
	uint64_t checksum; /* XXH3-64 of everything behind this field */
	uint64_t base;	   /* ELF vaddr that addresses are relative to */
	uint32_t scope_count;
	uint32_t row_count;
	uint32_t section_bytes[SYMFILE_SECTION_COUNT];
	uint32_t reserved; /* 0 */
};

_Static_assert(sizeof(struct symfile_disk_header) == 88, "no padding, a multiple of 8");

struct symfile_disk_symbol {
	uint32_t start;	   /* holds until the next symbol's start */
	uint32_t function; /* SYMFILE_NONE = a gap */
	uint32_t
		origin; /* where the function starts; differs from start behind a symbol nested in it */
};

struct symfile_disk_function {
	uint32_t name;	      /* string, demangled */
	uint32_t system_name; /* string; 0 = same as name */
	uint32_t start_line;  /* of its declaration; 0 = unknown */
	uint32_t file;	      /* where most of its code comes from; 0 = unknown */
};

struct symfile_disk_block {
	uint32_t start; /* address of its first row */
	uint32_t rows;	/* where they begin in SYMFILE_ROWS */
};

/* Bits of a row's first number; the address difference stands above them. */
#define ROW_SCOPE_CHANGED 1u
#define ROW_FILE_GIVEN	  2u
#define ROW_COLUMN_SAME	  4u
#define ROW_FLAG_BITS	  3u

/* Bit of a scope's first number; the distance to the parent stands above it, 0 = a function of its own. */
#define SCOPE_FILE_GIVEN 1u
#define SCOPE_FLAG_BITS	 1u

#endif
