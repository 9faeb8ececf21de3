/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment being read: its open file and as much of its dictionary as was needed so far. A segment that is still
 * being written can be read as well; what was added since is read when it is asked for.
 *
 * Thread rule: one thread at a time; the caller locks.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_READER_H
#define HEARTH_SERVER_STORE_SEGMENT_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "server/store/segment_block.h"
#include "server/store/segment_file.h"

struct segment_reader;

/** Open a segment. Returns as segment_file_open(). @ret: owned by the caller, free with segment_reader_close(). */
int segment_reader_open(const char *path, struct segment_reader **ret);

/** Close; NULL allowed. */
void segment_reader_close(struct segment_reader *r);

DEFINE_CLEANUP(segment_reader_close, struct segment_reader *)

/** Whether the segment is sealed; see segment_seal.h. */
bool segment_reader_is_sealed(const struct segment_reader *r);

/** Heads of all blocks, as segment_file_rows(). */
int segment_reader_rows(struct segment_reader *r, struct segment_row **ret, size_t *ret_count);

/**
 * The dictionary with everything up to a block.
 *
 * @id: of the block
 * @ret: borrowed, valid until the next call
 *
 * Returns 0; -EBADMSG if the file is damaged; -ENOMEM; others as segment_file_fetch().
 */
int segment_reader_dict(struct segment_reader *r, int64_t id, const struct segment_dict **ret);

/**
 * Start reading a block whose dictionary was read.
 *
 * @without_times: as for segment_block_open()
 * @ret: on success release with segment_block_reader_release(); borrows the dictionary
 *
 * Returns as segment_reader_dict().
 */
int segment_reader_block(struct segment_reader *r, int64_t id, bool without_times,
			 struct segment_block_reader *ret);

/** Bytes of memory it holds. */
size_t segment_reader_bytes(const struct segment_reader *r);

#endif
