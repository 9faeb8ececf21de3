/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collecting the user part of a stack: one function, so that how it is done stays in this file.
 *
 * For now the kernel's frame-pointer walk. It cannot know whether it reached the outermost frame: code without
 * frame pointers ends it early or makes it skip callers, and it does not say so. Therefore UNWIND_COMPLETE means
 * only "the walk ended by itself".
 */
#ifndef HEARTH_BPF_USER_STACK_H
#define HEARTH_BPF_USER_STACK_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/kernel.h"
#include "bpf/sample.h"

/* kernel.perf_event_max_stack, at most SAMPLE_USER_FRAMES_MAX: where bpf_get_stack() stops. */
const volatile __u32 helper_frames_max = SAMPLE_USER_FRAMES_MAX;

/* The kernel has bpf_task_pt_regs() and bpf_get_current_task_btf() (5.15). */
const volatile bool has_task_pt_regs = true;

struct user_stack {
	__u32 count;  /* frames written, at most SAMPLE_USER_FRAMES_MAX */
	__u8 verdict; /* enum unwind_verdict */
	__u8 reason;  /* enum unwind_reason */
};

/*
 * Whether the thread's user pc is where it was interrupted (true) or the return address of its system call.
 * Before 5.15 nobody tells: exact is right for all but code that starts right behind a syscall instruction.
 */
static __always_inline bool user_pc_is_exact(bool in_user_mode)
{
	if (in_user_mode || !has_task_pt_regs)
		return true;

	struct pt_regs___kernel *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

#if defined(__TARGET_ARCH_x86)
	return (long)BPF_CORE_READ(regs, orig_ax) == -1;
#else
	return BPF_CORE_READ(regs, syscallno) == -1;
#endif
}

/*
 * Collect the user stack of the current thread, which has user memory.
 *
 * frames: room for SAMPLE_USER_FRAMES_MAX; filled leaf first, SAMPLE_FRAME_EXACT set where it holds
 */
static __always_inline void user_stack_collect(struct bpf_perf_event_data *ctx, bool in_user_mode,
					       __u64 *frames, struct user_stack *ret)
{
	long bytes = bpf_get_stack(ctx, frames, SAMPLE_USER_FRAMES_MAX * sizeof(frames[0]),
				   BPF_F_USER_STACK);

	ret->count = 0;
	ret->verdict = UNWIND_FAILED;
	ret->reason = UNWIND_REASON_HELPER;
	if (bytes < (long)sizeof(frames[0]))
		return;

	__u64 count = (__u64)bytes / sizeof(frames[0]);
	ret->count = count > SAMPLE_USER_FRAMES_MAX ? SAMPLE_USER_FRAMES_MAX : count;
	ret->verdict = UNWIND_COMPLETE;
	ret->reason = UNWIND_REASON_NONE;
	if (ret->count >= helper_frames_max) {
		ret->verdict = UNWIND_TRUNCATED;
		ret->reason = UNWIND_REASON_FRAME_LIMIT;
	}
	if (user_pc_is_exact(in_user_mode))
		frames[0] |= SAMPLE_FRAME_EXACT;
}

#endif
