/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind file: the table of one executable, made once and kept by build id, used as it lies in memory.
 *
 *	struct unwind_file_header | struct unwind_rule rules[] | __u32 page_rows[page_count + 1] | struct unwind_row rows[]
 *
 * rows[page_rows[i] .. page_rows[i + 1]) start in page first_page + i. A row holds until the next one, over the end
 * of its page too. Before the first row there is no information.
 *
 * Invariants: immutable once open; everything was validated on open, so that a damaged file is refused then.
 * Thread rule: any thread may look up, ref and unref.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_FILE_H
#define HEARTH_SYMBOLIZER_UNWIND_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_format.h"

#define UNWIND_FILE_MAGIC   "HRTHUNW"
#define UNWIND_FILE_VERSION 2

/** Gaps between functions below this are padding, which nothing runs in: pages for the kernel leave them out. */
#define UNWIND_GAP_BYTES 16

/** Where a table comes from. */
enum unwind_source {
	UNWIND_SOURCE_EH_FRAME = 1,
	UNWIND_SOURCE_EH_FRAME_HDR = 2, /* .eh_frame, found without section headers */
	UNWIND_SOURCE_DEBUG_FRAME = 4,
	UNWIND_SOURCE_DEBUG_FILE = 8, /* either of them, of the separate debug file */
};

struct unwind_row {
	uint16_t low; /* address within its page */
	uint16_t rule;
};

struct unwind_file_header {
	char magic[8];
	uint32_t version;
	uint16_t machine; /* EM_* */
	uint16_t sources; /* bits of enum unwind_source */
	uint32_t rule_count;
	uint32_t first_page;
	uint32_t page_count;
	uint32_t row_count;
	uint32_t fde_count; /* for people: how many, and how many of them damaged */
	uint32_t damaged_count;
	uint32_t expression_count; /* likewise: rows that need a DWARF expression */
	uint32_t build_us;	   /* likewise: CPU time of making it; 0 = not measured */
	uint64_t checksum;	   /* XXH3 of the whole file with this field 0 */
};

_Static_assert(sizeof(struct unwind_file_header) == 56,
	       "no hidden padding; rules are aligned behind it");
_Static_assert(sizeof(struct unwind_row) == 4, "a row is 4 bytes");

struct unwind_file;

/**
 * Map and validate a file.
 *
 * @fd: borrowed; may be closed after the call
 * @ret: on success one reference, drop with unwind_file_unref()
 *
 * Returns 0; -EBADMSG if it is damaged or of another version; -EIO; -ENOMEM.
 */
int unwind_file_open(int fd, struct unwind_file **ret);

/** The same for bytes in memory from malloc(3): takes ownership on success. */
int unwind_file_open_memory(void *bytes, size_t size, struct unwind_file **ret);

/** Take another reference. Returns @f. */
struct unwind_file *unwind_file_ref(struct unwind_file *f);

/** Drop a reference; NULL allowed. */
void unwind_file_unref(struct unwind_file *f);

/** Head of the file; borrowed while referenced. */
const struct unwind_file_header *unwind_file_header(const struct unwind_file *f);

/** The whole file, to be written or sent; borrowed while referenced. */
const void *unwind_file_bytes(const struct unwind_file *f, size_t *ret_size);

/** Row number @index: where it starts, and its rule (borrowed). @index below header's row_count. */
const struct unwind_rule *unwind_file_row(const struct unwind_file *f, uint32_t index,
					  uint64_t *ret_vaddr);

/** The rule in force at @vaddr; NULL where the file knows nothing. Borrowed. */
const struct unwind_rule *unwind_file_find(const struct unwind_file *f, uint64_t vaddr);

/**
 * Make the page block (see bpf/unwind_format.h) of one page.
 *
 * @page: ELF vaddr >> UNWIND_PAGE_SHIFT, between the header's first_page and its last
 * @block: room for UNWIND_CHUNK_BYTES / 2
 * @ret_bytes: size of the block
 *
 * Returns 0; -EFBIG if the page exceeds the limits of a block; -ENOENT if the file has no such page.
 */
int unwind_file_make_page(const struct unwind_file *f, uint32_t page, void *block,
			  uint32_t *ret_bytes);

/**
 * Write the file to the current position of @fd.
 *
 * @build_us: for the header
 *
 * Returns 0; -errno of writing.
 */
int unwind_file_write(const struct unwind_file *f, uint32_t build_us, int fd);

/** Compute the checksum of an image that starts with a header. */
uint64_t unwind_file_checksum(const void *bytes, size_t size);

#endif
