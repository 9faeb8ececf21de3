/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split DWARF: the units that -gsplit-dwarf leaves in .dwo files or that were gathered in a .dwp package. What stays in
 * the binary are skeletons with a line table, addresses, and the name and id of the rest.
 *
 * Sources: DWARF 5, 7.3.2 and 7.3.5; GNU's DebugFission for DWARF 4.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_DWARF_SPLIT_H
#define HEARTH_SYMBOLIZER_DWARF_SPLIT_H

#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_value.h"
#include "symbolizer/symbuild.h"

struct dwarf_splits {
	symbuild_split_fn *open; /* NULL = only the package */
	void *context;
	struct elffile package; /* zero = none */
	struct elffile object;	/* the .dwo at hand */
	struct dwarf_file file; /* its DWARF, or the package's part */
	uint32_t file_count;	/* opened so far: numbers them */
};

/** Set up. @package_fd: borrowed for the call; -1 = no package. */
void dwarf_splits_init(struct dwarf_splits *s, symbuild_split_fn *open, void *context,
		       int package_fd);

/** Free what @s holds; NULL allowed. */
void dwarf_splits_release(struct dwarf_splits *s);

/**
 * The unit that belongs to a skeleton.
 *
 * Returns it, borrowed, valid until the next call; NULL if it is not to be had.
 */
struct dwarf_unit *dwarf_splits_find(struct dwarf_splits *s, struct dwarf_unit *skeleton);

#endif
