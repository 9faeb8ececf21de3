/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that the unwinder reads: mapping tables of processes, directories of executables and pages of rows,
 * in chunks, under a hard limit. See bpf/unwind_format.h for the form.
 *
 * Chunks come from the owner: BPF maps that are mapped into this process as well, or plain memory where the unwinder
 * runs in user space. Pages are loaded when asked for and evicted when there is no room (CLOCK by the flag that the
 * unwinder sets). What was in use may still be read by a running unwinder: a freed block is reused only after the
 * owner waited for all of them (`grace`).
 *
 * Invariants: memory never exceeds the limit; a reference is published only after its block is written; after a
 * failure everything is as it was before, but for evicted pages.
 * Thread rule: one owner at a time; unwinders read concurrently.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_SLAB_H
#define HEARTH_SYMBOLIZER_UNWIND_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_format.h"
#include "symbolizer/unwind_file.h"

struct unwind_slab_options {
	uint32_t chunk_max; /* chunks at most, at least 2 */
	void *arg;	    /* of the callbacks */
	/** Make chunk number @index: UNWIND_CHUNK_BYTES of zeros. Returns 0; -errno. */
	int (*add_chunk)(void *arg, uint32_t index, void **ret_bytes);
	/** Wait until every unwinder that runs now has ended; NULL = none runs concurrently. */
	void (*grace)(void *arg);
};

struct unwind_slab_stats {
	uint64_t bytes;	      /* of chunks */
	uint64_t block_bytes; /* of blocks in use */
	uint64_t pages;	      /* loaded now */
	uint64_t page_bytes;
	uint64_t page_loads;
	uint64_t page_evictions;
	uint64_t pages_too_big;
	uint64_t exes;
	uint64_t refused; /* for lack of memory */
};

struct unwind_slab;

/** Start with no executables. @ret: owned by the caller, free with unwind_slab_destroy(). Returns 0; -ENOMEM; -errno of add_chunk. */
int unwind_slab_create(const struct unwind_slab_options *options, struct unwind_slab **ret);

/** Free all but the chunks, which are their maker's; NULL allowed. */
void unwind_slab_destroy(struct unwind_slab *s);

/** Bytes of a chunk for an unwinder in user space; NULL if there is no such chunk. */
const void *unwind_slab_chunk(const struct unwind_slab *s, uint32_t index);

/**
 * Make an executable's table available.
 *
 * @exe: its number, 1 to UNWIND_EXES - 1; a table set before is dropped
 * @file: keeps a reference; NULL = there is no table, and that will not change
 *
 * Returns 0; -ENOMEM when there is no room for its directory (unwind_slab_file() has it all the same); -EINVAL for
 * other numbers.
 */
int unwind_slab_set_table(struct unwind_slab *s, uint32_t exe, struct unwind_file *file);

/** The table of an executable; NULL if it has none or is not known. Borrowed until it is set again or dropped. */
const struct unwind_file *unwind_slab_file(const struct unwind_slab *s, uint32_t exe);

/** Forget an executable: its number may be used for another. */
void unwind_slab_drop_exe(struct unwind_slab *s, uint32_t exe);

/**
 * Load the page of an executable that an unwinder missed.
 *
 * Returns 0, also when it is there already; -ENOENT if the executable has no such page; -EFBIG if it does not fit
 * the form; -ENOMEM when there is no room.
 */
int unwind_slab_load_page(struct unwind_slab *s, uint32_t exe, uint32_t page);

/**
 * Store the mappings of a process.
 *
 * @mappings: executable ones, sorted by start, without overlap
 * @ret: what the unwinder gets; to be freed with unwind_slab_free_process() after it is no longer handed out
 *
 * Returns 0; -ENOMEM when there is no room; -E2BIG for more than 2 million.
 */
int unwind_slab_put_process(struct unwind_slab *s, const struct unwind_mapping *mappings,
			    uint32_t count, struct unwind_process *ret);

/** Free what unwind_slab_put_process() gave. */
void unwind_slab_free_process(struct unwind_slab *s, const struct unwind_process *p);

/** Counters and sizes. */
void unwind_slab_stats(const struct unwind_slab *s, struct unwind_slab_stats *ret);

#endif
