/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The samples of a segment: blocks of one or more windows, as columns in a pack (see segment_bytes.h).
 *
 * A window of detail keeps every sample: its CPU, its time, its series. Samples lie by CPU and then by time,
 * because a CPU is sampled at a fixed beat and tends to stay with its thread: the time is then nearly always "one
 * period later", the label set "the same".
 *
 *	0 heads		per window: kind, start, end relative to start (both ns), period in ns, samples, lost per cause
 *	1 cpus		per window: CPUs; for each: how far above the one before, samples
 *	2 ticks		per sample: periods since the one before on its CPU (since the window's start for the first)
 *	3 offsets	per sample: how far beside that moment it was, signed, in units of SEGMENT_TIME_UNIT_US
 *	4 labels	per sample: 0 = label set of the one before on its CPU, else 1 + id
 *	5 ranks		per sample: rank of its series among those of the label set
 *	6 weights	per sample: weight - 1; empty if all weights are 1
 *
 * A window of totals keeps how much of each series there was, by label set and rank:
 *
 *	0 heads		as above
 *	1 (empty)
 *	2 counts	per label set: how many of its series there are
 *	3 (empty)
 *	4 labels	per label set: how far above the one before
 *	5 ranks		per series: how far above the one before of the label set
 *	6 weights	per series: weight - 1
 *
 * Thread rule: pure functions of their arguments.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_BLOCK_H
#define HEARTH_SERVER_STORE_SEGMENT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "server/store/segment_dict.h"

#define SEGMENT_TIME_UNIT_US 1000u

enum segment_kind {
	SEGMENT_DETAIL, /* every sample with its time */
	SEGMENT_TOTALS, /* sums over the time of the window */
	SEGMENT_KIND_COUNT,
};

enum segment_block_column {
	BLOCK_HEADS,
	BLOCK_CPUS,
	BLOCK_TICKS,
	BLOCK_COUNTS = BLOCK_TICKS,
	BLOCK_OFFSETS,
	BLOCK_LABELS,
	BLOCK_RANKS,
	BLOCK_WEIGHTS,
	BLOCK_COLUMN_COUNT,
};

struct segment_sample {
	uint32_t series;
	uint32_t time_us; /* after the window's start; 0 in totals */
	uint32_t weight;
	uint16_t cpu; /* 0 in totals */
};

/** A window in terms of a dictionary. */
struct segment_window {
	enum segment_kind kind;
	uint64_t wall_start_ns;
	uint64_t wall_end_ns;
	uint64_t period_ns;
	uint64_t lost[LOST_REASON_COUNT];
	struct segment_sample *samples; /* by CPU and time; totals: by label set and rank */
	size_t sample_count;
};

/** Windows being written. A zeroed struct is ready. */
struct segment_block_writer {
	struct pack columns;
	bool has_weights;
};

/** Free what it holds; NULL allowed. */
void segment_block_writer_release(struct segment_block_writer *b);

DEFINE_CLEANUP(segment_block_writer_release, struct segment_block_writer *)

/**
 * Add a window; puts its samples into the order that is written.
 *
 * @w: totals name each series once
 */
void segment_block_add(struct segment_block_writer *b, const struct segment_dict *d,
		       struct segment_window *w);

/** Append the block and make the writer ready for the next. Returns 0; -ENOMEM; -EFBIG. */
int segment_block_finish(struct segment_block_writer *b, int level, struct buffer *out);

/** Windows being read, one by one. */
struct segment_block_reader {
	const struct segment_dict *dict; /* borrowed */
	bool without_times;
	struct pack columns;
	struct byte_reader readers[BLOCK_COLUMN_COUNT];
	struct segment_sample *samples; /* owned; of the window read last */
	size_t sample_capacity;
};

/**
 * Start reading a block.
 *
 * @d: borrowed while reading; holds all that came before the block
 * @without_times: all samples stand at the start of their window, and what says otherwise is not decompressed;
 *                 for blocks of detail only
 * @ret: on success release with segment_block_reader_release()
 *
 * Returns 0; -EBADMSG if the bytes are damaged; -ENOMEM.
 */
int segment_block_open(const struct segment_dict *d, const void *bytes, size_t length,
		       bool without_times, struct segment_block_reader *ret);

/** Free what it holds; NULL allowed. */
void segment_block_reader_release(struct segment_block_reader *r);

DEFINE_CLEANUP(segment_block_reader_release, struct segment_block_reader *)

/**
 * Read the next window.
 *
 * @ret: its samples are borrowed, valid until the next call
 *
 * Returns 0; -ENOENT after the last; -EBADMSG; -ENOMEM.
 */
int segment_block_next(struct segment_block_reader *r, struct segment_window *ret);

#endif
