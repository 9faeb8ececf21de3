/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sending a thread's registers and a slice of its stack to user space, for stacks that cannot be unwound here yet.
 */
#ifndef HEARTH_BPF_STASH_H
#define HEARTH_BPF_STASH_H

#include "bpf/user_stack.h"

#define STASH_PAGE_BYTES 4096

/* Bytes of stashes that a CPU may send in a second, and so may a process on all of them; set before load. */
const volatile __u64 stash_bytes_per_second = 4 << 20;

/*
 * What processes have sent, direct-mapped by tgid. Two that share a slot push each other out and are held by the limit
 * of their CPUs only; updates of several CPUs may be lost. A limit need not be exact.
 */
#define STASH_SLOTS (1u << 10)
volatile __u64 stash_owners[STASH_SLOTS] = {};	    /* second << 32 | tgid */
volatile __u64 stash_owner_bytes[STASH_SLOTS] = {}; /* in that second */

/* A stash is put together here, one a CPU. It is too large for a per-CPU map. */
struct stash_buffer {
	struct stash_record record;
	__u8 stack[STASH_STACK_BYTES]; /* right behind the record, as it is sent */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* possible CPUs, set before load */
	__type(key, __u32);
	__type(value, struct stash_buffer);
} stash_buffers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before load */
} stash_ring SEC(".maps");

/* What a stash is made of: parts of the caller's scratch. */
struct stash_source {
	const struct sample_record *sample;
	const struct stack_record *stack; /* its kernel part and epoch */
	const __u64 *frames;		  /* kernel frames first */
	const struct user_unwind *unwind;
};

/* Copy the stack from its pointer on, page by page, up to where it cannot be read. Returns the bytes. */
static __always_inline __u32 copy_stack(struct stash_buffer *b, __u64 sp)
{
	__u32 done = 0;

	for (__u32 i = 0; i <= STASH_STACK_BYTES / STASH_PAGE_BYTES; i++) {
		__u32 part = STASH_PAGE_BYTES - (sp & (STASH_PAGE_BYTES - 1));

		if (done > STASH_STACK_BYTES - STASH_PAGE_BYTES)
			break;
		if (part > STASH_PAGE_BYTES ||
		    bpf_probe_read_user(&b->stack[done], part, (void *)sp))
			break;
		done += part;
		sp += part;
	}
	return done & ~7u;
}

/* Whether this CPU and this process may send another stash in this second; what they may not is counted. */
static __always_inline bool stash_allowed(struct sampler_counters *count,
					  const struct sample_record *sample)
{
	__u64 second = sample->time_ns >> 30, owner = second << 32 | sample->tgid;
	__u32 slot = sample->tgid & (STASH_SLOTS - 1);

	if (count->stash_second != second) {
		count->stash_second = second;
		count->stash_second_bytes = 0;
	}
	if (stash_owners[slot] != owner) {
		stash_owners[slot] = owner;
		stash_owner_bytes[slot] = 0;
	}
	if (count->stash_second_bytes > stash_bytes_per_second) {
		count->stashes_limited++;
		return false;
	}
	if (stash_owner_bytes[slot] > stash_bytes_per_second) {
		count->stashes_limited_process++;
		return false;
	}
	return true;
}

/* Send what user space needs to unwind this thread itself. Returns whether it was sent. */
static __always_inline bool send_stash(const struct stash_source *from,
				       const struct user_stack *user,
				       struct sampler_counters *count)
{
	__u32 cpu = from->sample->cpu;
	struct stash_buffer *b = bpf_map_lookup_elem(&stash_buffers, &cpu);
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!b || !stash_allowed(count, from->sample))
		return false;

	struct stash_record *r = &b->record;
	r->sample = *from->sample;
	r->sample.stack_id = 0;
	r->sample.epoch = from->stack->epoch;
	r->exec_id = BPF_CORE_READ(task, self_exec_id);
	for (int i = 0; i < STASH_REGS; i++)
		r->regs[i] = from->unwind->regs[i];
	r->kernel_count = from->stack->kernel_count;
	r->kernel_verdict = from->stack->kernel_verdict;
	r->kernel_reason = from->stack->kernel_reason;
	r->exact = user->exact;
	r->why = user->end;
	r->miss_exe = from->unwind->state.mapping.exe;
	r->miss_page = from->unwind->state.miss_page;
	for (int i = 0; i < SAMPLE_KERNEL_FRAMES_MAX; i++)
		r->kernel_frames[i] = from->frames[i];
	r->stack_bytes = copy_stack(b, r->regs[UNWIND_SP] & ~7ull);

	__u64 bytes =
		sizeof(*r) + (*(volatile __u32 *)&r->stack_bytes & (2 * STASH_STACK_BYTES - 1));
	if (bytes > sizeof(*b))
		return false;
	r->header.type = RECORD_STASH;
	r->header.bytes = bytes;
	if (bpf_ringbuf_output(&stash_ring, b, bytes, 0)) {
		count->stashes_lost++;
		return false;
	}
	count->stashes_sent++;
	count->stash_bytes += bytes;
	count->stash_second_bytes += bytes;
	stash_owner_bytes[from->sample->tgid & (STASH_SLOTS - 1)] += bytes;
	return true;
}

#endif
