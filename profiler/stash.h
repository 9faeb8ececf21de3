/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stash as something to unwind: its memory, and its verdict.
 *
 * Thread rule: none; no state outside the arguments.
 */
#ifndef HEARTH_PROFILER_STASH_H
#define HEARTH_PROFILER_STASH_H

#include <stdint.h>

#include "bpf/sample.h"
#include "profiler/mapping.h"

/** What can be read of the thread of a stash: the slice of its stack, and the files that it maps. */
struct stash_memory {
	const struct stash_record *stash; /* with its slice behind it; borrowed */
	const struct address_space *space;
};

/**
 * Read memory, for struct unwind_walk.
 *
 * @arg: const struct stash_memory
 *
 * Returns 0; -EFAULT; -ENODATA above the slice.
 */
int stash_read(void *arg, void *to, uint32_t bytes, uint64_t from);

/** Fill in the verdict on the user part of a stack that ended with @end. */
void stash_judge(struct stack_record *r, enum unwind_end end);

#endif
