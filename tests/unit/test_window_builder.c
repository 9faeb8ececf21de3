/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/window_builder.h"

#include <errno.h>
#include <string.h>

#include "unit/check.h"

static struct binary *binary;

static int set_up(void **state)
{
	struct window_builder *b = test_malloc(sizeof(*b));

	assert_int_equal(binary_create_special(BINARY_UNKNOWN, "[x]", &binary), 0);
	window_builder_init(b, NULL);
	window_builder_open(b, 1000000, 5000000000, 10101010);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	window_builder_release(*state);
	test_free(*state);
	binary_unref(binary);
	return 0;
}

static uint32_t add_frame(struct window_builder *b, uint64_t addr, const char *name)
{
	struct window_frame f = {.addr = addr};
	uint32_t id;

	assert_int_equal(window_builder_binary(b, binary, &f.binary), 0);
	assert_int_equal(window_builder_string(b, name, &f.name), 0);
	assert_int_equal(window_builder_frame(b, &f, &id), 0);
	return id;
}

static void add_sample(struct window_builder *b, uint64_t time_ns, uint32_t stack)
{
	const struct window_sample s = {.stack = stack, .weight = 1};

	assert_int_equal(window_builder_sample(b, time_ns, &s), 0);
}

static void equal_things_are_stored_once(void **state)
{
	struct window_builder *b = *state;
	uint32_t one = add_frame(b, 1, ""), two = add_frame(b, 2, "f");
	uint32_t frames[] = {one, two, one}, stack, same, other;

	assert_int_equal(add_frame(b, 1, ""), one);
	assert_int_not_equal(add_frame(b, 1, "f"), one);
	assert_int_equal(b->w.binary_count, 1);

	assert_int_equal(window_builder_stack(b, frames, 3, STACK_COMPLETE, &stack), 0);
	assert_int_equal(window_builder_stack(b, frames, 3, STACK_COMPLETE, &same), 0);
	assert_int_equal(stack, same);
	assert_int_equal(window_builder_stack(b, frames, 2, STACK_COMPLETE, &other), 0);
	assert_int_not_equal(stack, other);
	assert_int_equal(window_builder_stack(b, frames, 3, STACK_FAILED, &other), 0);
	assert_int_not_equal(stack, other);
	assert_int_equal(window_builder_stack(b, NULL, 0, STACK_COMPLETE, &other), 0);
	assert_int_equal(window_builder_stack(b, NULL, 0, STACK_COMPLETE, &same), 0);
	assert_int_equal(other, same);
	assert_int_equal(b->w.stack_count, 4);
}

static struct window_label label(struct window_builder *b, const char *name, const char *value)
{
	struct window_label l;

	assert_int_equal(window_builder_string(b, name, &l.name), 0);
	assert_int_equal(window_builder_string(b, value, &l.value), 0);
	return l;
}

static void label_sets_are_sorted_by_name_and_unique(void **state)
{
	struct window_builder *b = *state;
	struct window_label forward[3] = {label(b, "tid", "1"), label(b, "comm", "x"),
					  label(b, "pid", "1")};
	struct window_label backward[3] = {forward[2], forward[1], forward[0]};
	uint32_t one, two;

	assert_int_equal(window_builder_labels(b, forward, 3, &one), 0);
	assert_int_equal(window_builder_labels(b, backward, 3, &two), 0);
	assert_int_equal(one, two);
	const struct window_label *set = &b->w.labels[b->w.label_sets[one].first];
	assert_string_equal(strpool_get(&b->w.strings, set[0].name), "comm");
	assert_string_equal(strpool_get(&b->w.strings, set[1].name), "pid");
	assert_string_equal(strpool_get(&b->w.strings, set[2].name), "tid");
	backward[0] = label(b, "comm", "y");
	assert_int_equal(window_builder_labels(b, backward, 3, &two), 0);
	assert_int_not_equal(one, two);
}

static void samples_are_in_order_of_time(void **state)
{
	struct window_builder *b = *state;
	struct window *w;

	add_sample(b, 1000000 + 5000, 5);
	add_sample(b, 1000000 + 9000, 9);
	add_sample(b, 1000000 + 7000, 7);
	add_sample(b, 1000, 0); /* before the start: at the start */
	add_sample(b, 1000000 + 7000, 8);
	assert_int_equal(window_builder_finish(b, 6000000000, &w), 0);
	static const uint32_t times[] = {0, 5, 7, 7, 9}, stacks[] = {0, 5, 7, 8, 9};
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(w->samples[i].time_us, times[i]);
		assert_int_equal(w->samples[i].stack, stacks[i]);
	}
	assert_int_equal(w->wall_start_ns, 5000000000);
	assert_int_equal(w->wall_end_ns, 6000000000);
	assert_int_equal(w->period_ns, 10101010);
	window_unref(w);
}

static void a_copy_is_equal_and_independent(void **state)
{
	struct window_builder *b = *state;
	struct window *copy, *w;
	uint32_t frames[] = {add_frame(b, 7, "seven"), add_frame(b, 8, "eight")}, stack;

	assert_int_equal(window_builder_stack(b, frames, 2, STACK_TRUNCATED, &stack), 0);
	add_sample(b, 2000000, stack);
	b->w.lost[LOST_LATE] = 3;
	assert_int_equal(window_builder_copy(b, 5500000000, &copy), 0);

	/* Going on changes nothing in the copy. */
	add_frame(b, 9, "nine");
	add_sample(b, 3000000, stack);
	assert_int_equal(copy->frame_count, 2);
	assert_int_equal(copy->sample_count, 1);
	assert_int_equal(copy->lost[LOST_LATE], 3);
	assert_int_equal(copy->wall_end_ns, 5500000000);
	assert_string_equal(strpool_get(&copy->strings, copy->frames[0].name), "seven");
	assert_string_equal(strpool_get(&copy->strings, copy->frames[1].name), "eight");
	assert_int_equal(copy->stacks[0].verdict, STACK_TRUNCATED);

	assert_int_equal(window_builder_finish(b, 6000000000, &w), 0);
	assert_int_equal(w->sample_count, 2);
	assert_true(window_bytes(w) > sizeof(*w));
	window_unref(w);
	assert_string_equal(binary_path(copy->binaries[0]), "[x]"); /* has its own reference */
	window_unref(copy);
}

static void an_empty_window_can_be_copied_and_finished(void **state)
{
	struct window *w;

	assert_int_equal(window_builder_copy(*state, 1, &w), 0);
	assert_int_equal(w->sample_count, 0);
	window_unref(w);
	assert_int_equal(window_builder_finish(*state, 1, &w), 0);
	assert_int_equal(w->stack_count, 0);
	window_unref(w);
}

static void the_next_window_starts_empty(void **state)
{
	struct window_builder *b = *state;
	struct window *w;
	uint64_t serial = b->serial;

	add_frame(b, 7, "seven");
	add_sample(b, 2000000, 0);
	assert_int_equal(window_builder_finish(b, 1, &w), 0);
	window_unref(w);
	window_builder_open(b, 2000000, 1, 1);
	assert_int_equal(b->w.sample_count, 0);
	assert_int_equal(strpool_count(&b->w.strings), 1);
	assert_int_not_equal(b->serial, serial);
	assert_int_equal(add_frame(b, 8, ""), 0); /* counts from zero, finds nothing old */
}

static void limits_refuse_and_keep_what_is_there(void **state)
{
	const struct window_limits limits = {.samples = 2,
					     .stacks = 1,
					     .stack_frames = 4,
					     .frames = 1,
					     .label_sets = 1,
					     .binaries = 1,
					     .string_bytes = 1};
	struct window_builder b;
	struct window_frame f = {.addr = 1};
	struct window_label labels[1] = {{1, 1}};
	struct binary *other;
	uint32_t frames[5] = {0}, id, text;
	const struct window_sample s = {.weight = 1};

	(void)state;
	window_builder_init(&b, &limits);
	window_builder_open(&b, 0, 0, 1);
	assert_int_equal(binary_create_special(BINARY_UNKNOWN, "[y]", &other), 0);
	assert_int_equal(window_builder_binary(&b, binary, &id), 0);
	assert_int_equal(window_builder_binary(&b, other, &id), -ENOSPC);
	assert_int_equal(window_builder_binary(&b, binary, &id), 0);
	binary_unref(other);
	assert_int_equal(window_builder_frame(&b, &f, &id), 0);
	f.addr = 2;
	assert_int_equal(window_builder_frame(&b, &f, &id), -ENOSPC);
	assert_int_equal(window_builder_stack(&b, frames, 5, STACK_COMPLETE, &id), -ENOSPC);
	assert_int_equal(window_builder_stack(&b, frames, 4, STACK_COMPLETE, &id), 0);
	assert_int_equal(window_builder_stack(&b, frames, 4, STACK_COMPLETE, &id), 0);
	assert_int_equal(window_builder_stack(&b, frames, 3, STACK_COMPLETE, &id), -ENOSPC);
	assert_int_equal(window_builder_stack(&b, frames, UINT16_MAX + 1ul, STACK_COMPLETE, &id),
			 -EINVAL);
	assert_int_equal(window_builder_string(&b, "a", &text), 0);
	assert_int_equal(window_builder_string(&b, "b", &text), -ENOSPC);
	assert_int_equal(window_builder_labels(&b, labels, 1, &id), 0);
	labels[0].value = 0;
	assert_int_equal(window_builder_labels(&b, labels, 1, &id), -ENOSPC);
	assert_int_equal(window_builder_sample(&b, 1, &s), 0);
	assert_int_equal(window_builder_sample(&b, 1, &s), 0);
	assert_int_equal(window_builder_sample(&b, 1, &s), -ENOSPC);
	assert_int_equal(b.w.sample_count, 2);
	window_builder_release(&b);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_things_are_stored_once),
		TEST(label_sets_are_sorted_by_name_and_unique),
		TEST(samples_are_in_order_of_time),
		TEST(a_copy_is_equal_and_independent),
		TEST(an_empty_window_can_be_copied_and_finished),
		TEST(the_next_window_starts_empty),
		TEST(limits_refuse_and_keep_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
