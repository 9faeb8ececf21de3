/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A symbol file: everything needed to name the addresses of one binary, in a form that is looked up without
 * parsing: one binary search, then a pointer chase along the inline chain. The format is described at the head
 * of symfile.c.
 *
 * Invariants: immutable once open; every offset was validated on open, so that a damaged file is refused then
 * and never harms a look-up.
 * Thread rule: any thread may look up, ref and unref.
 */
#ifndef HEARTH_SYMBOLIZER_SYMFILE_H
#define HEARTH_SYMBOLIZER_SYMFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYMFILE_CHAIN_MAX 256 /* deepest inline chain kept */

/** One frame of an inline chain. Strings are borrowed from the symbol file, valid while it is referenced. */
struct symfile_frame {
	const char *function; /* demangled, without control characters; NULL = unknown */
	const char *
		system_name; /* as the linker knows it (mangled); NULL = same as function or unknown */
	const char *file;    /* full source path; NULL = unknown */
	uint32_t line;	     /* 0 = unknown */
	uint32_t column;     /* 0 = unknown */
	uint32_t start_line; /* line of the function's declaration; 0 = unknown */
	uint64_t start;	     /* address where the physical function starts; 0 = unknown */
	bool inlined;	     /* true for every frame but the physical (outermost) function */
};

struct symfile;

/**
 * Map and validate a symbol file.
 *
 * @fd: borrowed; may be closed after the call
 * @ret: on success one reference, drop with symfile_unref()
 *
 * Returns 0; -EBADMSG if the file is damaged or of another version; -EIO; -ENOMEM.
 */
int symfile_open(int fd, struct symfile **ret);

/** Take another reference. Returns @f. */
struct symfile *symfile_ref(struct symfile *f);

/** Drop a reference; NULL allowed. */
void symfile_unref(struct symfile *f);

/**
 * Find the inline chain of an address.
 *
 * @addr: ELF vaddr, already PC-1 for a caller's frame
 * @chain: room for @chain_size frames; innermost first; a longer chain is cut at its outer end
 *
 * Returns the number of frames written, 0 if nothing is known about the address.
 */
size_t symfile_lookup(const struct symfile *f, uint64_t addr, struct symfile_frame *chain,
		      size_t chain_size);

/** What its maker noted (a struct symbuild_report); borrowed, valid while the file is referenced. */
const void *symfile_note(const struct symfile *f, size_t *ret_length);

/** A run of addresses of one function. */
struct symfile_range {
	uint64_t start, end;  /* ELF vaddrs, end exclusive */
	const char *function; /* demangled; borrowed like a frame's; NULL = a gap */
};

/**
 * The functions in order of address.
 *
 * @index: counts up from 0
 *
 * Returns false behind the last one.
 */
bool symfile_range_at(const struct symfile *f, size_t index, struct symfile_range *ret);

/** Whether the file names nothing at all. */
bool symfile_is_empty(const struct symfile *f);

/** Rows of line information. */
uint32_t symfile_row_count(const struct symfile *f);

/** Bytes of the file that is mapped. */
size_t symfile_bytes(const struct symfile *f);

#endif
