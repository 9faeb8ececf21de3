/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unwinder knows of the frame it is at. Apart from its code, so that user space can look into it.
 */
#ifndef HEARTH_BPF_UNWIND_STATE_H
#define HEARTH_BPF_UNWIND_STATE_H

#include "bpf/unwind_format.h"

#define UNWIND_REGS 32 /* DWARF numbers below this can be known */

/** Where an unwinder is: one frame of a thread. Zeroed before use; lives in per-CPU memory, not on the BPF stack. */
struct unwind_state {
	__u64 pc;
	__u64 regs[UNWIND_REGS]; /* by DWARF number */
	__u32 known;		 /* bit per register whose value is known */
	__u8 exact; /* pc is where the frame is; otherwise a return address, which may lie behind its function */
	__u8 leaf; /* nothing was called from this frame: interrupted, or in a system call */
	__u8 end;  /* enum unwind_end */
	__u8 by_frame_pointer; /* the last step had no row and went by frame pointer */
	__u64 base_at; /* where the base register is saved (see UNWIND_RULE_BASE); 0 = it is in regs */
	struct unwind_process process;
	struct unwind_mapping mapping; /* covers the frame, or the one before; end = 0: none yet */
	struct unwind_rule rule;       /* of the frame */
	__u64 scratch[18];
	__u32 result;	 /* of a search, see above */
	__u32 miss_page; /* UNWIND_END_MISS_PAGE: which page of mapping.exe */
};

#endif
