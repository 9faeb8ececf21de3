/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a sample, its raw stack and its process to a sample of the open window.
 *
 * Addresses become (binary, address in the binary) through the mappings of the process as they were at the time
 * of the sample. What was resolved is remembered with the raw stack, so that the next sample of an unchanged
 * process costs two look-ups.
 *
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_RESOLVER_H
#define HEARTH_PROFILER_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "bpf/sample.h"
#include "profiler/kernel_names.h"
#include "profiler/process_table.h"
#include "profiler/stack_table.h"
#include "profiler/window_builder.h"

/** Which labels a thread got in the open window. */
struct known_labels {
	uint64_t process_serial;
	uint32_t tid;
	uint32_t label_set;
	char thread_comm[SAMPLE_COMM_BYTES];
	char process_comm[SAMPLE_COMM_BYTES];
};

struct static_labels;

struct resolver {
	struct window_builder *builder; /* all borrowed */
	struct process_table *processes;
	struct binary_cache *binaries;
	struct kernel_names *kernel_names;

	const struct static_labels
		*static_labels; /* borrowed; NULL = none; changes between windows only */

	struct known_labels *labels; /* of the window with serial labels_window */
	size_t label_count, label_capacity;
	struct idmap label_ids;
	uint64_t labels_window;

	struct jit_account jit;
	uint64_t unmapped_frames; /* addresses outside of all executable mappings */
};

/** Free what the resolver itself holds; NULL allowed. */
void resolver_release(struct resolver *r);

/**
 * Add a sample to the open window.
 *
 * @table: the stacks of its epoch
 * @p: its process, in the state it had at the time of the sample
 * @ret_verdict: on success the verdict of its stack
 *
 * Returns 0; -ENOENT if its stack is not in the table; -ENOSPC if the window is full; -ENOMEM.
 */
int resolver_add(struct resolver *r, const struct sample_record *sample, struct stack_table *table,
		 struct process *p, enum stack_verdict *ret_verdict);

#endif
