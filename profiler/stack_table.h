/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks of one epoch, as the kernel side sent them.
 *
 * Invariants: ids are unique; entries and frames never move in meaning until stack_table_reset(), but pointers are
 * borrowed until the next addition only.
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_STACK_TABLE_H
#define HEARTH_PROFILER_STACK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "bpf/sample.h"

#define STACK_TABLE_STACKS_MAX (1u << 17)
#define STACK_TABLE_FRAMES_MAX (1u << 22)

struct raw_stack {
	struct stack_record record;
	size_t first_frame; /* index of the first kernel frame; user frames follow */

	/* Where the stack went when it was last resolved: valid for this state of this address space. */
	uint64_t resolved_generation;
	uint64_t resolved_from_ns, resolved_until_ns;
	/* times of samples for which that holds */ /* 0 = never */
	uint64_t resolved_window; /* serial of the window that resolved_stack belongs to */
	uint32_t resolved_stack;
};

struct stack_table {
	uint32_t epoch;
	struct raw_stack *stacks;
	size_t count, capacity;
	uint64_t *frames;
	size_t frame_count, frame_capacity;
	struct idmap ids;
};

/** Free what @t holds; NULL allowed. A zeroed struct is an empty table of epoch 0. */
void stack_table_release(struct stack_table *t);

/** Forget all stacks and start with another epoch; keeps the memory. */
void stack_table_reset(struct stack_table *t, uint32_t epoch);

/**
 * Take a stack in.
 *
 * @record: as it came from the ring, of @size bytes
 *
 * Returns 0 (known ones are ignored); -EBADMSG if the sizes contradict each other; -ENOSPC at a limit; -ENOMEM.
 */
int stack_table_add(struct stack_table *t, const struct stack_record *record, size_t size);

/** Find a stack; borrowed until the next addition; NULL if it is not there. */
struct raw_stack *stack_table_find(struct stack_table *t, uint64_t id);

#endif
