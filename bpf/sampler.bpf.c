// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sampler: runs on every tick of a CPU's cpu-clock event, reads who runs and where, and sends it to user space.
 *
 * Re-entry: the kernel runs at most one perf_event program at a time on a CPU (bpf_prog_active in
 * bpf_overflow_handler(), kernel/events/core.c), so the per-CPU scratch needs no guard. Nothing here takes a lock
 * that could be held by what was interrupted: array look-ups take none, and the ring buffer's reserve only tries
 * its lock in an NMI and fails, which is counted.
 */
#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/sample.h"
#include "bpf/stash.h"
#include "bpf/user_stack.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define UNWIND_BOUNDED_FRAMES 256 /* without bpf_loop(): what the verifier may count through */

/* --- configuration, set before load ----------------------------------------------------------- */

/* Rings in the map `rings`; a CPU uses number cpu % ring_count. */
const volatile __u32 ring_count = 1;

/* User space drains by the clock; a ring with this many bytes waiting wakes it earlier. */
const volatile __u32 ring_wakeup_bytes = 64 << 10;

/* --- state -------------------------------------------------------------------------------------- */

/* Written by user space when it is about to forget stacks: all are sent again from then on. */
volatile __u32 epoch = 0;

/*
 * One tick in so many is sampled, and its sample weighs as much: sums stay what they were, at a fraction of the cost.
 * Written by user space.
 */
volatile __u32 thinning = 1;

/*
 * Stacks sent in this epoch: a direct-mapped table of ids, shared by all CPUs. An id carries its epoch in the hash
 * seed, so old entries need no clearing; two stacks in one slot displace each other and are sent more often than
 * once, which costs bytes and nothing else. One aligned word per slot: no lock, no torn read.
 */
#define SEEN_SLOTS (1u << 14)
_Static_assert((SEEN_SLOTS & (SEEN_SLOTS - 1)) == 0, "slots are masked");
volatile __u64 seen_stacks[SEEN_SLOTS] = {};

struct sample_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring_template SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* ring_count, set before load */
	__type(key, __u32);
	__array(values, struct sample_ring);
} rings SEC(".maps") = {.values = {&ring_template}};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sampler_counters);
} counters SEC(".maps");

/* A stack is put together here: it is far larger than the 512 bytes of BPF stack. */
struct scratch {
	struct stack_record stack;
	__u64 frames[SAMPLE_FRAMES_MAX]; /* right behind the record, as it is sent */
	struct sample_record sample;
	struct user_unwind unwind;
};
_Static_assert(sizeof(struct scratch) <= 32 << 10, "a per-CPU map value holds at most 32 KiB");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* --- stacks --------------------------------------------------------------------------------------- */

static __always_inline __u32 collect_kernel_stack(struct bpf_perf_event_data *ctx,
						  struct scratch *s)
{
	s->stack.kernel_verdict = UNWIND_COMPLETE;
	s->stack.kernel_reason = UNWIND_REASON_NONE;
	long bytes =
		bpf_get_stack(ctx, s->frames, SAMPLE_KERNEL_FRAMES_MAX * sizeof(s->frames[0]), 0);
	if (bytes < (long)sizeof(s->frames[0])) {
		s->stack.kernel_verdict = UNWIND_FAILED;
		s->stack.kernel_reason = UNWIND_REASON_HELPER;
		return 0;
	}

	__u64 count = (__u64)bytes / sizeof(s->frames[0]);
	if (count >= helper_frames_max) {
		s->stack.kernel_verdict = UNWIND_TRUNCATED;
		s->stack.kernel_reason = UNWIND_REASON_FRAME_LIMIT;
	}
	return count > SAMPLE_KERNEL_FRAMES_MAX ? SAMPLE_KERNEL_FRAMES_MAX : count;
}

/* One round of a 64-bit multiply-and-fold hash; the constant is 2^64 divided by the golden ratio. */
static __always_inline __u64 mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 32);
}

/*
 * Id of the stack in the scratch: everything that user space resolves it by is in it. Not static, so that the
 * verifier walks its loop once and not with all that it knows of every caller.
 */
__u64 stack_hash(__u32 frame_count);
__attribute__((noinline)) __u64 stack_hash(__u32 frame_count)
{
	__u32 zero = 0;
	const struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s)
		return 1;

	const struct stack_record *stack = &s->stack;
	__u64 hash = mix(stack->epoch, (__u64)stack->kernel_count << 48 |
					       (__u64)stack->user_count << 32 | s->sample.tgid);
	hash = mix(hash, s->sample.start_boottime_ns);
	hash = mix(hash, (__u64)stack->kernel_verdict << 24 | stack->kernel_reason << 16 |
				 stack->user_verdict << 8 | stack->user_reason);

	for (__u32 i = 0; i < SAMPLE_FRAMES_MAX; i++) {
		if (i >= frame_count)
			break;
		hash = mix(hash, s->frames[i]);
	}
	return hash ? hash : 1; /* 0 means an empty slot */
}

/* The ways to repeat the unwinder's step. */
enum unwind_loop {
	UNWIND_LOOP_HELPER, /* bpf_loop(), since 5.17 */
	UNWIND_LOOP_BOUNDED, /* a loop that the verifier follows, around a function that it checks once */
};

struct unwind_loop_context {
	struct scratch *s;
};

/* What a sample is taken of, and how. */
struct sample_way {
	enum unwind_loop loop;
	bool in_user_mode;
	bool has_user_stack;
};

static long unwind_loop_step(__u64 index, struct unwind_loop_context *context)
{
	(void)index;
	return unwind_frame(&context->s->unwind, context->s->frames);
}

/* A step of its own for the verifier; returns whether the stack has ended. Not static: that would not be. */
int unwind_bounded_step(__u32 zero);
__attribute__((noinline)) int unwind_bounded_step(__u32 zero)
{
	zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s)
		return 1;
	return unwind_frame(&s->unwind, s->frames);
}

/* Unwind the current thread by tables. */
static __always_inline void collect_by_tables(struct bpf_perf_event_data *ctx, struct scratch *s,
					      struct sample_way way, __u32 kernel_count,
					      struct user_stack *ret)
{
	struct user_unwind *w = &s->unwind;
	enum unwind_end end = read_user_regs(ctx, way.in_user_mode, w, &ret->exact);

	w->first = kernel_count;
	w->count = 0;
	if (!end && is_between_programs(w))
		end = UNWIND_END_COMPLETE;
	if (!end)
		end = begin_unwind(w, s->sample.tgid, s->sample.start_boottime_ns, ret->exact);
	if (!end) {
		if (way.loop == UNWIND_LOOP_HELPER) {
			struct unwind_loop_context context = {.s = s};

			bpf_loop(SAMPLE_USER_FRAMES_MAX + 1, unwind_loop_step, &context, 0);
		} else {
			for (__u32 i = 0; i <= UNWIND_BOUNDED_FRAMES; i++) {
				if (unwind_bounded_step(0))
					break;
			}
		}
		end = w->state.end;
		if (end == UNWIND_END_NOT_YET)
			end = UNWIND_END_TRUNC_FRAMES;
	}
	ret->count = w->count > SAMPLE_USER_FRAMES_MAX ? SAMPLE_USER_FRAMES_MAX : w->count;
	judge_end(end, ret);
}

/* Collect both parts of the stack into the scratch. */
static __always_inline void collect_stack(struct bpf_perf_event_data *ctx, struct scratch *s,
					  struct sample_way way, struct user_stack *user)
{
	struct stack_record *stack = &s->stack;

	__u32 kernel_count = 0;
	stack->kernel_verdict = UNWIND_COMPLETE;
	stack->kernel_reason = UNWIND_REASON_NONE;
	if (!way.in_user_mode)
		kernel_count = collect_kernel_stack(ctx, s);
	if (way.has_user_stack && kernel_count <= SAMPLE_KERNEL_FRAMES_MAX) {
		if (has_unwind_tables)
			collect_by_tables(ctx, s, way, kernel_count, user);
		else
			collect_by_frame_pointers(ctx, way.in_user_mode, &s->frames[kernel_count],
						  user);
	}
	stack->kernel_count = kernel_count;
}

/* Complete the stack record. Returns the number of frames. */
static __always_inline __u32 finish_stack(struct scratch *s, const struct user_stack *user)
{
	struct stack_record *stack = &s->stack;
	__u32 frame_count = stack->kernel_count + user->count;

	stack->header.type = RECORD_STACK;
	stack->header.bytes = sizeof(*stack) + frame_count * sizeof(s->frames[0]);
	stack->epoch = epoch;
	stack->user_count = user->count;
	stack->user_verdict = user->verdict;
	stack->user_reason = user->reason;
	stack->reserved = 0;
	stack->id = stack_hash(frame_count);
	return frame_count;
}

/* --- sending -------------------------------------------------------------------------------------- */

/*
 * Send the stack unless it was sent in this epoch. It is remembered only once it is in a ring, so that no sample
 * ever names a stack that user space cannot have.
 */
static __always_inline bool send_stack(void *ring, struct scratch *s, __u32 frame_count,
				       struct sampler_counters *count)
{
	__u64 id = s->stack.id;
	volatile __u64 *slot = &seen_stacks[id & (SEEN_SLOTS - 1)];
	if (*slot == id) {
		count->stacks_known++;
		return true;
	}

	if (frame_count > SAMPLE_FRAMES_MAX)
		return false;
	__u64 bytes = sizeof(s->stack) + (__u64)frame_count * sizeof(s->frames[0]);
	if (bpf_ringbuf_output(ring, &s->stack, bytes, BPF_RB_NO_WAKEUP))
		return false;
	*slot = id;
	count->stacks_sent++;
	return true;
}

static __always_inline bool send_sample(void *ring, struct scratch *s)
{
	bool wake = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= ring_wakeup_bytes;
	__u64 flags = wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;

	s->sample.stack_id = s->stack.id;
	s->sample.epoch = s->stack.epoch;
	return bpf_ringbuf_output(ring, &s->sample, sizeof(s->sample), flags) == 0;
}

/* --- the program ---------------------------------------------------------------------------------- */

/* Who runs: everything of the sample but its stack. Returns whether the thread has a user stack. */
static __always_inline bool describe_current(struct sample_record *sample)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	sample->header.type = RECORD_SAMPLE;
	sample->header.bytes = sizeof(*sample);
	sample->tgid = pid_tgid >> 32;
	sample->tid = (__u32)pid_tgid;
	sample->start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
	sample->cgroup_id = bpf_get_current_cgroup_id();
	sample->cpu = bpf_get_smp_processor_id();
	sample->reserved = 0;
	bpf_get_current_comm(sample->thread_comm, sizeof(sample->thread_comm));
	if (sample->tid == sample->tgid)
		__builtin_memcpy(sample->process_comm, sample->thread_comm, SAMPLE_COMM_BYTES);
	else
		BPF_CORE_READ_INTO(&sample->process_comm, leader, comm);

	return BPF_CORE_READ(task, mm) && !(BPF_CORE_READ(task, flags) & PF_KTHREAD);
}

static __always_inline void count_sample(struct sampler_counters *count,
					 const struct sample_record *sample)
{
	if (sample->flags & SAMPLE_IN_KERNEL)
		count->samples_kernel += sample->weight;
	else
		count->samples_user += sample->weight;
}

/* Takes the sample whose time and weight are in the scratch. */
static __always_inline void take_sample(struct bpf_perf_event_data *ctx, struct scratch *s,
					struct sampler_counters *count, enum unwind_loop loop)
{
	__u32 ring_index = bpf_get_smp_processor_id() % ring_count;
	void *ring = bpf_map_lookup_elem(&rings, &ring_index);
	if (!ring) {
		count->lost_internal += s->sample.weight;
		return;
	}

	bool in_user_mode = registers_in_user_mode(ctx);
	struct user_stack user = {.verdict = UNWIND_COMPLETE, .reason = UNWIND_REASON_NONE};
	s->sample.flags = in_user_mode ? 0 : SAMPLE_IN_KERNEL;
	struct sample_way way = {.loop = loop,
				 .in_user_mode = in_user_mode,
				 .has_user_stack = describe_current(&s->sample)};
	collect_stack(ctx, s, way, &user);

	if (user.end) {
		count->ends[user.end & 15]++;
		const struct stash_source from = {.sample = &s->sample,
						  .stack = &s->stack,
						  .frames = s->frames,
						  .unwind = &s->unwind};

		s->stack.epoch = epoch;
		if (wants_stash(user.end) && send_stash(&from, &user, count)) {
			count_sample(count, &s->sample);
			return;
		}
		if (!user.count && user.verdict != UNWIND_COMPLETE &&
		    s->stack.kernel_count <= SAMPLE_KERNEL_FRAMES_MAX) {
			__u8 reason = user.reason;

			collect_by_frame_pointers(ctx, in_user_mode,
						  &s->frames[s->stack.kernel_count], &user);
			user.verdict = UNWIND_FAILED;
			user.reason = reason;
		}
	}

	__u32 frame_count = finish_stack(s, &user);
	if (!send_stack(ring, s, frame_count, count) || !send_sample(ring, s)) {
		count->lost_ring_full += s->sample.weight;
		return;
	}
	count_sample(count, &s->sample);
}

static __always_inline int sample(struct bpf_perf_event_data *ctx, enum unwind_loop loop)
{
	__u64 now_ns = bpf_ktime_get_ns();
	if (!bpf_get_current_pid_tgid()) /* the idle task */
		return 0;

	__u32 zero = 0;
	struct sampler_counters *count = bpf_map_lookup_elem(&counters, &zero);
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!count || !s)
		return 0; /* cannot be: one entry each, created at load */

	__u64 tick = count->ticks++;
	__u32 every = thinning;
	if (every > 1 && tick % every)
		return 0;
	s->sample.time_ns = now_ns;
	s->sample.weight = every > 1 ? every : 1;
	take_sample(ctx, s, count, loop);
	count->run_ns += bpf_ktime_get_ns() - now_ns;
	return 0;
}

SEC("perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	return sample(ctx, UNWIND_LOOP_HELPER);
}

/* For kernels before 5.17. */
SEC("perf_event")
int sample_cpu_bounded(struct bpf_perf_event_data *ctx)
{
	return sample(ctx, UNWIND_LOOP_BOUNDED);
}
