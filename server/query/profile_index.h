/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to profile.c and profile_symbolize.c: what a profile needs while it grows.
 */
#ifndef HEARTH_SERVER_QUERY_PROFILE_INDEX_H
#define HEARTH_SERVER_QUERY_PROFILE_INDEX_H

#include "base/idmap.h"
#include "server/query/profile.h"

/* Look-ups by content, and the capacities of the profile's arrays. */
struct profile_index {
	struct idmap binaries;
	struct idmap frames;
	struct idmap stacks;
	struct idmap label_sets;
	struct idmap samples;
	struct idmap functions;

	size_t binary_capacity;
	size_t frame_capacity;
	size_t stack_frame_capacity;
	size_t stack_capacity;
	size_t label_pair_capacity;
	size_t label_set_capacity;
	size_t sample_capacity;
	size_t function_capacity;
	size_t line_capacity;

	char **keep; /* owned; names of the labels to keep */
	size_t keep_count;
	bool keep_all;
	size_t limit_bytes;
};

/** Check the memory limit. Returns 0; -EFBIG. */
int profile_check_limit(const struct profile *p);

#endif
