/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

#include "unit/check.h"

FAIL_ALLOCATIONS_SOFTLY();

static void content_survives_growth(void **state)
{
	(void)state;
	uint32_t *items = NULL;
	size_t capacity = 0;
	size_t moves = 0;

	for (uint32_t i = 0; i < 100000; i++) {
		size_t before = capacity;

		assert_int_equal(array_reserve((void **)&items, &capacity, i + 1, sizeof(*items)),
				 0);
		assert_true(capacity > i);
		moves += capacity != before;
		items[i] = i * 3;
	}
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(items[i], i * 3);
	assert_true(moves < 40); /* geometric: log(100000 / 16) / log(1.5) = 22 */
	free(items);
}

static void what_fits_is_left_alone(void **state)
{
	(void)state;
	char *items = NULL;
	size_t capacity = 0;

	assert_int_equal(array_reserve((void **)&items, &capacity, 0, 1), 0);
	assert_null(items);
	assert_int_equal(array_reserve((void **)&items, &capacity, 1000, 1), 0);
	assert_int_equal(capacity, 1000);

	char *before = items;

	assert_int_equal(array_reserve((void **)&items, &capacity, 1000, 1), 0);
	assert_ptr_equal(items, before);
	assert_int_equal(capacity, 1000);
	free(items);
}

static void failure_leaves_everything_as_it_was(void **state)
{
	(void)state;
	uint64_t *items = NULL;
	size_t capacity = 0;

	assert_int_equal(array_reserve((void **)&items, &capacity, 4, sizeof(*items)), 0);
	items[3] = 42;

	uint64_t *before = items;
	size_t capacity_before = capacity;

	/* More bytes than size_t can say, the product wrapping to a small one, and more than there is. */
	static const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 8 + 1, SIZE_MAX / 8 + 2,
					    SIZE_MAX / 16};

	for (size_t i = 0; i < ARRAY_SIZE(impossible); i++) {
		assert_int_equal(
			array_reserve((void **)&items, &capacity, impossible[i], sizeof(*items)),
			-ENOMEM);
		assert_ptr_equal(items, before);
		assert_int_equal(capacity, capacity_before);
	}
	assert_int_equal(items[3], 42);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_survives_growth),
		cmocka_unit_test(what_fits_is_left_alone),
		cmocka_unit_test(failure_leaves_everything_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
