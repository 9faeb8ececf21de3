/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges laid over each other, against a wall that is painted cell by cell. */
#include "symbolizer/paint.h"

#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "unit/check.h"

#define WALL 64

/* What shows at each cell if the coats are laid on in order; equal orders: the later range shows, as sorted by start. */
static void paint_cells(const struct paint_range *sorted, size_t count, uint32_t *cells)
{
	uint32_t top[WALL] = {0};
	bool covered[WALL] = {0};

	for (size_t i = 0; i < WALL; i++)
		cells[i] = PAINT_NOTHING;
	for (size_t i = 0; i < count; i++)
		for (uint32_t at = sorted[i].start; at < sorted[i].end && at < WALL; at++) {
			if (covered[at] && sorted[i].order < top[at])
				continue;
			covered[at] = true;
			top[at] = sorted[i].order;
			cells[at] = sorted[i].value;
		}
}

static uint32_t run_value_at(const struct paint *p, uint32_t at)
{
	uint32_t value = PAINT_NOTHING;

	for (size_t i = 0; i < p->run_count && p->runs[i].start <= at; i++)
		value = p->runs[i].value;
	return value;
}

static void assert_runs_are_tidy(const struct paint *p)
{
	for (size_t i = 1; i < p->run_count; i++) {
		assert_true(p->runs[i].start > p->runs[i - 1].start);
		assert_true(p->runs[i].value != p->runs[i - 1].value);
	}
	if (p->run_count) {
		assert_true(p->runs[0].value != PAINT_NOTHING);
		assert_true(p->runs[p->run_count - 1].value == PAINT_NOTHING);
	}
}

static void random_coats_show_as_on_a_wall_of_cells(void **state)
{
	struct paint p = {0};
	uint64_t random = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct paint_range ranges[12];
		size_t count = next_random(&random) % (ARRAY_SIZE(ranges) + 1);
		uint32_t cells[WALL];

		for (size_t i = 0; i < count; i++) {
			uint32_t start = next_random(&random) % WALL;
			uint32_t length = next_random(&random) % (WALL - start + 1);

			ranges[i] = (struct paint_range){
				.start = start,
				.end = start + length,
				.order = (uint32_t)
					i, /* distinct: what shows is not a matter of taste */
				.value = next_random(&random) % 5,
			};
		}
		assert_int_equal(paint_ranges(&p, ranges, count), 0);
		assert_runs_are_tidy(&p);
		paint_cells(ranges, count, cells);
		for (uint32_t at = 0; at < WALL; at++)
			assert_int_equal(run_value_at(&p, at), cells[at]);
	}
	paint_release(&p);
}

static void empty_and_backward_ranges_leave_no_trace(void **state)
{
	struct paint_range ranges[] = {{5, 5, 1, 1}, {9, 3, 2, 2}};
	struct paint p = {0};

	(void)state;
	assert_int_equal(paint_ranges(&p, ranges, ARRAY_SIZE(ranges)), 0);
	assert_int_equal(p.run_count, 0);
	assert_int_equal(paint_ranges(&p, NULL, 0), 0);
	assert_int_equal(p.run_count, 0);
	paint_release(&p);
	paint_release(NULL);
}

static void a_range_up_to_the_last_address_ends(void **state)
{
	struct paint_range ranges[] = {{10, UINT32_MAX, 1, 3}};
	struct paint p = {0};

	(void)state;
	assert_int_equal(paint_ranges(&p, ranges, 1), 0);
	assert_int_equal(p.run_count, 2);
	assert_int_equal(p.runs[0].start, 10);
	assert_int_equal(p.runs[1].start, UINT32_MAX);
	paint_release(&p);
}

/* A hundred thousand ranges nested into each other: quadratic work would take minutes. */
static void deep_nesting_takes_no_quadratic_time(void **state)
{
	static struct paint_range ranges[100000];
	struct paint p = {0};
	size_t count = ARRAY_SIZE(ranges);

	(void)state;
	for (uint32_t i = 0; i < count; i++)
		ranges[i] = (struct paint_range){i, 1000000 - i, i, i};
	assert_int_equal(paint_ranges(&p, ranges, count), 0);
	assert_int_equal(p.run_count, 2 * count);
	assert_int_equal(run_value_at(&p, 500000), count - 1);
	paint_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_coats_show_as_on_a_wall_of_cells),
		cmocka_unit_test(empty_and_backward_ranges_leave_no_trace),
		cmocka_unit_test(a_range_up_to_the_last_address_ends),
		cmocka_unit_test(deep_nesting_takes_no_quadratic_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
