/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/stack_table.h"

#include <errno.h>
#include <string.h>

#include "unit/check.h"

struct sent_stack {
	struct stack_record record;
	uint64_t frames[SAMPLE_FRAMES_MAX];
};

static size_t make(struct sent_stack *s, uint64_t id, uint16_t kernel, uint16_t user)
{
	memset(s, 0, sizeof(*s));
	s->record.id = id;
	s->record.kernel_count = kernel;
	s->record.user_count = user;
	for (size_t i = 0; i < (size_t)kernel + user && i < SAMPLE_FRAMES_MAX; i++)
		s->frames[i] = id * 1000 + i;
	return sizeof(s->record) + 8ul * (kernel + user);
}

static void stacks_are_found_by_id(void **state)
{
	struct stack_table t = {0};
	struct sent_stack s;

	(void)state;
	for (uint64_t id = 1; id <= 1000; id++) {
		size_t size = make(&s, id << 40, (uint16_t)(id % 5), (uint16_t)(id % 7));

		assert_int_equal(stack_table_add(&t, &s.record, size), 0);
	}
	for (uint64_t id = 1; id <= 1000; id++) {
		const struct raw_stack *raw = stack_table_find(&t, id << 40);

		assert_non_null(raw);
		assert_int_equal(raw->record.user_count, id % 7);
		for (size_t i = 0; i < id % 5 + id % 7; i++)
			assert_true(t.frames[raw->first_frame + i] == (id << 40) * 1000 + i);
	}
	assert_null(stack_table_find(&t, 1));
	stack_table_release(&t);
}

static void the_same_stack_twice_is_kept_once(void **state)
{
	struct stack_table t = {0};
	struct sent_stack s;
	size_t size = make(&s, 9, 1, 1);

	(void)state;
	assert_int_equal(stack_table_add(&t, &s.record, size), 0);
	assert_int_equal(stack_table_add(&t, &s.record, size), 0);
	assert_int_equal(t.count, 1);
	stack_table_release(&t);
}

static void sizes_that_contradict_are_refused(void **state)
{
	struct stack_table t = {0};
	struct sent_stack s;
	size_t size = make(&s, 9, 2, 3);

	(void)state;
	assert_int_equal(stack_table_add(&t, &s.record, size - 8), -EBADMSG);
	assert_int_equal(stack_table_add(&t, &s.record, size + 8), -EBADMSG);
	assert_int_equal(stack_table_add(&t, &s.record, 8), -EBADMSG);
	size = make(&s, 9, SAMPLE_FRAMES_MAX, 1);
	assert_int_equal(stack_table_add(&t, &s.record, size), -EBADMSG);
	assert_int_equal(t.count, 0);
	stack_table_release(&t);
}

static void a_new_epoch_forgets(void **state)
{
	struct stack_table t = {0};
	struct sent_stack s;
	size_t size = make(&s, 9, 1, 1);

	(void)state;
	assert_int_equal(stack_table_add(&t, &s.record, size), 0);
	stack_table_reset(&t, 3);
	assert_int_equal(t.epoch, 3);
	assert_null(stack_table_find(&t, 9));
	assert_int_equal(stack_table_add(&t, &s.record, size), 0);
	assert_int_equal(stack_table_find(&t, 9)->resolved_window, 0);
	stack_table_release(&t);
}

static void the_limit_is_kept(void **state)
{
	struct stack_table t = {0};
	struct sent_stack s;

	(void)state;
	for (uint64_t id = 1; id <= STACK_TABLE_STACKS_MAX; id++) {
		size_t size = make(&s, id, 0, 1);

		assert_int_equal(stack_table_add(&t, &s.record, size), 0);
	}
	size_t size = make(&s, STACK_TABLE_STACKS_MAX + 1, 0, 1);
	assert_int_equal(stack_table_add(&t, &s.record, size), -ENOSPC);
	assert_null(stack_table_find(&t, STACK_TABLE_STACKS_MAX + 1));
	stack_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_are_found_by_id),
		cmocka_unit_test(the_same_stack_twice_is_kept_once),
		cmocka_unit_test(sizes_that_contradict_are_refused),
		cmocka_unit_test(a_new_epoch_forgets),
		cmocka_unit_test(the_limit_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
