/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open window: takes binaries, frames, stacks, label sets and samples, stores equal ones once, and makes
 * frozen windows of them.
 *
 * Invariants: what struct window promises holds at any time; a refused addition changes nothing.
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_WINDOW_BUILDER_H
#define HEARTH_PROFILER_WINDOW_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "profiler/window.h"

/** The most that one window holds; 64 busy CPUs at 99 Hz make 63,360 samples in 10 s. */
struct window_limits {
	uint32_t samples;
	uint32_t stacks;
	uint32_t stack_frames;
	uint32_t frames;
	uint32_t label_sets;
	uint32_t binaries;
	size_t string_bytes;
};

extern const struct window_limits window_limits_default;

struct window_builder {
	struct window_limits limits;
	struct window w;   /* tables under construction; ref_count unused */
	uint64_t start_ns; /* monotonic */
	uint64_t serial;   /* counts windows: tells an old index from one of this window */
	size_t binary_capacity, frame_capacity, stack_frame_capacity, stack_capacity;
	size_t label_capacity, label_set_capacity, sample_capacity;
	struct idmap binary_ids, frame_ids, stack_ids, label_set_ids;
	bool append_only; /* whoever fills it knows that all is new: nothing is looked for */
};

/** Make @b ready for its first window. @limits: NULL = window_limits_default. */
void window_builder_init(struct window_builder *b, const struct window_limits *limits);

/** Free everything; NULL allowed. */
void window_builder_release(struct window_builder *b);

/**
 * Begin a new, empty window.
 *
 * @start_ns: monotonic time of its first sample at the earliest
 * @wall_start_ns: the same moment in Unix time
 */
void window_builder_open(struct window_builder *b, uint64_t start_ns, uint64_t wall_start_ns,
			 uint64_t period_ns);

/** Intern a string. Returns 0; -ENOSPC at the limit; -ENOMEM. */
int window_builder_string(struct window_builder *b, const char *text, uint32_t *ret);

/** Find or add a binary; takes a reference of its own. Returns 0; -ENOSPC; -ENOMEM. */
int window_builder_binary(struct window_builder *b, struct binary *binary, uint32_t *ret);

/** Find or add a frame whose indices are of this window. Returns 0; -ENOSPC; -ENOMEM. */
int window_builder_frame(struct window_builder *b, const struct window_frame *frame, uint32_t *ret);

/**
 * Find or add a stack.
 *
 * @frames: indices of frames, leaf first; at most UINT16_MAX
 *
 * Returns 0; -ENOSPC; -ENOMEM; -EINVAL if there are too many frames.
 */
int window_builder_stack(struct window_builder *b, const uint32_t *frames, size_t count,
			 enum stack_verdict verdict, uint32_t *ret);

/**
 * Find or add a set of labels.
 *
 * @labels: sorted here by the text of their names
 *
 * Returns 0; -ENOSPC; -ENOMEM.
 */
int window_builder_labels(struct window_builder *b, struct window_label *labels, size_t count,
			  uint32_t *ret);

/**
 * Add a sample, kept in order of time.
 *
 * @time_ns: monotonic; before the window's start it counts as the start
 * @sample: indices of this window; time_us is filled in here
 *
 * Returns 0; -ENOSPC; -ENOMEM.
 */
int window_builder_sample(struct window_builder *b, uint64_t time_ns,
			  const struct window_sample *sample);

/**
 * Hand out the window; the builder is empty afterwards, on failure too.
 *
 * @wall_end_ns: end in Unix time, exclusive
 * @ret: on success one reference, drop with window_unref()
 *
 * Returns 0; -ENOMEM.
 */
int window_builder_finish(struct window_builder *b, uint64_t wall_end_ns, struct window **ret);

/** As window_builder_finish(), but hands out a copy and goes on with the window. */
int window_builder_copy(const struct window_builder *b, uint64_t wall_end_ns, struct window **ret);

#endif
