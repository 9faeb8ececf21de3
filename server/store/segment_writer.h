/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment being written: takes windows, adds what is new in them to the dictionary, and writes a block for each.
 *
 * Invariants: the dictionary in memory is that of the file; after a failed write it no longer is, and the writer
 * is only good for closing: opening the segment again reads what is there.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_WRITER_H
#define HEARTH_SERVER_STORE_SEGMENT_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "profiler/window.h"
#include "server/store/segment_block.h"
#include "server/store/segment_file.h"

struct segment_writer;

/**
 * Open a segment to go on with it, or make it.
 *
 * @ret: on success owned by the caller, free with segment_writer_close()
 *
 * Returns as segment_file_open() and segment_dict_read().
 */
int segment_writer_open(const char *path, enum segment_kind kind, struct segment_writer **ret);

/**
 * Have a function asked before each block is added.
 *
 * @reserve: gets how many bytes the files may grow meanwhile; what it returns other than 0 fails the append
 * @settle: told the same number afterwards, whatever came of it
 */
void segment_writer_watch(struct segment_writer *w, int (*reserve)(void *arg, size_t bytes),
			  void (*settle)(void *arg, size_t bytes), void *arg);

/** Close; NULL allowed. */
void segment_writer_close(struct segment_writer *w);

DEFINE_CLEANUP(segment_writer_close, struct segment_writer *)

/** The part of a window's time that is meant. */
struct segment_span {
	uint64_t from_ns;
	uint64_t to_ns; /* exclusive */
};

/**
 * Write the samples of a window that lie in a span. The losses of the window go with its first sample's span.
 *
 * @span: NULL = all
 * @ret_row: what was written; windows is 0 if there was nothing to write
 *
 * Returns 0; -ENOSPC if the disk is full; -EFBIG if the window does not fit into any segment; -ENOMEM; others as
 * segment_file_append().
 */
int segment_writer_append(struct segment_writer *w, const struct window *window,
			  const struct segment_span *span, struct segment_row *ret_row);

/** Whether the dictionary has grown so far that the segment should end. */
bool segment_writer_is_large(const struct segment_writer *w);

#endif
