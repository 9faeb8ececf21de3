// SPDX-License-Identifier: Apache-2.0
/*
 * What lies between two readings of the kernel's accounting: samples by their time and weight, cgroups without those
 * below them.
 */
#include "server/balance/interval.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "unit/check.h"

#define PERIOD_NS (10 * NS_PER_MS)

static const struct balance_group *group(const struct balance_row *r, const char *path)
{
	for (size_t i = 0; i < r->group_count; i++)
		if (!strcmp(strpool_get(&r->paths, r->groups[i].path), path))
			return &r->groups[i];
	return NULL;
}

static void samples_count_by_time_and_weight(void **state)
{
	struct window_sample samples[] = {
		{.time_us = 0, .labels = 0, .weight = 1},
		{.time_us = 1000000, .labels = 0, .weight = 2},
		{.time_us = 1999999, .labels = 1, .weight = 4},
		{.time_us = 2000000,
		 .labels = 0,
		 .weight = 8}, /* behind the end, which is exclusive */
	};
	struct window_label_set sets[] = {{0, 1}, {1, 0}};
	struct window w = {.wall_start_ns = 100 * NS_PER_S,
			   .wall_end_ns = 102 * NS_PER_S,
			   .period_ns = PERIOD_NS,
			   .samples = samples,
			   .sample_count = 4,
			   .label_sets = sets,
			   .label_set_count = 2};
	CLEANUP(balance_row_release) struct balance_row row = {0};
	struct window_label label;

	(void)state;
	assert_int_equal(strpool_add(&w.strings, "cgroup", &label.name), 0);
	assert_int_equal(strpool_add(&w.strings, "/app", &label.value), 0);
	w.labels = &label;
	w.label_count = 1;
	w.lost[LOST_LATE] = 3;

	assert_int_equal(interval_attribute(&w, 101 * NS_PER_S, 102 * NS_PER_S, &row), 0);
	assert_int_equal(row.samples, 2);
	assert_int_equal(row.attributed_ns, 6 * PERIOD_NS);
	assert_int_equal(group(&row, "/app")->attributed_ns, 2 * PERIOD_NS);
	assert_int_equal(group(&row, "/")->attributed_ns, 4 * PERIOD_NS); /* no label */
	assert_int_equal(row.lost_ns[LOST_LATE], 3 * PERIOD_NS);

	/* The losses of a window belong to the interval in which it ends. */
	assert_int_equal(interval_attribute(&w, 100 * NS_PER_S, 101 * NS_PER_S, &row), 0);
	assert_int_equal(row.samples, 3);
	assert_int_equal(row.lost_ns[LOST_LATE], 3 * PERIOD_NS);
	strpool_release(&w.strings);
}

static void cgroups_are_without_those_below(void **state)
{
	struct account_group before[] = {
		{.path = (char *)"/", .parent = ACCOUNTING_NO_PARENT, .usage_ns = 1000},
		{.path = (char *)"/a", .parent = 0, .usage_ns = 500},
	};
	struct account_group after[] = {
		{.path = (char *)"/", .parent = ACCOUNTING_NO_PARENT, .usage_ns = 2000},
		{.path = (char *)"/a", .parent = 0, .usage_ns = 900},
		{.path = (char *)"/a/new", .parent = 1, .usage_ns = 100},
	};
	struct interval i = {.before = {.wall_ns = 10, .groups = before, .group_count = 2},
			     .after = {.wall_ns = 30, .groups = after, .group_count = 3}};
	CLEANUP(balance_row_release) struct balance_row attributed = {0};
	CLEANUP(balance_row_release) struct balance_row row = {0};

	(void)state;
	assert_int_equal(interval_finish(&i, &attributed, &row), 0);
	assert_int_equal(row.covered_ns, 20);
	assert_int_equal(group(&row, "/")->kernel_ns, 600);
	assert_int_equal(group(&row, "/a")->kernel_ns, 300);
	assert_int_equal(group(&row, "/a/new")->kernel_ns, 100);
}

static void a_copy_stands_alone(void **state)
{
	char path[] = "/a";
	struct account_group groups[] = {
		{.path = path, .parent = ACCOUNTING_NO_PARENT, .usage_ns = 5}};
	const struct accounting from = {.wall_ns = 7, .groups = groups, .group_count = 1};
	CLEANUP(accounting_release) struct accounting copy = {0};

	(void)state;
	assert_int_equal(accounting_copy(&from, &copy), 0);
	path[1] = 'x';
	assert_int_equal(copy.wall_ns, 7);
	assert_int_equal(copy.group_count, 1);
	assert_string_equal(copy.groups[0].path, "/a");
	assert_int_equal(copy.groups[0].usage_ns, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_count_by_time_and_weight),
		cmocka_unit_test(cgroups_are_without_those_below),
		cmocka_unit_test(a_copy_stands_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
