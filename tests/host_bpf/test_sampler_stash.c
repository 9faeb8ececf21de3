// SPDX-License-Identifier: Apache-2.0
/*
 * What the sampler sends of threads that it cannot unwind: how much, from where, how often, and what of a thread that has
 * no user stack.
 */
#include "tests/host_bpf/sampler_fixture.h"

#define STACK	     0x7ffc00000000ull
#define SYSCALL_READ 0
#define SECOND_NS    (1ull << 30) /* of the limits */

static void use_tables(bool yes)
{
	set_config(&has_unwind_tables, sizeof(yes), &yes);
}

static int set_up_tables(void **state)
{
	(void)set_up(state);
	use_tables(true);
	memset((void *)(uintptr_t)stash_owners, 0, sizeof(stash_owners));
	k.stash_buffer = calloc(1, sizeof(*k.stash_buffer));
	assert_non_null(k.stash_buffer);
	k.task.self_exec_id = 42;
	k.stack_start = STACK;
	k.stack_end = STACK + (1 << 20);
	k.entry.cs = USER_CS;
	k.entry.rsp = STACK + 0x1008;
	k.entry.rip = 0x401000;
	return 0;
}

static int tear_down_tables(void **state)
{
	free(k.stash_buffer);
	k.stash_buffer = NULL;
	use_tables(false);
	return tear_down(state);
}

#define TABLES_TEST(function) \
	cmocka_unit_test_setup_teardown(function, set_up_tables, tear_down_tables)

/* The clock finds the thread in user mode, with its stack pointer at @sp. */
static void tick_in_user_mode(__u64 sp)
{
	struct bpf_perf_event_data ctx;

	memset(&ctx, 0, sizeof(ctx));
	ctx.regs.cs = USER_CS;
	ctx.regs.rsp = sp;
	ctx.regs.rip = 0x401234;
	ctx.regs.r15 = 15;
	assert_int_equal(sample_cpu(&ctx), 0);
}

/* The clock finds it in a system call, whose number is @number and whose result register is @rax. */
static void tick_in_syscall(__u64 number, __u64 rax)
{
	k.entry.orig_rax = number;
	k.entry.rax = rax;
	tick(KERNEL_CS);
}

static const struct stash_record *stash_at(size_t i)
{
	const struct stash_record *stash = (const void *)k.records[i].bytes;

	assert_true(i < k.record_count);
	assert_int_equal(stash->header.type, RECORD_STASH);
	assert_int_equal(k.records[i].size, sizeof(*stash) + stash->stack_bytes);
	assert_int_equal(stash->header.bytes, k.records[i].size);
	return stash;
}

static __u64 word_of(const struct stash_record *stash, size_t i)
{
	__u64 word;

	memcpy(&word, (const char *)(stash + 1) + 8 * i, 8);
	return word;
}

static void an_unknown_process_sends_its_registers_and_its_stack(void **state)
{
	(void)state;
	tick_in_user_mode(STACK + 0x1234);
	const struct stash_record *stash = stash_at(0);

	assert_int_equal(k.record_count, 1);
	assert_int_equal(stash->why, UNWIND_END_MISS_PROCESS);
	assert_int_equal(stash->exec_id, 42);
	assert_int_equal(stash->exact, 1);
	assert_int_equal(stash->regs[STASH_REG_SP], STACK + 0x1234);
	assert_int_equal(stash->regs[STASH_REGS - 1], 0x401234);
	assert_int_equal(stash->regs[15], 15);
	assert_int_equal(stash->sample.tgid, 100);
	assert_int_equal(stash->sample.tid, 101);
	assert_int_equal(stash->sample.epoch, 7);
	/* From the word of the stack pointer on, and as much as whole pages allow. */
	assert_int_equal(word_of(stash, 0), STACK + 0x1230);
	assert_in_range(stash->stack_bytes, STASH_STACK_BYTES - STASH_PAGE_BYTES + 1,
			STASH_STACK_BYTES);
	assert_int_equal(word_of(stash, stash->stack_bytes / 8 - 1),
			 STACK + 0x1230 + stash->stack_bytes - 8);
	assert_int_equal(k.counters.stashes_sent, 1);
	assert_int_equal(k.counters.stash_bytes, k.records[0].size);
	assert_int_equal(k.counters.ends[UNWIND_END_MISS_PROCESS], 1);
	assert_int_equal(k.counters.samples_user, 1);
}

static void a_slice_ends_where_the_stack_does(void **state)
{
	(void)state;
	k.stack_end = STACK + 0x3000;
	tick_in_user_mode(STACK + 0x1230);
	assert_int_equal(stash_at(0)->stack_bytes, 0x3000 - 0x1230);
	assert_int_equal(word_of(stash_at(0), (0x3000 - 0x1230) / 8 - 1), STACK + 0x2ff8);
}

static void a_stack_that_cannot_be_read_is_an_empty_slice(void **state)
{
	(void)state;
	tick_in_user_mode(0x1000);
	assert_int_equal(stash_at(0)->stack_bytes, 0);
}

static void in_a_system_call_the_pc_is_a_return_address(void **state)
{
	(void)state;
	tick_in_syscall(SYSCALL_READ, (__u64)ERROR_ENOSYS);
	assert_int_equal(stash_at(0)->exact, 0);
	assert_int_equal(stash_at(0)->kernel_count, 3);
	tick_in_syscall((__u64)-1, 0); /* an interrupt or a fault */
	assert_int_equal(stash_at(1)->exact, 1);
}

static void between_two_programs_there_is_no_user_stack(void **state)
{
	static const __u64 calls[] = {SYSCALL_EXECVE, SYSCALL_EXECVEAT};

	(void)state;
	k.entry.rsp = 0x1000; /* of an address space that is gone */
	for (size_t i = 0; i < 2; i++) {
		tick_in_syscall(calls[i], (__u64)ERROR_ENOSYS);
		assert_int_equal(k.stashes, 0);
	}
	assert_int_equal(k.record_count, 3); /* one stack, two samples of it */
	assert_int_equal(stack_at(0)->kernel_count, 3);
	assert_int_equal(stack_at(0)->user_count, 0);
	assert_int_equal(stack_at(0)->user_verdict, UNWIND_COMPLETE);
	assert_int_equal(k.counters.ends[UNWIND_END_COMPLETE], 2);

	/* In any other call it is a stack that cannot be read. */
	tick_in_syscall(SYSCALL_READ, (__u64)ERROR_ENOSYS);
	assert_int_equal(k.stashes, 1);
}

static void a_program_that_execve_has_set_up_starts_at_its_pc(void **state)
{
	(void)state;
	tick_in_syscall(SYSCALL_EXECVE, (__u64)ERROR_ENOSYS); /* still in the old one */
	assert_int_equal(stash_at(0)->exact, 0);
	tick_in_syscall(SYSCALL_EXECVE, 0);
	assert_int_equal(stash_at(1)->exact, 1);
}

static void a_32_bit_program_is_not_unwound(void **state)
{
	(void)state;
	k.entry.cs = USER32_CS;
	tick_in_syscall(SYSCALL_READ, (__u64)ERROR_ENOSYS);
	assert_int_equal(k.stashes, 0);
	assert_int_equal(k.counters.ends[UNWIND_END_FAIL_COMPAT], 1);
	assert_int_equal(stack_at(0)->user_verdict, UNWIND_FAILED);
	assert_int_equal(stack_at(0)->user_reason, UNWIND_REASON_TABLES + UNWIND_END_FAIL_COMPAT);
}

/* Ticks of one process in one second until one is refused; returns how many bytes were sent. */
static __u64 send_until_refused(const __u64 *refused)
{
	__u64 before = k.counters.stash_bytes, refusals = *refused;

	while (*refused == refusals) {
		k.record_count = 0;
		k.ring_room = RECORDS_MAX;
		tick_in_user_mode(STACK + 0x1000);
		assert_in_range(k.counters.stash_bytes - before, 0, 2 * stash_bytes_per_second);
	}
	return k.counters.stash_bytes - before;
}

static void a_cpu_sends_so_many_bytes_a_second(void **state)
{
	(void)state;
	__u64 sent = send_until_refused(&k.counters.stashes_limited);

	assert_in_range(sent, stash_bytes_per_second,
			stash_bytes_per_second + sizeof(struct stash_buffer));
	/* What was refused is a sample all the same, and another process fares no better. */
	assert_int_equal(sample_at(1)->tgid, 100);
	assert_int_equal(stack_at(0)->user_verdict, UNWIND_FAILED);
	k.pid_tgid = 200ull << 32 | 200;
	assert_int_equal(send_until_refused(&k.counters.stashes_limited), 0);
	k.time_ns += SECOND_NS;
	assert_true(send_until_refused(&k.counters.stashes_limited) > stash_bytes_per_second);
}

/* The counters are per CPU: with fresh ones, it is another CPU that ticks. */
static void go_to_another_cpu(void)
{
	memset(&k.counters, 0, sizeof(k.counters));
}

static void a_process_sends_so_many_bytes_a_second_on_all_cpus(void **state)
{
	(void)state;
	(void)send_until_refused(&k.counters.stashes_limited);
	go_to_another_cpu();
	assert_int_equal(send_until_refused(&k.counters.stashes_limited_process), 0);
	assert_int_equal(k.counters.stashes_limited, 0);

	k.pid_tgid = 200ull << 32 | 200;
	k.record_count = 0;
	tick_in_user_mode(STACK + 0x1000);
	assert_int_equal(stash_at(0)->sample.tgid, 200);

	k.pid_tgid = 100ull << 32 | 101;
	k.time_ns += SECOND_NS;
	k.record_count = 0;
	tick_in_user_mode(STACK + 0x1000);
	assert_int_equal(stash_at(0)->sample.tgid, 100);
}

static void a_full_ring_leaves_a_failed_stack(void **state)
{
	(void)state;
	k.ring_room = 0;
	tick_in_user_mode(STACK + 0x1000);
	assert_int_equal(k.counters.stashes_lost, 1);
	assert_int_equal(k.counters.stashes_sent, 0);
	assert_int_equal(k.counters.lost_ring_full, 1); /* neither did the sample without it fit */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLES_TEST(an_unknown_process_sends_its_registers_and_its_stack),
		TABLES_TEST(a_slice_ends_where_the_stack_does),
		TABLES_TEST(a_stack_that_cannot_be_read_is_an_empty_slice),
		TABLES_TEST(in_a_system_call_the_pc_is_a_return_address),
		TABLES_TEST(between_two_programs_there_is_no_user_stack),
		TABLES_TEST(a_program_that_execve_has_set_up_starts_at_its_pc),
		TABLES_TEST(a_32_bit_program_is_not_unwound),
		TABLES_TEST(a_cpu_sends_so_many_bytes_a_second),
		TABLES_TEST(a_process_sends_so_many_bytes_a_second_on_all_cpus),
		TABLES_TEST(a_full_ring_leaves_a_failed_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
