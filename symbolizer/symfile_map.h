/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to symbolizer/: a mapped symbol file, taken apart. The format stands at the head of symfile.c.
 *
 * Invariants: immutable once open, but for the reference count.
 */
#ifndef HEARTH_SYMBOLIZER_SYMFILE_MAP_H
#define HEARTH_SYMBOLIZER_SYMFILE_MAP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/cursor.h"
#include "symbolizer/symfile.h"
#include "symbolizer/symfile_format.h"

struct symfile {
	atomic_uint references;
	const uint8_t *bytes; /* the mapping */
	size_t length;
	uint64_t base;
	uint32_t scope_count, row_count;
	const struct symfile_disk_symbol *symbols;
	const struct symfile_disk_function *functions;
	const uint32_t *files;
	const uint32_t *scope_index;
	const struct symfile_disk_block *blocks;
	size_t symbol_count, function_count, file_count, scope_index_count, block_count;
	struct slice scopes, rows, strings, note;
};

#endif
