/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dictionary of a segment: every string, binary, frame, stack and label set of it once, and the series: the
 * pairs of a label set and a stack that samples were seen with.
 *
 * A dictionary only grows, so a block of a segment carries what it adds, and reading the blocks in order makes the
 * same ids again. Samples name a series by its label set and its rank there, the order in which the label set met
 * its stacks: a thread has few stacks, so ranks are small numbers.
 *
 * An addition is a pack of eight columns (see segment_bytes.h):
 *
 *	0 strings	each with a NUL behind it
 *	1 binaries	kind, 1 if the file carries its build id, path, build id, segments: count, then offset, vaddr,
 *			file bytes, memory bytes, executable for each
 *	2 frames	binary, flags
 *	3 addresses	of the frames, signed, relative to the frame before of the same binary
 *	4 names		of the frames: 0 = by binary, else 1 + the signed distance from the highest name so far
 *	5 stacks	verdict, frames, how many of them from the root are those of the stack before, then the others
 *			from root to leaf, each as how far below the next new frame (0 = that one)
 *	6 label sets	labels, then for each name and value: 0 = that of the set before at the same place, else 1 + id
 *	7 series	label set, signed, relative to the series before; stack as how far below the next new stack
 *
 * "Before" and "so far" begin anew with each addition; ids that an addition does not make itself count as so far.
 *
 * Invariants: no duplicates; every id is in range, whatever the bytes said.
 * Thread rule: one writer and no reader at a time, or readers only.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_DICT_H
#define HEARTH_SERVER_STORE_SEGMENT_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/idmap.h"
#include "profiler/window_builder.h"
#include "server/store/segment_bytes.h"

#define SEGMENT_BINARY_SEGMENTS_MAX 256 /* PT_LOADs kept of a binary */

#define SEGMENT_LABELS_MAX	    1024 /* of one set */

enum segment_dict_column {
	DICT_STRINGS,
	DICT_BINARIES,
	DICT_FRAMES,
	DICT_ADDRESSES,
	DICT_NAMES,
	DICT_STACKS,
	DICT_LABEL_SETS,
	DICT_SERIES,
	DICT_COLUMN_COUNT,
};

struct segment_series {
	uint32_t labels; /* label set */
	uint32_t stack;
	uint32_t rank; /* position among the series of its label set */
};

/** The series of one label set, by rank. */
struct series_list {
	uint32_t *series; /* owned */
	size_t count;
	size_t capacity;
};

/** How much of a dictionary somebody has seen. */
struct segment_dict_mark {
	uint32_t strings;
	uint32_t binaries;
	uint32_t frames;
	uint32_t stacks;
	uint32_t label_sets;
	uint32_t series;
};

struct segment_dict {
	struct window_builder tables; /* its window holds the tables; it never has samples */
	struct idmap binary_ids;      /* by identity, where the tables go by pointer */
	struct segment_series *series;
	struct idmap series_ids;
	struct series_list *lists; /* one per label set */
	size_t series_count, series_capacity, list_count, list_capacity;
};

/** Make an empty dictionary. */
void segment_dict_init(struct segment_dict *d);

/** Make an empty dictionary that is only read into: without indices it takes half the time and memory. */
void segment_dict_init_reading(struct segment_dict *d);

/** Free what it holds and leave it empty, ready to be written to; NULL allowed. */
void segment_dict_release(struct segment_dict *d);

DEFINE_CLEANUP(segment_dict_release, struct segment_dict *)

/** Everything that is in it now. */
struct segment_dict_mark segment_dict_mark(const struct segment_dict *d);

/** Whether it has grown so far that its segment should end. */
bool segment_dict_is_large(const struct segment_dict *d);

/** Bytes of memory it holds. */
size_t segment_dict_bytes(const struct segment_dict *d);

/** Find or add a binary by what it is, not by where it lies in memory. Returns 0; -ENOSPC; -ENOMEM. */
int segment_dict_binary(struct segment_dict *d, struct binary *b, uint32_t *ret);

/** Find or add a series. Returns 0; -ENOSPC; -ENOMEM. */
int segment_dict_series(struct segment_dict *d, uint32_t labels, uint32_t stack, uint32_t *ret);

/** Append what was added since a mark, as a pack. Returns 0; -ENOMEM; -EFBIG. */
int segment_dict_write(const struct segment_dict *d, const struct segment_dict_mark *since,
		       int level, struct buffer *out);

/**
 * Take in what segment_dict_write() wrote.
 *
 * Returns 0; -EBADMSG if the bytes are damaged or do not follow on this dictionary; -ENOMEM. After a failure the
 * dictionary is only good for release.
 */
int segment_dict_read(struct segment_dict *d, const void *bytes, size_t length);

#endif
