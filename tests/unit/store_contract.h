/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store has to do. A test program of a store defines how to make one and runs STORE_CONTRACT_TESTS.
 *
 *	struct store *contract_create(uint64_t retention_ns, uint64_t limit_bytes);
 *
 * CONTRACT_LIMIT_BYTES may be defined before: small enough that some thousand windows of 1000 samples exceed it.
 * CONTRACT_KEEPS_SUMS says that history outlives its detail.
 */
#ifndef HEARTH_TESTS_STORE_CONTRACT_H
#define HEARTH_TESTS_STORE_CONTRACT_H

#include <errno.h>
#include <pthread.h>

#include "server/store/store.h"
#include "tests/unit/window_fixture.h"

#ifndef CONTRACT_LIMIT_BYTES
#define CONTRACT_LIMIT_BYTES (8u << 20)
#endif
#ifndef CONTRACT_KEEPS_SUMS
#define CONTRACT_KEEPS_SUMS 0
#endif

#define CONTRACT_START (1700000000 * NS_PER_S)
#define CONTRACT_SPAN  (10 * NS_PER_S)

static struct store *contract_create(uint64_t retention_ns, uint64_t limit_bytes);

/* Sums over what a scan brings, restricted to its range as readers do. */
struct contract_seen {
	const struct store_scan *scan;
	unsigned int windows;
	uint64_t samples;
	uint64_t cpu_ns;
	uint64_t last_start_ns;
	bool ordered;
	int stop_with; /* what the visitor returns */
};

static int contract_see(struct window *w, void *arg)
{
	struct contract_seen *seen = arg;

	seen->windows++;
	seen->ordered = seen->ordered && w->wall_start_ns >= seen->last_start_ns;
	seen->last_start_ns = w->wall_start_ns;
	for (uint32_t i = 0; i < w->sample_count; i++) {
		uint64_t time_ns = w->wall_start_ns + w->samples[i].time_us * NS_PER_US;

		if (time_ns < seen->scan->wall_from_ns ||
		    (seen->scan->wall_to_ns && time_ns >= seen->scan->wall_to_ns))
			continue;
		seen->samples += w->samples[i].weight;
		seen->cpu_ns += w->samples[i].weight * w->period_ns;
	}
	return seen->stop_with;
}

static struct contract_seen contract_scan(struct store *s, uint64_t from_ns, uint64_t to_ns)
{
	struct store_scan scan = {.wall_from_ns = from_ns, .wall_to_ns = to_ns};
	struct contract_seen seen = {.scan = &scan, .ordered = true};

	assert_int_equal(store_scan(s, &scan, contract_see, &seen), 0);
	assert_true(seen.ordered);
	return seen;
}

/* Window number @index with @samples samples, evenly over its 10 s. */
static int contract_append(struct store *s, unsigned int index, unsigned int samples)
{
	struct fixture f;
	uint64_t start_ns = CONTRACT_START + index * CONTRACT_SPAN;

	fixture_init(&f, start_ns, start_ns + CONTRACT_SPAN);
	uint32_t stack = fixture_stack(&f, "main;work");
	uint32_t labels = fixture_labels(&f, "comm=x,pid=1");
	for (unsigned int i = 0; i < samples; i++)
		fixture_samples(&f, i * (CONTRACT_SPAN / samples), stack, labels, 1);

	struct window *w = fixture_take(&f);
	int err = store_append(s, w);

	window_unref(w);
	return err;
}

static void an_empty_store_has_nothing(void **state)
{
	struct store *s = contract_create(0, 0);
	struct store_stats stats;

	(void)state;
	store_stats(s, &stats);
	assert_int_equal(stats.windows, 0);
	assert_int_equal(stats.oldest_wall_ns, 0);
	assert_int_equal(contract_scan(s, 0, 0).windows, 0);
	store_destroy(s);
}

static void every_sample_comes_back_once(void **state)
{
	struct store *s = contract_create(0, 0);
	struct store_stats stats;

	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(contract_append(s, i, 100), 0);
	assert_int_equal(contract_scan(s, 0, 0).samples, 2000);
	assert_int_equal(contract_scan(s, 0, 0).cpu_ns, 2000 * FIXTURE_PERIOD);
	store_stats(s, &stats);
	assert_int_equal(stats.appended, 20);
	assert_int_equal(stats.oldest_wall_ns, CONTRACT_START);
	assert_int_equal(stats.newest_wall_ns, CONTRACT_START + 20 * CONTRACT_SPAN);
	assert_true(stats.bytes > 0 && stats.bytes <= stats.limit_bytes);
	store_destroy(s);
}

static void a_range_is_exact_to_20_ms(void **state)
{
	struct store *s = contract_create(0, 0);

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(contract_append(s, i, 100), 0);
	/* A sample every 100 ms; borders between two samples. */
	assert_int_equal(
		contract_scan(s, CONTRACT_START + 50 * NS_PER_MS, CONTRACT_START + 350 * NS_PER_MS)
			.samples,
		3);
	assert_int_equal(contract_scan(s, CONTRACT_START + CONTRACT_SPAN - 250 * NS_PER_MS,
				       CONTRACT_START + CONTRACT_SPAN + 250 * NS_PER_MS)
				 .samples,
			 5);
	assert_int_equal(contract_scan(s, CONTRACT_START + 60 * NS_PER_S, 0).samples, 0);
	assert_int_equal(contract_scan(s, 0, CONTRACT_START).samples, 0);
	store_destroy(s);
}

static void a_visitor_can_stop(void **state)
{
	struct store *s = contract_create(0, 0);
	struct store_scan scan = {0};
	struct contract_seen seen = {.scan = &scan, .stop_with = -ECANCELED};

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(contract_append(s, i, 10), 0);
	assert_int_equal(store_scan(s, &scan, contract_see, &seen), -ECANCELED);
	assert_int_equal(seen.windows, 1);
	store_destroy(s);
}

static void what_is_too_old_goes(void **state)
{
	struct store *s = contract_create(60 * NS_PER_S, 0);
	struct store_stats stats;

	(void)state;
	for (unsigned int i = 0; i < 30; i++)
		assert_int_equal(contract_append(s, i, 10), 0);
	store_stats(s, &stats);
	assert_true(stats.newest_wall_ns - stats.oldest_wall_ns <= 60 * NS_PER_S + CONTRACT_SPAN);
	assert_true(stats.newest_wall_ns - stats.oldest_wall_ns >= 60 * NS_PER_S);
	assert_true(stats.evicted_for_age > 0);
	store_destroy(s);
}

static void the_limit_holds_and_the_oldest_goes_first(void **state)
{
	uint64_t limit = CONTRACT_LIMIT_BYTES;
	struct store *s = contract_create(1000000 * NS_PER_S, limit);
	struct store_stats stats;
	unsigned int count = 0;

	(void)state;
	do {
		assert_int_equal(contract_append(s, count, 1000), 0);
		store_stats(s, &stats);
		assert_true(stats.bytes <= limit);
		count++;
	} while (stats.evicted_for_room < 10 && count < 20000);
	assert_true(stats.evicted_for_room >= 10);
	if (!CONTRACT_KEEPS_SUMS)
		assert_true(stats.oldest_wall_ns > CONTRACT_START);
	/* The newest is whole. */
	assert_int_equal(contract_scan(s, CONTRACT_START + (count - 1) * CONTRACT_SPAN, 0).samples,
			 1000);
	store_destroy(s);
}

struct contract_race {
	struct store *store;
	bool stop;
};

static void *contract_read_on(void *arg)
{
	struct contract_race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE))
		(void)contract_scan(race->store, 0, 0);
	return NULL;
}

static void readers_and_the_writer_do_not_disturb_each_other(void **state)
{
	struct contract_race race = {.store = contract_create(60 * NS_PER_S, 0)};
	pthread_t readers[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, contract_read_on, &race), 0);
	for (unsigned int i = 0; i < 200; i++)
		assert_int_equal(contract_append(race.store, i, 10), 0);
	__atomic_store_n(&race.stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	store_destroy(race.store);
}

#define STORE_CONTRACT_TESTS                                                                       \
	cmocka_unit_test(an_empty_store_has_nothing),                                              \
		cmocka_unit_test(every_sample_comes_back_once),                                    \
		cmocka_unit_test(a_range_is_exact_to_20_ms), cmocka_unit_test(a_visitor_can_stop), \
		cmocka_unit_test(what_is_too_old_goes),                                            \
		cmocka_unit_test(the_limit_holds_and_the_oldest_goes_first),                       \
		cmocka_unit_test(readers_and_the_writer_do_not_disturb_each_other)

#endif
