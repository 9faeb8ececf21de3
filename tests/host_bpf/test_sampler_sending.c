/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler: stacks are sent once, losses are counted.
 */
#include "tests/host_bpf/sampler_fixture.h"

/* --- sending once --------------------------------------------------------------------------------- */

static void stack_is_sent_once_an_epoch(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		tick(USER_CS);
	assert_int_equal(k.record_count, 6);
	assert_int_equal(k.counters.stacks_sent, 1);
	assert_int_equal(k.counters.stacks_known, 4);
	for (size_t i = 1; i < 6; i++)
		assert_int_equal(sample_at(i)->stack_id, stack_at(0)->id);

	epoch = 8;
	tick(USER_CS);
	assert_int_equal(k.record_count, 8);
	assert_int_equal(stack_at(6)->epoch, 8);
	assert_int_equal(sample_at(7)->epoch, 8);
	assert_true(stack_at(6)->id != stack_at(0)->id);
}

static void what_differs_has_another_id(void **state)
{
	__u64 ids[8];
	size_t count = 0;

	(void)state;
	for (int round = 0; round < 8; round++) {
		assert_int_equal(set_up(NULL), 0);
		switch (round) {
		case 1:
			k.user_frames[1]++;
			break;
		case 2:
			k.pid_tgid = 102ull << 32 | 101; /* another process */
			break;
		case 3:
			k.leader.start_boottime++; /* the pid used again */
			break;
		case 4:
			k.user_result = 8;
			break;
		case 5: /* the same words, split elsewhere */
			memcpy(&k.kernel_frames[3], &k.user_frames[0], 8);
			k.kernel_frames[3] |= SAMPLE_FRAME_EXACT;
			k.user_frames[0] = k.user_frames[1];
			k.kernel_result = 4 * 8;
			k.user_result = 8;
			k.entry_regs.orig_ax = 0;
			break;
		case 6:
			k.user_result = -EFAULT;
			break;
		case 7:
			epoch = 9;
			break;
		default:
			break;
		}
		tick(KERNEL_CS);
		ids[count++] = stack_at(0)->id;
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++)
			assert_true(ids[i] != ids[j]);
	}
}

static void another_thread_of_the_process_shares_its_stacks(void **state)
{
	(void)state;
	tick(USER_CS);
	k.pid_tgid = 100ull << 32 | 102;
	tick(USER_CS);
	assert_int_equal(k.record_count, 3);
	assert_int_equal(sample_at(2)->stack_id, sample_at(1)->stack_id);
}

static int compare_ids(const void *left, const void *right)
{
	const __u64 *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Addresses of real code are close together and multiples of few bytes: the hash must not mind. */
static void close_addresses_do_not_collide(void **state)
{
	const size_t count = 300000;
	__u64 *ids = malloc(count * sizeof(ids[0]));
	struct scratch *s = k.scratch;

	(void)state;
	assert_non_null(ids);
	memset(&s->stack, 0, sizeof(s->stack));
	for (size_t i = 0; i < count; i++) {
		for (size_t f = 0; f < 6; f++)
			s->frames[f] = 0x400000 + 4 * ((i >> (3 * f)) & 7);
		ids[i] = stack_hash(6);
	}
	/* 2^18 distinct stacks of six frames with eight places each; the rest repeats them. */
	qsort(ids, count, sizeof(ids[0]), compare_ids);
	size_t distinct = 1;
	for (size_t i = 1; i < count; i++)
		distinct += ids[i] != ids[i - 1];
	free(ids);
	assert_int_equal(distinct, 1u << 18);
}

static void a_displaced_stack_is_sent_again(void **state)
{
	(void)state;
	tick(USER_CS);
	seen_stacks[stack_at(0)->id & (SEEN_SLOTS - 1)] = 4711; /* another one took the slot */
	tick(USER_CS);
	assert_int_equal(k.record_count, 4);
	assert_int_equal(stack_at(2)->id, stack_at(0)->id);
}

/* --- losses --------------------------------------------------------------------------------------- */

static void full_ring_counts_one_drop(void **state)
{
	(void)state;
	k.ring_room = 0;
	tick(USER_CS);
	assert_int_equal(k.record_count, 0);
	assert_int_equal(k.counters.lost_ring_full, 1);
	assert_int_equal(k.counters.samples_user, 0);
	assert_int_equal(k.counters.stacks_sent, 0);
}

static void a_stack_that_was_not_sent_is_not_remembered(void **state)
{
	(void)state;
	k.ring_room = 0;
	tick(USER_CS);
	k.ring_room = RECORDS_MAX;
	tick(USER_CS);
	assert_int_equal(k.record_count, 2);
	assert_int_equal(stack_at(0)->id, sample_at(1)->stack_id);
}

static void a_sample_without_room_behind_its_stack_is_one_drop(void **state)
{
	(void)state;
	k.ring_room = 1;
	tick(USER_CS);
	assert_int_equal(k.record_count, 1);
	assert_int_equal(k.counters.lost_ring_full, 1);

	/* The stack did get through: it need not be sent again. */
	k.ring_room = RECORDS_MAX;
	tick(USER_CS);
	assert_int_equal(k.record_count, 2);
	assert_int_equal(sample_at(1)->stack_id, stack_at(0)->id);
}

static void a_missing_ring_is_counted(void **state)
{
	(void)state;
	k.rings_missing = true;
	tick(USER_CS);
	assert_int_equal(k.record_count, 0);
	assert_int_equal(k.counters.lost_internal, 1);
	assert_int_equal(k.counters.lost_ring_full, 0);
}

static void cpus_share_rings_when_there_are_more(void **state)
{
	__u32 three = 3, one = 1;

	(void)state;
	set_config(&ring_count, sizeof(three), &three);
	k.cpu = 7;
	tick(USER_CS);
	set_config(&ring_count, sizeof(one), &one);
	assert_int_equal(k.records[0].ring, 1);
	assert_int_equal(k.records[1].ring, 1);
	assert_int_equal(sample_at(1)->cpu, 7);
}

static void a_filling_ring_wakes_user_space(void **state)
{
	(void)state;
	k.waiting_bytes = ring_wakeup_bytes - 1;
	tick(USER_CS);
	assert_int_equal(k.records[0].flags, BPF_RB_NO_WAKEUP);
	assert_int_equal(k.records[1].flags, BPF_RB_NO_WAKEUP);
	k.waiting_bytes = ring_wakeup_bytes;
	tick(USER_CS);
	assert_int_equal(k.records[2].flags, BPF_RB_FORCE_WAKEUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stack_is_sent_once_an_epoch),
		TEST(what_differs_has_another_id),
		TEST(another_thread_of_the_process_shares_its_stacks),
		TEST(close_addresses_do_not_collide),
		TEST(a_displaced_stack_is_sent_again),
		TEST(full_ring_counts_one_drop),
		TEST(a_stack_that_was_not_sent_is_not_remembered),
		TEST(a_sample_without_room_behind_its_stack_is_one_drop),
		TEST(a_missing_ring_is_counted),
		TEST(cpus_share_rings_when_there_are_more),
		TEST(a_filling_ring_wakes_user_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
