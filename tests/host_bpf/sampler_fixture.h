/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread for the sampler to find, ticks of the clock, and the records that came of them.
 */
#ifndef HEARTH_TESTS_HOST_BPF_SAMPLER_FIXTURE_H
#define HEARTH_TESTS_HOST_BPF_SAMPLER_FIXTURE_H

#include "tests/host_bpf/kernel_stub.h"

static inline void set_config(const volatile void *variable, size_t size, const void *value)
{
	/* What rodata is in the kernel is const here; the loader writes it likewise. */
	memcpy((void *)(uintptr_t)variable, value, size);
}

static int set_up(void **state)
{
	struct scratch *scratch = k.scratch ? k.scratch : malloc(sizeof(*scratch));

	(void)state;
	memset(&k, 0, sizeof(k));
	memset(scratch, 0xa5, sizeof(*scratch));
	k.scratch = scratch;
	memset((void *)(uintptr_t)seen_stacks, 0, sizeof(seen_stacks));
	epoch = 7;
	k.leader = (struct task_struct){.start_boottime = 5000, .comm = "server"};
	k.task = (struct task_struct){.mm = (void *)8,
				      .group_leader = &k.leader,
				      .start_boottime = 9000,
				      .comm = "worker"};
	k.pid_tgid = 100ull << 32 | 101;
	k.time_ns = 123456789;
	k.cgroup_id = 77;
	k.cpu = 0;
	k.ring_room = RECORDS_MAX;
	k.entry_regs.orig_ax = (unsigned long)-1;
	for (__u64 i = 0; i < 256; i++) {
		k.kernel_frames[i] = 0xffffffff81000000ull + i;
		k.user_frames[i] = 0x400000 + i;
	}
	k.kernel_result = 3 * 8;
	k.user_result = 2 * 8;
	return 0;
}

static void tick(unsigned long cs)
{
	struct bpf_perf_event_data ctx;

	memset(&ctx, 0, sizeof(ctx));
	ctx.regs.cs = cs;
	assert_int_equal(sample_cpu(&ctx), 0);
}

static const struct stack_record *stack_at(size_t i)
{
	const struct stack_record *stack = (const void *)k.records[i].bytes;

	assert_true(i < k.record_count);
	assert_int_equal(stack->header.type, RECORD_STACK);
	assert_int_equal(stack->header.bytes, k.records[i].size);
	assert_int_equal(stack->header.bytes,
			 sizeof(*stack) + 8u * (stack->kernel_count + stack->user_count));
	return stack;
}

static inline const __u64 *frames_at(size_t i)
{
	return (const void *)(stack_at(i) + 1);
}

static const struct sample_record *sample_at(size_t i)
{
	const struct sample_record *sample = (const void *)k.records[i].bytes;

	assert_true(i < k.record_count);
	assert_int_equal(sample->header.type, RECORD_SAMPLE);
	assert_int_equal(k.records[i].size, sizeof(*sample));
	assert_int_equal(sample->header.bytes, sizeof(*sample));
	return sample;
}

static int tear_down(void **state)
{
	(void)state;
	free(k.scratch);
	k.scratch = NULL;
	return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
