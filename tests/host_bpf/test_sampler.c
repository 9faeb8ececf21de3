/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler: who is sampled, what a sample holds, what the verdicts say.
 */
#include "tests/host_bpf/sampler_fixture.h"

/* --- who is sampled ------------------------------------------------------------------------------- */

static void idle_is_ignored(void **state)
{
	const struct sampler_counters none = {0};

	(void)state;
	k.pid_tgid = 0;
	tick(KERNEL_CS);
	assert_int_equal(k.record_count, 0);
	assert_memory_equal(&k.counters, &none, sizeof(none));
}

static void sample_fields_are_filled(void **state)
{
	(void)state;
	k.cpu = 5;
	tick(USER_CS);
	assert_int_equal(k.record_count, 2);
	const struct sample_record *s = sample_at(1);

	assert_int_equal(s->time_ns, 123456789);
	assert_int_equal(s->start_boottime_ns, 5000); /* of the process, not of the thread */
	assert_int_equal(s->cgroup_id, 77);
	assert_int_equal(s->tgid, 100);
	assert_int_equal(s->tid, 101);
	assert_int_equal(s->epoch, 7);
	assert_int_equal(s->cpu, 5);
	assert_int_equal(s->weight, 1);
	assert_int_equal(s->flags, 0);
	assert_int_equal(s->reserved, 0);
	assert_string_equal(s->thread_comm, "worker");
	assert_string_equal(s->process_comm, "server");
	assert_int_equal(s->stack_id, stack_at(0)->id);
	assert_int_equal(k.counters.samples_user, 1);
	assert_int_equal(k.counters.samples_kernel, 0);
}

static void the_leaders_comm_is_its_own(void **state)
{
	(void)state;
	k.pid_tgid = 100ull << 32 | 100;
	tick(USER_CS);
	assert_string_equal(sample_at(1)->process_comm, "worker");
}

static void user_mode_has_no_kernel_frames(void **state)
{
	(void)state;
	tick(USER_CS);
	assert_int_equal(k.reads_of_kernel_stack, 0);
	assert_int_equal(stack_at(0)->kernel_count, 0);
	assert_int_equal(stack_at(0)->user_count, 2);
	assert_true(frames_at(0)[0] == (0x400000 | SAMPLE_FRAME_EXACT));
	assert_true(frames_at(0)[1] == 0x400001);
}

static void kernel_frames_come_before_user_frames(void **state)
{
	(void)state;
	tick(KERNEL_CS);
	const struct stack_record *s = stack_at(0);

	assert_int_equal(s->kernel_count, 3);
	assert_int_equal(s->user_count, 2);
	assert_memory_equal(frames_at(0), k.kernel_frames, 3 * 8);
	assert_true(frames_at(0)[4] == 0x400001);
	assert_int_equal(sample_at(1)->flags, SAMPLE_IN_KERNEL);
	assert_int_equal(k.counters.samples_kernel, 1);
}

static void leaf_in_a_system_call_is_a_return_address(void **state)
{
	(void)state;
	k.entry_regs.orig_ax = 0; /* read(2) */
	tick(KERNEL_CS);
	assert_true(frames_at(0)[3] == 0x400000);
}

static void leaf_of_an_interrupt_is_exact(void **state)
{
	(void)state;
	tick(KERNEL_CS);
	assert_true(frames_at(0)[3] == (0x400000 | SAMPLE_FRAME_EXACT));
}

static void without_the_helper_leaves_count_as_exact(void **state)
{
	bool no = false, yes = true;

	(void)state;
	set_config(&has_task_pt_regs, sizeof(no), &no);
	k.entry_regs.orig_ax = 0;
	tick(KERNEL_CS);
	set_config(&has_task_pt_regs, sizeof(yes), &yes);
	assert_true(frames_at(0)[3] == (0x400000 | SAMPLE_FRAME_EXACT));
}

static void kernel_threads_have_no_user_stack(void **state)
{
	(void)state;
	k.task.flags = PF_KTHREAD; /* with an mm it has borrowed */
	tick(KERNEL_CS);
	assert_int_equal(k.reads_of_user_stack, 0);
	assert_int_equal(stack_at(0)->user_count, 0);
	assert_int_equal(stack_at(0)->user_verdict, UNWIND_COMPLETE);
}

static void ending_threads_have_no_user_stack(void **state)
{
	(void)state;
	k.task.mm = NULL;
	tick(KERNEL_CS);
	assert_int_equal(k.reads_of_user_stack, 0);
	assert_int_equal(stack_at(0)->user_verdict, UNWIND_COMPLETE);
}

/* --- verdicts ------------------------------------------------------------------------------------- */

static void longest_stacks_fit_and_are_truncated(void **state)
{
	(void)state;
	k.kernel_result = k.user_result = 256 * 8;
	tick(KERNEL_CS);
	const struct stack_record *s = stack_at(0);

	assert_int_equal(s->kernel_count, SAMPLE_KERNEL_FRAMES_MAX);
	assert_int_equal(s->user_count, SAMPLE_HELPER_FRAMES_MAX);
	assert_int_equal(s->kernel_verdict, UNWIND_TRUNCATED);
	assert_int_equal(s->kernel_reason, UNWIND_REASON_FRAME_LIMIT);
	assert_int_equal(s->user_verdict, UNWIND_TRUNCATED);
	assert_int_equal(s->user_reason, UNWIND_REASON_FRAME_LIMIT);
	assert_true(frames_at(0)[SAMPLE_KERNEL_FRAMES_MAX + SAMPLE_HELPER_FRAMES_MAX - 1] ==
		    0x400000 + SAMPLE_HELPER_FRAMES_MAX - 1);
	assert_string_equal(sample_at(1)->thread_comm, "worker"); /* what lies behind is whole */
}

static void a_lower_system_limit_is_a_truncation_too(void **state)
{
	__u32 low = 2, normal = SAMPLE_HELPER_FRAMES_MAX;

	(void)state;
	set_config(&helper_frames_max, sizeof(low), &low);
	tick(KERNEL_CS);
	set_config(&helper_frames_max, sizeof(normal), &normal);
	assert_int_equal(stack_at(0)->kernel_verdict, UNWIND_TRUNCATED);
	assert_int_equal(stack_at(0)->user_verdict, UNWIND_TRUNCATED);
}

static void helper_errors_are_verdicts(void **state)
{
	(void)state;
	k.kernel_result = -EFAULT;
	k.user_result = -EFAULT;
	tick(KERNEL_CS);
	const struct stack_record *s = stack_at(0);

	assert_int_equal(s->kernel_count, 0);
	assert_int_equal(s->user_count, 0);
	assert_int_equal(s->kernel_verdict, UNWIND_FAILED);
	assert_int_equal(s->kernel_reason, UNWIND_REASON_HELPER);
	assert_int_equal(s->user_verdict, UNWIND_FAILED);
	assert_int_equal(s->user_reason, UNWIND_REASON_HELPER);
	assert_int_equal(sample_at(1)->stack_id, s->id); /* the sample is not lost */
}

static void thinned_samples_weigh_more(void **state)
{
	(void)state;
	thinning = 4;
	for (int i = 0; i < 12; i++)
		tick(USER_CS);
	thinning = 1;
	tick(USER_CS);
	assert_int_equal(k.counters.ticks, 13);
	assert_int_equal(k.counters.samples_user, 13); /* three of four, and one */
	assert_int_equal(k.record_count, 5);	       /* with the stack, once */
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(sample_at(i)->weight, 4);
	assert_int_equal(sample_at(4)->weight, 1);
}

static void a_lost_sample_counts_as_it_weighs(void **state)
{
	(void)state;
	thinning = 8;
	k.ring_room = 0;
	tick(USER_CS);
	thinning = 1;
	assert_int_equal(k.counters.lost_ring_full, 8);
	assert_int_equal(k.counters.samples_user, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle_is_ignored),
		TEST(sample_fields_are_filled),
		TEST(the_leaders_comm_is_its_own),
		TEST(user_mode_has_no_kernel_frames),
		TEST(kernel_frames_come_before_user_frames),
		TEST(leaf_in_a_system_call_is_a_return_address),
		TEST(leaf_of_an_interrupt_is_exact),
		TEST(without_the_helper_leaves_count_as_exact),
		TEST(kernel_threads_have_no_user_stack),
		TEST(thinned_samples_weigh_more),
		TEST(a_lost_sample_counts_as_it_weighs),
		TEST(ending_threads_have_no_user_stack),
		TEST(longest_stacks_fit_and_are_truncated),
		TEST(a_lower_system_limit_is_a_truncation_too),
		TEST(helper_errors_are_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
