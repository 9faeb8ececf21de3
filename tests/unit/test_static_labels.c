// SPDX-License-Identifier: Apache-2.0
/*
 * Static labels: copied, limited, and in force from when the loop takes them, the newest ones only.
 */
#include "profiler/static_labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profiler/profiler_internal.h"
#include "unit/check.h"

static void labels_are_copied(void **state)
{
	char name[] = "env", value[] = "test";
	const struct profiler_label given[] = {{name, value}, {"host", ""}};
	CLEANUP(static_labels_destroyp) struct static_labels *l = NULL;

	(void)state;
	assert_int_equal(static_labels_create(given, 2, &l), 0);
	memset(name, 'x', 3);
	memset(value, 'x', 4);
	assert_int_equal(l->count, 2);
	assert_string_equal(l->labels[0].name, "env");
	assert_string_equal(l->labels[0].value, "test");
	assert_string_equal(l->labels[1].name, "host");
	assert_string_equal(l->labels[1].value, "");
}

static void more_than_the_limit_are_refused(void **state)
{
	struct profiler_label given[PROFILER_LABELS_MAX + 1];
	CLEANUP(static_labels_destroyp) struct static_labels *l = NULL;

	(void)state;
	for (size_t i = 0; i <= PROFILER_LABELS_MAX; i++)
		given[i] = (struct profiler_label){"n", "v"};
	assert_int_equal(static_labels_create(given, PROFILER_LABELS_MAX + 1, &l), -E2BIG);
	assert_null(l);
	assert_int_equal(static_labels_create(given, PROFILER_LABELS_MAX, &l), 0);
	assert_int_equal(l->count, PROFILER_LABELS_MAX);
}

static void the_newest_come_into_force_when_taken(void **state)
{
	static struct profiler p = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct profiler_label too_many[PROFILER_LABELS_MAX + 1];
	const struct profiler_label first = {"env", "one"}, second = {"env", "two"};

	(void)state;
	for (size_t i = 0; i <= PROFILER_LABELS_MAX; i++)
		too_many[i] = first;
	assert_int_equal(profiler_set_labels(&p, &first, 1), 0);
	assert_null(p.labels);
	assert_int_equal(profiler_set_labels(&p, &second, 1), 0);
	assert_int_equal(profiler_set_labels(&p, too_many, PROFILER_LABELS_MAX + 1), -E2BIG);
	profiler_take_labels(&p);
	assert_ptr_equal(p.resolver.static_labels, p.labels);
	assert_int_equal(p.labels->count, 1);
	assert_string_equal(p.labels->labels[0].value, "two");

	const struct static_labels *before = p.labels;

	profiler_take_labels(&p); /* nothing new */
	assert_ptr_equal(p.labels, before);
	assert_int_equal(profiler_set_labels(&p, NULL, 0), 0);
	profiler_take_labels(&p);
	assert_int_equal(p.labels->count, 0);
	static_labels_destroy(p.labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_copied),
		cmocka_unit_test(more_than_the_limit_are_refused),
		cmocka_unit_test(the_newest_come_into_force_when_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
