// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "profiler/governor.h"
#include "unit/check.h"

#define BUDGET_NS (10 * NS_PER_MS) /* a second */

/* A machine on which a sample costs something, and process events come however few samples are taken. */
struct machine {
	struct governor g;
	uint64_t now_ns, sampling_ns, other_ns;
	uint64_t sampling_full_ns; /* a second, unthinned */
	uint64_t events_ns;	   /* a second */
	uint64_t others_ns;	   /* a second */
};

static void start(struct machine *m, uint64_t budget_ns)
{
	*m = (struct machine){.now_ns = 1000 * NS_PER_S};
	governor_init(&m->g, budget_ns);
}

/* @ret: CPU time of the last second */
static uint64_t second(struct machine *m)
{
	uint64_t sampling =
		m->g.is_stopped ? 0 : m->sampling_full_ns / m->g.thinning + m->events_ns;

	m->now_ns += NS_PER_S;
	m->sampling_ns += sampling;
	m->other_ns += m->others_ns;
	(void)governor_tell(&m->g, m->now_ns, m->sampling_ns, m->other_ns);
	return sampling + m->others_ns;
}

static uint64_t run(struct machine *m, int seconds)
{
	uint64_t spent = 0;

	for (int i = 0; i < seconds; i++)
		spent = second(m);
	return spent;
}

static void test_without_a_budget_nothing_is_thinned(void **state)
{
	struct machine m;

	(void)state;
	start(&m, 0);
	m.sampling_full_ns = NS_PER_S;
	(void)run(&m, 100);
	assert_int_equal(m.g.thinning, 1);
	assert_false(m.g.is_stopped);
}

static void test_within_the_budget_nothing_is_thinned(void **state)
{
	struct machine m;

	(void)state;
	start(&m, BUDGET_NS);
	m.sampling_full_ns = BUDGET_NS - NS_PER_MS;
	(void)run(&m, 100);
	assert_int_equal(m.g.thinning, 1);
}

static void test_cost_is_brought_within_the_budget(void **state)
{
	(void)state;
	for (uint64_t times = 2; times <= 60; times++) {
		struct machine m;

		start(&m, BUDGET_NS);
		m.sampling_full_ns = times * BUDGET_NS;
		assert_in_range(run(&m, 20), 0, BUDGET_NS);
		assert_false(m.g.is_stopped);
		/* and not to less than it takes: half as thin would have been too much */
		assert_true(2 * m.sampling_full_ns / m.g.thinning > BUDGET_NS);
	}
}

static void test_it_does_not_swing(void **state)
{
	struct machine m;
	int changes = 0;

	(void)state;
	start(&m, BUDGET_NS);
	m.sampling_full_ns = 5 * BUDGET_NS;
	(void)run(&m, 60);
	for (int i = 0; i < 600; i++) {
		uint32_t before = m.g.thinning;

		(void)second(&m);
		changes += m.g.thinning != before;
	}
	assert_int_equal(changes, 0);
}

static void test_dense_again_when_there_is_room(void **state)
{
	struct machine m;

	(void)state;
	start(&m, BUDGET_NS);
	m.sampling_full_ns = 20 * BUDGET_NS;
	(void)run(&m, 30);
	assert_int_equal(m.g.thinning, 32);
	m.sampling_full_ns = BUDGET_NS / 10;
	(void)run(&m, 10);
	assert_true(m.g.thinning > 1); /* not at the first quiet moment */
	(void)run(&m, 110);
	assert_int_equal(m.g.thinning, 1);
}

static void test_others_leave_half(void **state)
{
	struct machine m;

	(void)state;
	start(&m, BUDGET_NS);
	m.sampling_full_ns = BUDGET_NS * 4 / 5;
	m.others_ns = 100 * BUDGET_NS; /* symbol files of a whole machine, say */
	(void)run(&m, 60);
	assert_int_equal(m.g.thinning, 2);
	assert_false(m.g.is_stopped);
}

static void test_stops_where_thinning_does_not_help(void **state)
{
	struct machine m;
	int stopped = 0;

	(void)state;
	start(&m, BUDGET_NS);
	m.sampling_full_ns = BUDGET_NS;
	m.events_ns = 5 * BUDGET_NS;
	(void)run(&m, 30);
	assert_int_equal(m.g.thinning, GOVERNOR_THINNING_MAX);
	assert_true(m.g.is_stopped);
	for (int i = 0; i < 300; i++) {
		(void)second(&m);
		stopped += m.g.is_stopped;
	}
	assert_in_range(stopped, 200, 290); /* it tries again, for a while each */
	m.events_ns = 0;
	(void)run(&m, 300);
	assert_false(m.g.is_stopped);
	assert_int_equal(m.g.thinning, 1);
}

static void test_time_that_stands_still(void **state)
{
	struct machine m;

	(void)state;
	start(&m, BUDGET_NS);
	(void)run(&m, 3);
	assert_false(governor_tell(&m.g, m.now_ns, m.sampling_ns + NS_PER_S, m.other_ns));
}

static void test_a_clock_that_went_back_a_little(void **state)
{
	struct machine m;

	(void)state;
	start(&m, BUDGET_NS);
	m.others_ns = m.sampling_full_ns = NS_PER_MS;
	(void)run(&m, 10);
	m.now_ns += NS_PER_S;
	(void)governor_tell(&m.g, m.now_ns, m.sampling_ns - 3, m.other_ns - 3);
	assert_in_range(m.g.other_rate_ns, 0, NS_PER_MS);
	assert_in_range(m.g.sampling_rate_ns, 0, NS_PER_MS);
	assert_int_equal(m.g.thinning, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_budget_nothing_is_thinned),
		cmocka_unit_test(test_within_the_budget_nothing_is_thinned),
		cmocka_unit_test(test_cost_is_brought_within_the_budget),
		cmocka_unit_test(test_it_does_not_swing),
		cmocka_unit_test(test_dense_again_when_there_is_room),
		cmocka_unit_test(test_others_leave_half),
		cmocka_unit_test(test_stops_where_thinning_does_not_help),
		cmocka_unit_test(test_time_that_stands_still),
		cmocka_unit_test(test_a_clock_that_went_back_a_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
