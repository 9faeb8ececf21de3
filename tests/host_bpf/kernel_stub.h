/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler's BPF program as an ordinary function, with a kernel around it that the test plays: set what the
 * helpers see, run the program, read what came out of the rings. Under ASan, so that a write past the scratch is
 * seen. Includes the program itself: for one file of a test program.
 */
#ifndef HEARTH_TESTS_HOST_BPF_KERNEL_STUB_H
#define HEARTH_TESTS_HOST_BPF_KERNEL_STUB_H

#include "unit/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Its registers are the x86-64 ones, so that this test is too. */
struct bpf_perf_event_data;
int sample_cpu(struct bpf_perf_event_data *ctx);
int sample_cpu_bounded(struct bpf_perf_event_data *ctx);
#include "bpf/sampler.bpf.c"

#define RECORDS_MAX 64
#define USER_CS	    0x33
#define KERNEL_CS   0x10

struct kernel_stub {
	struct task_struct task, leader;
	struct pt_regs___kernel entry_regs;
	__u64 pid_tgid, time_ns, cgroup_id;
	__u32 cpu;
	__u64 kernel_frames[256], user_frames[256];
	long kernel_result, user_result; /* bytes, or a negative error */

	struct sampler_counters counters;
	struct scratch *scratch; /* on the heap, so that ASan watches its borders */
	struct stash_buffer
		*stash_buffer; /* on the heap likewise; NULL = nothing may come this way */
	struct pt_regs entry;  /* all registers the thread entered the kernel with */
	__u64 stack_start;     /* user memory that can be read, filled with its own addresses */
	__u64 stack_end;
	bool rings_missing;
	int ring_room; /* records that still fit */
	__u64 waiting_bytes;
	unsigned int reads_of_user_stack, reads_of_kernel_stack;

	__u32 last_ring;
	size_t record_count;
	unsigned int stashes; /* records that are one */
	struct {
		__u32 ring;
		__u64 flags, size;
		unsigned char bytes[sizeof(struct stash_buffer)]; /* the largest record */
	} records[RECORDS_MAX];
};

static struct kernel_stub k;

/* --- helpers the program calls -------------------------------------------------------------------- */

__u64 bpf_ktime_get_ns(void)
{
	return k.time_ns;
}

__u64 bpf_get_current_pid_tgid(void)
{
	return k.pid_tgid;
}

__u64 bpf_get_current_task(void)
{
	return (__u64)&k.task;
}

struct task_struct *bpf_get_current_task_btf(void)
{
	return &k.task;
}

long bpf_task_pt_regs(struct task_struct *task)
{
	assert_ptr_equal(task, &k.task);
	return (long)&k.entry_regs;
}

__u64 bpf_get_current_cgroup_id(void)
{
	return k.cgroup_id;
}

__u32 bpf_get_smp_processor_id(void)
{
	return k.cpu;
}

long bpf_get_current_comm(void *comm, __u32 size)
{
	memcpy(comm, k.task.comm, size);
	return 0;
}

void *bpf_map_lookup_elem(void *map, const void *key)
{
	__u32 index = *(const __u32 *)key;

	if (map == (void *)&counters)
		return index ? NULL : &k.counters;
	if (map == (void *)&scratches)
		return index ? NULL : k.scratch;
	if (k.stash_buffer && map == (void *)&stash_buffers)
		return k.stash_buffer;
	if (k.stash_buffer && map == (void *)&unwind_processes)
		return NULL; /* none is known */
	assert_ptr_equal(map, &rings);
	k.last_ring = index;
	return k.rings_missing || index >= ring_count ? NULL : &k.records;
}

long bpf_get_stack(void *ctx, void *frames, __u32 size, __u64 flags)
{
	bool user = flags & BPF_F_USER_STACK;
	long result = user ? k.user_result : k.kernel_result;
	const __u64 *from = user ? k.user_frames : k.kernel_frames;

	(void)ctx;
	*(user ? &k.reads_of_user_stack : &k.reads_of_kernel_stack) += 1;
	if (result > (long)size)
		result = size;
	if (result > 0)
		memcpy(frames, from, (size_t)result);
	return result;
}

long bpf_ringbuf_output(void *ring, void *bytes, __u64 size, __u64 flags)
{
	if (k.stash_buffer && ring == (void *)&stash_ring)
		k.stashes++;
	else
		assert_ptr_equal(ring, &k.records);
	assert_true(size <= sizeof(k.records[0].bytes));
	if (k.ring_room-- <= 0)
		return -EAGAIN;
	assert_true(k.record_count < RECORDS_MAX);
	k.records[k.record_count].ring = k.last_ring;
	k.records[k.record_count].flags = flags;
	k.records[k.record_count].size = size;
	memcpy(k.records[k.record_count++].bytes, bytes, size);
	return 0;
}

__u64 bpf_ringbuf_query(void *ring, __u64 flags)
{
	(void)ring;
	assert_int_equal(flags, BPF_RB_AVAIL_DATA);
	return k.waiting_bytes;
}

/* Walking along tables has tests of its own: here no process is known, and what comes this way is a stash. */

long bpf_probe_read_user(void *to, __u32 size, const void *from)
{
	__u64 at = (__u64)from;

	if (!k.stash_buffer)
		fail_msg("the program read user memory");
	if (at < k.stack_start || at > k.stack_end || size > k.stack_end - at)
		return -EFAULT;
	for (__u32 i = 0; i + 8 <= size; i += 8) {
		__u64 word = at + i;

		memcpy((char *)to + i, &word, 8);
	}
	return 0;
}

long bpf_probe_read_kernel(void *to, __u32 size, const void *from)
{
	if (!k.stash_buffer || from != (const void *)&k.entry_regs)
		fail_msg("the program read kernel memory");
	assert_int_equal(size, sizeof(k.entry));
	memcpy(to, &k.entry, size);
	return 0;
}

long bpf_loop(__u32 count, void *step, void *context, __u64 flags)
{
	(void)count;
	(void)step;
	(void)context;
	(void)flags;
	fail_msg("the program ran a loop");
	return -EINVAL;
}

#endif
