/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collecting the user part of a stack, by unwind tables (bpf/unwind.h) or, without them, by the kernel's walk along
 * frame pointers. That walk cannot know whether it reached the outermost frame: code without frame pointers ends it
 * early or makes it skip callers, and it does not say so. There UNWIND_COMPLETE means only "the walk ended by itself".
 */
#ifndef HEARTH_BPF_USER_STACK_H
#define HEARTH_BPF_USER_STACK_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/kernel.h"
#include "bpf/sample.h"
#include "bpf/unwind_state.h"

/* --- configuration, set before load ----------------------------------------------------------- */

/* kernel.perf_event_max_stack, at most SAMPLE_HELPER_FRAMES_MAX: where bpf_get_stack() stops. */
const volatile __u32 helper_frames_max = SAMPLE_HELPER_FRAMES_MAX;

/* The kernel has bpf_task_pt_regs() and bpf_get_current_task_btf() (5.15). */
const volatile bool has_task_pt_regs = true;

/* Unwind by tables; otherwise by frame pointers. */
const volatile bool has_unwind_tables = false;

/* --- what unwinding works on ------------------------------------------------------------------- */

struct user_stack {
	__u32 count;  /* frames written, at most SAMPLE_USER_FRAMES_MAX */
	__u8 verdict; /* enum unwind_verdict */
	__u8 reason;  /* enum unwind_reason */
	__u8 exact;   /* the leaf is where the thread was interrupted */
	__u8 end;     /* enum unwind_end; UNWIND_END_NOT_YET without tables */
};

/* Part of the per-CPU scratch. */
struct user_unwind {
	struct unwind_state state;
	__u32 first; /* index of the first user frame */
	__u32 count;
	struct pt_regs entry; /* registers the thread entered the kernel with */
	__u8 in_exec;	      /* the thread is inside execve() */
	__u64 regs[STASH_REGS];
};

struct unwind_chunk_template {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, UNWIND_CHUNK_BYTES);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* chunks there may be, set before load */
	__type(key, __u32);
	__array(values, struct unwind_chunk_template);
} unwind_chunks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* processes there may be, set before load */
	__type(key, __u32);	/* tgid */
	__type(value, struct unwind_process_entry);
} unwind_processes SEC(".maps");

static __always_inline const void *unwind_chunk(struct unwind_state *u, __u32 index)
{
	__u32 zero = 0;
	void *chunk = bpf_map_lookup_elem(&unwind_chunks, &index);

	(void)u;
	if (!chunk)
		return NULL;
	return bpf_map_lookup_elem(chunk, &zero);
}

static __always_inline int unwind_read(struct unwind_state *u, void *to, __u32 bytes, __u64 from)
{
	(void)u;
	return bpf_probe_read_user(to, bytes, (void *)from) ? -1 : 0;
}

static __always_inline int unwind_know_mapping(struct unwind_state *u, __u64 addr)
{
	(void)u;
	(void)addr;
	return -1;
}

#include "bpf/unwind.h"

/* --- registers --------------------------------------------------------------------------------- */

/*
 * Whether the thread's user pc is where it was interrupted (true) or the return address of its system call.
 * Before 5.15 nobody tells without tables: exact is right for all but code that starts right behind a syscall
 * instruction.
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

#if defined(__TARGET_ARCH_x86)

#define KERNEL_STACK_BYTES (16u << 10) /* THREAD_SIZE without KASAN */
#define USER32_CS	   0x23
#define SYSCALL_EXECVE	   59
#define SYSCALL_EXECVEAT   322
#define ERROR_ENOSYS	   (-38) /* in RAX from the entry of a system call to its end */

/* Registers by DWARF number. */
#define COPY_REGS(to, from)             \
	do {                            \
		(to)[0] = (from)->rax;  \
		(to)[1] = (from)->rdx;  \
		(to)[2] = (from)->rcx;  \
		(to)[3] = (from)->rbx;  \
		(to)[4] = (from)->rsi;  \
		(to)[5] = (from)->rdi;  \
		(to)[6] = (from)->rbp;  \
		(to)[7] = (from)->rsp;  \
		(to)[8] = (from)->r8;   \
		(to)[9] = (from)->r9;   \
		(to)[10] = (from)->r10; \
		(to)[11] = (from)->r11; \
		(to)[12] = (from)->r12; \
		(to)[13] = (from)->r13; \
		(to)[14] = (from)->r14; \
		(to)[15] = (from)->r15; \
		(to)[16] = (from)->rip; \
	} while (0)

/* The thread's user registers into w->regs. Returns UNWIND_END_NOT_YET, or why it cannot be unwound. */
static __always_inline enum unwind_end read_user_regs(struct bpf_perf_event_data *ctx,
						      bool in_user_mode, struct user_unwind *w,
						      __u8 *ret_exact)
{
	__u64 cs;

	*ret_exact = true;
	w->in_exec = false;
	if (in_user_mode) {
		COPY_REGS(w->regs, &ctx->regs);
		cs = ctx->regs.cs;
		/* Or the compiler makes one load of both, from a pointer that the verifier refuses. */
		__asm__ volatile("" : "+r"(cs));
	} else {
		const void *entry;

		if (has_task_pt_regs) {
			entry = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
		} else {
			struct task_struct *task = (void *)bpf_get_current_task();

			entry = (char *)BPF_CORE_READ(task, stack) + KERNEL_STACK_BYTES -
				sizeof(w->entry);
		}
		if (bpf_probe_read_kernel(&w->entry, sizeof(w->entry), entry))
			return UNWIND_END_FAIL_READ;
		COPY_REGS(w->regs, &w->entry);
		cs = w->entry.cs;
		*ret_exact = (long)w->entry.orig_rax == -1;
		w->in_exec = w->entry.orig_rax == SYSCALL_EXECVE ||
			     w->entry.orig_rax == SYSCALL_EXECVEAT;
		/* The new program's registers are in place: it will start at its pc, not return to it. */
		if (w->in_exec && (long)w->entry.rax != ERROR_ENOSYS)
			*ret_exact = true;
	}
	if (cs == USER32_CS)
		return UNWIND_END_FAIL_COMPAT;
	return (cs & 3) == 3 ? UNWIND_END_NOT_YET : UNWIND_END_FAIL_READ;
}

#else
#error "write read_user_regs() for this architecture"
#endif

/*
 * Whether the thread has no user stack: inside execve(), between the end of the old address space and the start of the new
 * program. Its registers are the old ones and point to nothing; the kernel's frames are all there is.
 */
static __always_inline bool is_between_programs(struct user_unwind *w)
{
	return w->in_exec &&
	       bpf_probe_read_user(&w->state.scratch[0], 8, (void *)w->regs[UNWIND_SP]);
}

/* --- by tables --------------------------------------------------------------------------------- */

/*
 * Start at the thread's registers.
 *
 * Returns UNWIND_END_NOT_YET; UNWIND_END_MISS_PROCESS if its mappings are not known; another reason why not.
 */
static __always_inline enum unwind_end begin_unwind(struct user_unwind *w, __u32 tgid,
						    __u64 start_boottime_ns, __u8 exact)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct unwind_process_entry *entry = bpf_map_lookup_elem(&unwind_processes, &tgid);
	struct unwind_state *u = &w->state;

	if (!entry || entry->start_boottime_ns != start_boottime_ns ||
	    entry->exec_id != BPF_CORE_READ(task, self_exec_id))
		return UNWIND_END_MISS_PROCESS;

	u->process = entry->process;
	u->mapping.start = u->mapping.end = 0;
	u->pc = w->regs[UNWIND_RA];
	for (int i = 0; i < UNWIND_RA; i++)
		u->regs[i] = w->regs[i];
	u->known = UNWIND_KNOWN_ALL;
	u->base_at = 0;
	u->exact = exact;
	u->leaf = 1;
	u->end = UNWIND_END_NOT_YET;
	return UNWIND_END_NOT_YET;
}

/* Note the frame at hand, then go to its caller. Returns whether the stack has ended; w->state.end says how. */
static __always_inline bool unwind_frame(struct user_unwind *w, __u64 *frames)
{
	struct unwind_state *u = &w->state;
	__u32 at = w->first + w->count;

	/* A caller outside of all code was never one. */
	if (w->count && !unwind_find_mapping(u, unwind_lookup_pc(u))) {
		u->end = UNWIND_END_FAIL_MAPPING;
		return true;
	}
	if (w->count >= SAMPLE_USER_FRAMES_MAX || at >= SAMPLE_FRAMES_MAX) {
		u->end = UNWIND_END_TRUNC_FRAMES;
		return true;
	}
	frames[at] = u->pc | (u->exact ? SAMPLE_FRAME_EXACT : 0);
	w->count++;
	return unwind_step(u) != UNWIND_END_NOT_YET;
}

/* What the verdict of a stack is that ended this way. */
static __always_inline void judge_end(enum unwind_end end, struct user_stack *ret)
{
	ret->end = end;
	ret->reason = UNWIND_REASON_TABLES + end;
	if (end == UNWIND_END_COMPLETE) {
		ret->verdict = UNWIND_COMPLETE;
		ret->reason = UNWIND_REASON_NONE;
	} else if (end == UNWIND_END_TRUNC_FRAMES) {
		ret->verdict = UNWIND_TRUNCATED;
		ret->reason = UNWIND_REASON_FRAME_LIMIT;
	} else {
		ret->verdict = UNWIND_FAILED;
	}
}

/* Whether user space can do better with a copy of the stack. */
static __always_inline bool wants_stash(enum unwind_end end)
{
	return end == UNWIND_END_MISS_PROCESS || end == UNWIND_END_MISS_TABLE ||
	       end == UNWIND_END_MISS_PAGE || end == UNWIND_END_FAIL_MAPPING ||
	       end == UNWIND_END_FAIL_EXPRESSION || end == UNWIND_END_FAIL_REGISTER;
}

/* --- by frame pointers --------------------------------------------------------------------------- */

/*
 * Collect the user stack of the current thread, which has user memory.
 *
 * frames: room for SAMPLE_HELPER_FRAMES_MAX; filled leaf first, SAMPLE_FRAME_EXACT set where it holds
 */
static __always_inline void collect_by_frame_pointers(struct bpf_perf_event_data *ctx,
						      bool in_user_mode, __u64 *frames,
						      struct user_stack *ret)
{
	long bytes = bpf_get_stack(ctx, frames, SAMPLE_HELPER_FRAMES_MAX * sizeof(frames[0]),
				   BPF_F_USER_STACK);

	ret->count = 0;
	ret->verdict = UNWIND_FAILED;
	ret->reason = UNWIND_REASON_HELPER;
	if (bytes < (long)sizeof(frames[0]))
		return;

	__u64 count = (__u64)bytes / sizeof(frames[0]);
	ret->count = count > SAMPLE_HELPER_FRAMES_MAX ? SAMPLE_HELPER_FRAMES_MAX : count;
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
