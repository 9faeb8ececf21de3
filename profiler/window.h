/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window: the samples of some seconds of the whole machine, frozen.
 *
 * It is the one thing that crosses from the profiler to the server. Samples refer by index into the window's own
 * tables (strings, binaries, frames, stacks, label sets), so that equal things are stored once and a window can
 * be merged, written or sent without its process table.
 *
 *	sample -> stack  -> stack_frames[first .. first+count) -> frames -> binaries, strings
 *	       -> labels -> label_pairs[first .. first+count)  -> strings
 *
 * Invariants: immutable after the profiler froze it; every index is in range; stack_frames run from leaf to root;
 * samples are in the order of their time; frame, stack, and label set tables have no duplicates.
 * Thread rule: any thread may read, ref and unref.
 */
#ifndef HEARTH_PROFILER_WINDOW_H
#define HEARTH_PROFILER_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/strpool.h"
#include "symbolizer/binary.h"

enum frame_flags {
	FRAME_KERNEL = 1u << 0, /* ran in the kernel */
	FRAME_JIT = 1u << 1,	/* code without a file */
	FRAME_MARKER =
		1u << 2, /* no code: a notice that the stack is incomplete; `name` says why */
};

/** A place in code. */
struct window_frame {
	uint64_t addr; /* to look up: exact for a leaf or an interrupted frame, PC-1 for a caller */
	uint32_t binary; /* index into binaries */
	uint32_t name;	 /* string id of a name fixed while sampling; 0 = by the binary's symbols */
	uint32_t flags;	 /* enum frame_flags */
};

enum stack_verdict {
	STACK_COMPLETE,	 /* unwound to its outermost frame */
	STACK_TRUNCATED, /* a limit ended it */
	STACK_FAILED,	 /* unwinding could not go on; the frames so far are right */
	STACK_VERDICT_COUNT,
};

struct window_stack {
	uint32_t first; /* index of the leaf in stack_frames */
	uint16_t count; /* frames */
	uint8_t verdict;
	uint8_t reserved;
};

/** A label: ids of its name and value in the strings. */
struct window_label {
	uint32_t name;
	uint32_t value;
};

/** A set of labels, sorted by the text of their names. */
struct window_label_set {
	uint32_t first;
	uint32_t count;
};

struct window_sample {
	uint32_t time_us; /* microseconds after wall_start_ns */
	uint32_t stack;
	uint32_t labels;
	uint16_t weight; /* periods this sample stands for; 1 unless sampling was thinned */
	uint16_t cpu;
};

enum lost_reason {
	LOST_RING_FULL,	  /* a ring buffer had no room */
	LOST_STACK_TABLE, /* no room to remember a stack */
	LOST_WINDOW_FULL, /* the window's own limit on samples, stacks or strings */
	LOST_NO_MEMORY,	  /* user space could not allocate */
	LOST_LATE,	  /* arrived after its stack was forgotten */
	LOST_REASON_COUNT,
};

struct window {
	uint64_t wall_start_ns;
	uint64_t wall_end_ns; /* exclusive */
	uint64_t period_ns;   /* CPU time one unit of weight stands for */

	struct strpool strings;

	struct binary **binaries; /* one reference each */
	uint32_t binary_count;

	struct window_frame *frames;
	uint32_t frame_count;

	uint32_t *stack_frames; /* indices into frames */
	uint32_t stack_frame_count;
	struct window_stack *stacks;
	uint32_t stack_count;

	struct window_label *labels;
	uint32_t label_count;
	struct window_label_set *label_sets;
	uint32_t label_set_count;

	struct window_sample *samples;
	uint32_t sample_count;

	uint64_t lost[LOST_REASON_COUNT]; /* samples lost in this window, per cause */

	uint32_t ref_count; /* atomic; only window_ref() and window_unref() touch it */
};

/** Take another reference. Returns @w. */
struct window *window_ref(struct window *w);

/** Drop a reference; the last one frees everything. NULL allowed. */
void window_unref(struct window *w);

/** Bytes of memory the window holds. */
size_t window_bytes(const struct window *w);

#endif
