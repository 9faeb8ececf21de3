/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "unit/check.h"

static void monotonic_time_never_goes_back(void **state)
{
	(void)state;
	uint64_t last = clock_now_ns();

	for (int i = 0; i < 100000; i++) {
		uint64_t now = clock_now_ns();

		assert_true(now >= last);
		last = now;
	}
}

static void it_is_the_clock_of_the_kernel(void **state)
{
	(void)state;
	struct timespec now;
	uint64_t before = clock_now_ns();

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);

	uint64_t between = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;

	assert_true(before <= between);
	assert_true(between <= clock_now_ns());
}

static void wall_time_agrees_with_time(void **state)
{
	(void)state;
	uint64_t before = (uint64_t)time(NULL);
	uint64_t wall_s = clock_wall_now_ns() / NS_PER_S;

	assert_true(wall_s + 1 >= before);
	assert_true(wall_s <= (uint64_t)time(NULL) + 1);
}

static void the_offset_joins_both_clocks(void **state)
{
	(void)state;
	int64_t offset = clock_wall_offset_ns();
	uint64_t monotonic = clock_now_ns();
	uint64_t wall = clock_wall_now_ns();
	uint64_t gap = clock_now_ns() - monotonic;
	int64_t error = (int64_t)(wall - (monotonic + (uint64_t)offset));

	/* wall was read within gap after monotonic; 1 ms for a clock that is being slewed meanwhile. */
	assert_true(error >= -(int64_t)NS_PER_MS);
	assert_true(error <= (int64_t)(gap + NS_PER_MS));
}

static void cpu_time_grows_with_work_as_the_kernel_accounts_it(void **state)
{
	(void)state;
	uint64_t before = clock_process_cpu_ns();
	volatile uint64_t sum = 0;

	while (clock_process_cpu_ns() - before < 30 * NS_PER_MS)
		sum += 1;

	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);

	uint64_t accounted =
		(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
	uint64_t ours = clock_process_cpu_ns();

	assert_true(ours >= accounted - accounted / 10);
	assert_true(ours <= accounted + accounted / 10 + 20 * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(monotonic_time_never_goes_back),
		cmocka_unit_test(it_is_the_clock_of_the_kernel),
		cmocka_unit_test(wall_time_agrees_with_time),
		cmocka_unit_test(the_offset_joins_both_clocks),
		cmocka_unit_test(cpu_time_grows_with_work_as_the_kernel_accounts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
