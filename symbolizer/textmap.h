/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a binary has code: only addresses in there can be sampled, so that everything else that symbol tables and
 * DWARF say is left out. This is also what tells a function that the linker dropped (its address reads 0, 1 or -1)
 * from one that is there.
 *
 * Invariants: areas are sorted and do not overlap; all end within 4 GiB of `base`.
 * Thread rule: immutable after create.
 */
#ifndef HEARTH_SYMBOLIZER_TEXTMAP_H
#define HEARTH_SYMBOLIZER_TEXTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/elffile.h"

/** A section (or, without sections, a segment) with code. */
struct textmap_area {
	uint32_t start; /* relative to base */
	uint32_t end;	/* exclusive */
};

struct textmap {
	uint64_t base; /* ELF vaddr of the lowest code */
	struct textmap_area *areas;
	size_t area_count, area_capacity;
};

/**
 * Find the code of a file from its section headers, or from its program headers if it has none.
 *
 * @ret: on success release with textmap_release(); no areas if there is no code
 *
 * Returns 0; -ENOMEM.
 */
int textmap_create(const struct elffile *f, struct textmap *ret);

/** Free what @m holds; NULL allowed. */
void textmap_release(struct textmap *m);

/** The area that holds @vaddr; NULL if none does. */
const struct textmap_area *textmap_find(const struct textmap *m, uint64_t vaddr);

/**
 * Make a range of addresses relative to the base.
 *
 * @low, @high: ELF vaddrs, @high exclusive; what reaches beyond the area that holds @low is cut
 *
 * Returns false if @low is no address of code or the range is empty.
 */
bool textmap_range(const struct textmap *m, uint64_t low, uint64_t high, uint32_t *ret_start,
		   uint32_t *ret_end);

#endif
