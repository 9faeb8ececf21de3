/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of 5 minutes, an hour and a day: whatever range is asked for, it holds the same samples as the detail; the
 * budget and the retention hold, and detail goes first.
 */
#include "tests/unit/sqlite_fixture.h"

#define MINUTE (60 * NS_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* The same samples, kept here: what the store is held against. */
struct reference {
	struct window **windows;
	size_t count;
};

static struct store *store;
static struct world world;
static struct reference reference;

static int set_up(void **state)
{
	(void)state;
	make_directory();
	world_init(&world, 11);
	world.stacks = 60;
	world.processes = 6;
	world.cpus = 2;
	reference = (struct reference){.windows = calloc(20000, sizeof(struct window *))};
	store = open_store(0, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_destroy(store);
	remove_directory();
	for (size_t i = 0; i < reference.count; i++)
		window_unref(reference.windows[i]);
	free(reference.windows);
	world_release(&world);
	return 0;
}

static void append(uint64_t start_ns, uint64_t length_ns)
{
	struct window *w = world_window(&world, start_ns, length_ns);

	assert_int_equal(store_append(store, w), 0);
	reference.windows[reference.count++] = w;
}

/* One window in @every of SPAN, not aligned to anything. */
static void append_span(uint64_t from_ns, uint64_t to_ns, uint64_t every)
{
	for (uint64_t at = from_ns + 3 * NS_PER_S; at < to_ns; at += every * SPAN)
		append(at, SPAN);
}

static void merge(void)
{
	assert_int_equal(sqlite_merge((struct store_sqlite *)store), 0);
	assert_int_equal(sqlite_seal((struct store_sqlite *)store), 0);
}

static struct tally *expected(uint64_t from_ns, uint64_t to_ns)
{
	struct tally *t = tally_new(from_ns, to_ns);

	for (size_t i = 0; i < reference.count; i++)
		tally_add(t, reference.windows[i]);
	return t;
}

static size_t rows_of(enum tier tier)
{
	const struct segment_list *list = &((struct store_sqlite *)store)->tiers[tier];
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += list->items[i]->row_count;
	return count;
}

/* The range as the store tells it is the range as it was, at any resolution. */
static unsigned int check_range(uint64_t from_ns, uint64_t to_ns)
{
	static const uint64_t resolutions[] = {0, 5 * MINUTE, HOUR, STORE_TOTALS};
	unsigned int windows = 0;

	for (size_t i = 0; i < sizeof(resolutions) / sizeof(*resolutions); i++) {
		struct tally *want = expected(from_ns, to_ns);
		struct tally *seen =
			tally_scan(store, (struct store_scan){.wall_from_ns = from_ns,
							      .wall_to_ns = to_ns,
							      .resolution_ns = resolutions[i]});

		assert_tallies_equal(want, seen);
		windows = seen->windows;
		tally_free(want);
		tally_free(seen);
	}
	return windows;
}

static void sums_are_made_of_slots_that_have_passed(void **state)
{
	(void)state;
	append_span(T0, T0 + 12 * MINUTE, 1);
	merge();
	assert_int_equal(rows_of(TIER_5M), 2);
	assert_int_equal(rows_of(TIER_1H), 0);
	append_span(T0 + 12 * MINUTE, T0 + HOUR + MINUTE, 1);
	merge();
	assert_int_equal(rows_of(TIER_5M), 12);
	assert_int_equal(rows_of(TIER_1H), 1);
	merge();
	assert_int_equal(rows_of(TIER_5M), 12);
}

static void any_range_holds_the_same_samples(void **state)
{
	uint64_t seed = 5;

	(void)state;
	append_span(T0, T0 + 2 * DAY + 3 * HOUR, 17);
	merge();
	assert_int_equal(rows_of(TIER_1D), 2);
	for (int i = 0; i < 25; i++) {
		/* In steps of a second and a bit: samples lie within a millisecond of where they were. */
		uint64_t from = T0 + next_random(&seed) % (50 * 3600) * NS_PER_S + 500 * NS_PER_MS;
		uint64_t to = from + next_random(&seed) % (30 * 3600) * NS_PER_S;
		struct tally *want = expected(from, to);
		struct tally *seen =
			tally_scan(store, (struct store_scan){.wall_from_ns = from,
							      .wall_to_ns = to,
							      .resolution_ns = STORE_TOTALS});
		int64_t off = (int64_t)(want->total - seen->total);

		/* At each border a sample may be on the other side of it. */
		assert_true(off >= -4 && off <= 4);
		tally_free(want);
		tally_free(seen);
	}
	/* Where no sample lies near a border, it is exact. */
	assert_true(check_range(0, 0) <= 5);
	assert_true(check_range(T0, T0 + DAY) <= 2);
}

static void a_late_window_is_in_every_sum(void **state)
{
	(void)state;
	append_span(T0, T0 + 2 * HOUR, 5);
	merge();
	append(T0 + 17 * MINUTE + 56 * NS_PER_S, SPAN); /* into two slots of 5 minutes */
	append_span(T0 + 2 * HOUR, T0 + 3 * HOUR, 5);
	merge();
	check_range(0, 0);
	check_range(T0, T0 + HOUR);
}

static void a_restart_goes_on_where_it_was(void **state)
{
	(void)state;
	append_span(T0, T0 + 95 * MINUTE, 3);
	merge();
	store_destroy(store);
	store = open_store(0, 0);
	append_span(T0 + 95 * MINUTE, T0 + 4 * HOUR, 3);
	merge();
	assert_int_equal(rows_of(TIER_1H), 3);
	check_range(0, 0);
}

static void another_period_is_another_sum(void **state)
{
	static struct tally *want, *seen;

	(void)state;
	append_span(T0, T0 + 2 * MINUTE, 1);
	for (int i = 0; i < 12; i++) {
		append(T0 + 2 * MINUTE + (uint64_t)i * SPAN, SPAN);
		reference.windows[reference.count - 1]->period_ns /= 2; /* too late for the store */
	}
	store_destroy(store);
	remove_directory();
	make_directory();
	store = open_store(0, 0);
	for (size_t i = 0; i < reference.count; i++)
		assert_int_equal(store_append(store, reference.windows[i]), 0);
	append_span(T0 + 6 * MINUTE, T0 + 7 * MINUTE, 1);
	merge();
	assert_int_equal(rows_of(TIER_5M), 2);
	want = expected(0, 0);
	seen = tally_scan(store, (struct store_scan){.resolution_ns = STORE_TOTALS});
	assert_tallies_equal(want, seen);
	tally_free(want);
	tally_free(seen);
}

/* --- what is let go of ------------------------------------------------------------------------------- */

static void the_budget_holds_on_disk_and_detail_goes_first(void **state)
{
	const uint64_t limit = 2u << 20;
	struct store_stats stats;
	uint64_t total = 0;

	(void)state;
	store_destroy(store);
	store = open_store(0, limit);
	world.cpus = 6;
	for (uint64_t at = T0; at < T0 + 2 * DAY; at += 6 * SPAN) {
		struct window *w = world_window(&world, at, SPAN);

		for (uint32_t i = 0; i < w->sample_count; i++)
			total += w->samples[i].weight;
		assert_int_equal(store_append(store, w), 0);
		window_unref(w);
		if (at / SPAN % 30 == 0)
			merge();
		assert_true(directory_bytes() <= limit);
	}
	store_stats(store, &stats);
	assert_true(stats.evicted_for_room > 0);
	assert_int_equal(stats.refused, 0);
	/* The newest hour is whole, and what lost its detail still counts in sums. */
	struct tally *hour =
		tally_scan(store, (struct store_scan){.wall_from_ns = T0 + 2 * DAY - HOUR});
	struct tally *all = tally_scan(store, (struct store_scan){.resolution_ns = STORE_TOTALS});

	assert_int_equal(hour->windows, 60);
	assert_int_equal(all->total, total);
	tally_free(hour);
	tally_free(all);
}

static void without_detail_a_sum_is_spread_over_its_time(void **state)
{
	const struct segment_list *detail = &((struct store_sqlite *)store)->tiers[TIER_DETAIL];
	struct tally *want, *half, *rest;

	(void)state;
	append_span(T0, T0 + 3 * HOUR, 1);
	merge();
	want = expected(T0, T0 + HOUR);
	pthread_mutex_lock(&((struct store_sqlite *)store)->lock);
	while (detail->items[0]->start_ns < T0 + HOUR)
		sqlite_catalog_drop((struct store_sqlite *)store, TIER_DETAIL, 0);
	pthread_mutex_unlock(&((struct store_sqlite *)store)->lock);

	half = tally_scan(store,
			  (struct store_scan){.wall_from_ns = T0, .wall_to_ns = T0 + 32 * MINUTE});
	rest = tally_scan(store, (struct store_scan){.wall_from_ns = T0 + 32 * MINUTE,
						     .wall_to_ns = T0 + HOUR});
	assert_int_equal(half->total + rest->total, want->total);
	assert_true(half->total > want->total * 50 / 100 && half->total < want->total * 56 / 100);
	tally_free(half);
	tally_free(rest);
	tally_free(want);
}

static void retention_holds_for_every_tier(void **state)
{
	struct store_stats stats;

	(void)state;
	store_destroy(store);
	store = open_store(6 * HOUR, 0);
	append_span(T0, T0 + 30 * HOUR, 11);
	merge();
	append(T0 + 30 * HOUR, SPAN);
	store_stats(store, &stats);
	assert_true(stats.oldest_wall_ns >= T0 + 23 * HOUR);
	assert_true(stats.evicted_for_age > 0);
	struct tally *seen = tally_scan(store, (struct store_scan){.wall_to_ns = T0 + 23 * HOUR,
								   .resolution_ns = STORE_TOTALS});

	assert_int_equal(seen->total, 0);
	tally_free(seen);
}

static void a_timeseries_keeps_the_totals(void **state)
{
	(void)state;
	append_span(T0, T0 + DAY, 9);
	merge();
	struct tally *want = expected(0, 0);
	struct tally *seen = tally_scan(
		store, (struct store_scan){.resolution_ns = 10 * MINUTE, .no_stacks = true});

	assert_int_equal(seen->total, want->total);
	tally_free(want);
	tally_free(seen);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sums_are_made_of_slots_that_have_passed),
		TEST(any_range_holds_the_same_samples),
		TEST(a_late_window_is_in_every_sum),
		TEST(a_restart_goes_on_where_it_was),
		TEST(another_period_is_another_sum),
		TEST(the_budget_holds_on_disk_and_detail_goes_first),
		TEST(without_detail_a_sum_is_spread_over_its_time),
		TEST(retention_holds_for_every_tier),
		TEST(a_timeseries_keeps_the_totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
