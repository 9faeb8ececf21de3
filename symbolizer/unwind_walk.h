/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's unwinder in user space: the same code (bpf/unwind.h), the same tables, over memory that the
 * owner reads for it. Pages that are not loaded yet are loaded as it goes; where the slab has no room for them, rules
 * come from the table's file.
 *
 *	struct unwind_walk w = {.slab = slab, .read = read_stack, .arg = me};
 *	unwind_walk_begin(&w, &process, &start);
 *	do
 *		use(w.state.pc, w.state.exact);
 *	while (!(end = unwind_walk_step(&w)));
 *
 * Thread rule: the slab's.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_WALK_H
#define HEARTH_SYMBOLIZER_UNWIND_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/unwind_format.h"
#include "bpf/unwind_state.h"
#include "symbolizer/unwind_slab.h"

struct unwind_walk {
	struct unwind_slab *slab; /* borrowed */
	void *arg;
	/** Read the thread's memory. Returns 0; -EFAULT; -ENODATA where a copy of a stack ends too early. */
	int (*read)(void *arg, void *to, uint32_t bytes, uint64_t from);

	/*
	 * The mappings, in plain memory, sorted by start; NULL = those of the process given to unwind_walk_begin().
	 * For processes whose mappings did not fit into the slab.
	 */
	const struct unwind_mapping *mappings;
	uint32_t mapping_count;

	struct unwind_state state; /* the frame at hand: pc, exact, regs, mapping, rule */
	int read_error;		   /* of the last read */
};

/** Where a thread was. */
struct unwind_start {
	uint64_t pc;
	uint64_t regs[UNWIND_REGS]; /* by DWARF number */
	uint32_t known;		    /* bit per register with a value */
	bool exact; /* it was interrupted at pc; otherwise pc is where its system call returns to */
};

/** Start at a thread's registers. @process: its mappings, from unwind_slab_put_process(). */
void unwind_walk_begin(struct unwind_walk *w, const struct unwind_process *process,
		       const struct unwind_start *start);

/** Go to the caller. Returns UNWIND_END_NOT_YET with it in w->state, or how the stack ended. */
enum unwind_end unwind_walk_step(struct unwind_walk *w);

/** Whether a frame that executes at u->pc lies in an executable mapping; makes u->mapping cover it. */
bool unwind_walk_map(struct unwind_walk *w);

/** What an end means, for people and labels: "complete", "frame limit", "stack memory unreadable", ... */
const char *unwind_end_text(enum unwind_end end);

/** "complete", "truncated" or "failed"; misses count as failed. */
const char *unwind_end_verdict(enum unwind_end end);

#endif
