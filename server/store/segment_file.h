/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment's file: a SQLite database with one table.
 *
 *	PRAGMA application_id	SEGMENT_APPLICATION_ID
 *	PRAGMA user_version	SEGMENT_FORMAT_VERSION; a file of another version is left alone
 *	block(id, start_ns, end_ns, windows, samples, names, data)
 *		id		counts up from 1; blocks are only ever added
 *		start_ns, end_ns	time its windows cover, Unix time, end exclusive
 *		windows, samples	how many are in it
 *		names		what the block adds to the dictionary (see segment_dict.h); NULL = nothing
 *		data		its samples (see segment_block.h); NULL = only names
 *
 * A block is one row and one transaction, so that a crash leaves whole blocks. The rollback journal is truncated
 * and not a write-ahead log: each byte is written once, the file is whole by itself at any moment between two
 * blocks, and there is nothing beside it whose size would have to be guessed.
 *
 * Thread rule: one thread at a time per open file; different threads may have the same file open.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_FILE_H
#define HEARTH_SERVER_STORE_SEGMENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"

#define SEGMENT_APPLICATION_ID 0x48524853 /* "HRHS" */
#define SEGMENT_FORMAT_VERSION 1
#define SEGMENT_FORMAT_SEALED  257 /* version 1, and sealed */

struct segment_file;

/** Head of a block. */
struct segment_row {
	int64_t id;
	uint64_t start_ns;
	uint64_t end_ns;
	uint32_t windows;
	uint32_t samples;
	bool hidden; /* for whoever keeps rows in memory; not in the file */
};

enum segment_open_mode {
	SEGMENT_READ,
	SEGMENT_WRITE,	/* the file must be there */
	SEGMENT_CREATE, /* made if it is not there */
};

/**
 * Open a segment's file.
 *
 * @ret: on success owned by the caller, free with segment_file_close()
 *
 * Returns 0; -ENOENT; -EBADMSG if it is no segment or damaged; -ENOTSUP if another version of Hearth made it;
 * -ENOSPC; -EACCES; -EBUSY; -EIO; -ENOMEM.
 */
int segment_file_open(const char *path, enum segment_open_mode mode, struct segment_file **ret);

/** Close; NULL allowed. */
void segment_file_close(struct segment_file *f);

DEFINE_CLEANUP(segment_file_close, struct segment_file *)

/**
 * Add a block; it is on disk when this returns 0, but for what stands at segment_file_begin().
 *
 * @row: id is set here
 * @names, @data: may be empty
 *
 * Returns as segment_file_open(). After a failure nothing was added.
 */
int segment_file_append(struct segment_file *f, struct segment_row *row, const struct buffer *names,
			const struct buffer *data);

/**
 * Have the blocks that are added from now on appear all together, and be on disk, when segment_file_commit() returns 0;
 * without it none of them is.
 */
int segment_file_begin(struct segment_file *f);

/** See segment_file_begin(). */
int segment_file_commit(struct segment_file *f);

/** Mark the file as sealed: it is not written to any more; see segment_seal.h. */
int segment_file_seal(struct segment_file *f);

/** Whether it was marked. */
bool segment_file_is_sealed(const struct segment_file *f);

/**
 * Heads of the blocks behind @after, in the order of their ids.
 *
 * @ret: on success owned by the caller, free with free()
 */
int segment_file_rows(struct segment_file *f, int64_t after, struct segment_row **ret,
		      size_t *ret_count);

/** Which of a block's columns. */
enum segment_column { SEGMENT_NAMES, SEGMENT_DATA };

/** Append the bytes of a block's column to @out. Returns 0; -ENOENT; others as segment_file_open(). */
int segment_file_fetch(struct segment_file *f, int64_t id, enum segment_column column,
		       struct buffer *out);

#endif
