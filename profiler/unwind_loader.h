/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives the kernel's unwinder what it lacks, and unwinds in user space what it could not.
 *
 * A process becomes known to the kernel side with its first stash: its mappings are stored, kept up to date as
 * they change, and dropped when it ends. Tables of its executables are made in the background; their pages are
 * loaded as stacks touch them. A stash is unwound with the same tables and the same code.
 *
 * Thread rule: loop thread only, but for unwind_loader_table_facts().
 */
#ifndef HEARTH_PROFILER_UNWIND_LOADER_H
#define HEARTH_PROFILER_UNWIND_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/sample.h"
#include "profiler/bpf_side.h"
#include "profiler/process_table.h"
#include "profiler/table_builder.h"
#include "symbolizer/unwind_slab.h"

struct unwind_loader;

/** A stack as stack_table_add() takes it. */
struct unwound_stack {
	struct stack_record record;
	uint64_t frames[SAMPLE_FRAMES_MAX];
};

struct unwind_loader_stats {
	struct unwind_slab_stats slab;
	struct table_builder_stats tables;
	uint64_t processes;	    /* known to the kernel side now */
	uint64_t process_updates;   /* address spaces stored */
	uint64_t processes_refused; /* no room for their mappings */
	uint64_t table_file_bytes;  /* tables held in user space */
	uint64_t resets;	    /* times that everything was forgotten for want of room */
	uint64_t stashes[UNWIND_END_COUNT]; /* unwound here, by how that ended */
};

/** Start. @side: borrowed. @ret: owned by the caller, free with unwind_loader_destroy(). Returns 0; -ENOMEM; -errno. */
int unwind_loader_create(struct bpf_side *side, const struct table_builder_options *tables,
			 struct unwind_loader **ret);

/** Stop and free everything; before bpf_side_close(). NULL allowed. */
void unwind_loader_destroy(struct unwind_loader *l);

/** Take in the tables that are done. */
void unwind_loader_poll(struct unwind_loader *l);

/** Hand the kernel side what changed in the processes it knows. */
void unwind_loader_refresh(struct unwind_loader *l, struct process_table *processes);

/**
 * Unwind a stash and make its process known to the kernel side.
 *
 * @stash: as it came from the ring
 * @p: its process, in the state it had at the time of the sample
 * @wait: tables that are being made are waited for (by returning -EAGAIN); otherwise the stack ends there
 * @ret: the stack, its id filled in
 *
 * Returns 0; -EAGAIN: try again when more tables are done.
 */
int unwind_loader_unwind(struct unwind_loader *l, const struct stash_record *stash,
			 struct process *p, bool wait, struct unwound_stack *ret);

/** What is known about the table of an executable: see table_ledger_get(). Any thread. */
int unwind_loader_table_facts(struct unwind_loader *l, const struct build_id *id,
			      struct table_facts *ret);

/** Counters. */
void unwind_loader_stats(struct unwind_loader *l, struct unwind_loader_stats *ret);

#endif
