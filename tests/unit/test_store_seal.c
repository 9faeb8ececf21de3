/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: files whose time has passed become smaller and say the same; whoever reads one meanwhile is not disturbed,
 * and at no moment is a sample there twice or not at all.
 */
#include "tests/unit/sqlite_fixture.h"

#define HOUR (3600 * NS_PER_S)

static struct store *store;
static struct world world;

static int set_up(void **state)
{
	(void)state;
	make_directory();
	world_init(&world, 21);
	store = open_store(0, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_destroy(store);
	remove_directory();
	world_release(&world);
	return 0;
}

static void append(uint64_t from_ns, uint64_t to_ns)
{
	for (uint64_t at = from_ns; at < to_ns; at += SPAN) {
		struct window *w = world_window(&world, at, SPAN);

		assert_int_equal(store_append(store, w), 0);
		window_unref(w);
	}
}

static void seal(void)
{
	assert_int_equal(sqlite_merge((struct store_sqlite *)store), 0);
	assert_int_equal(sqlite_seal((struct store_sqlite *)store), 0);
}

static const struct segment_list *detail(void)
{
	return &((struct store_sqlite *)store)->tiers[TIER_DETAIL];
}

static void reopen(void)
{
	store_destroy(store);
	store = open_store(0, 0);
}

static void check(struct tally *expected, struct store_scan scan)
{
	struct tally *seen = tally_scan(store, scan);

	assert_tallies_equal(expected, seen);
	tally_free(seen);
}

/* --- what it does ----------------------------------------------------------------------------------- */

static void a_sealed_hour_is_smaller_and_says_the_same(void **state)
{
	struct store_stats before, after;

	(void)state;
	append(T0, T0 + 2 * HOUR);

	struct tally *all = tally_scan(store, (struct store_scan){0});
	struct tally *lost = tally_scan(store, (struct store_scan){.wall_to_ns = T0 + HOUR});
	uint64_t bytes = detail()->items[0]->bytes;

	store_stats(store, &before);
	seal();
	store_stats(store, &after);
	assert_true(detail()->items[0]->sealed);
	assert_false(detail()->items[1]->sealed); /* it is being written */
	assert_true(detail()->items[0]->bytes < bytes);
	assert_int_equal(before.windows, after.windows);
	check(all, (struct store_scan){0});
	check(all, (struct store_scan){.resolution_ns = STORE_TOTALS});
	check(all, (struct store_scan){.resolution_ns = STORE_TOTALS, .borrows = true});
	reopen();
	assert_true(detail()->items[0]->sealed);
	check(all, (struct store_scan){0});

	struct tally *lost_after = tally_scan(store, (struct store_scan){.wall_to_ns = T0 + HOUR});

	assert_int_equal(lost->lost, lost_after->lost);
	tally_free(lost);
	tally_free(lost_after);
	tally_free(all);
}

/* Ranges that begin and end inside of blocks. */
static void any_range_of_a_sealed_hour_holds_the_same(void **state)
{
	struct store_scan scans[30];
	struct tally *expected[30];
	uint64_t seed = 3;

	(void)state;
	append(T0, T0 + HOUR + SPAN);
	append(T0 + HOUR + 6 * SPAN, T0 + HOUR + 8 * SPAN);
	for (int i = 0; i < 30; i++) {
		/* Whole windows: a sample may lie half a millisecond beside its time. */
		uint64_t from = T0 + next_random(&seed) % 360 * SPAN;

		scans[i] = (struct store_scan){
			.wall_from_ns = from,
			.wall_to_ns = from + (1 + next_random(&seed) % 200) * SPAN,
			.resolution_ns = i % 3 ? STORE_TOTALS : 0,
		};
		expected[i] = tally_scan(store, scans[i]);
	}
	seal();
	for (int i = 0; i < 30; i++) {
		struct tally *seen = tally_scan(store, scans[i]);
		int64_t off = (int64_t)(seen->total - expected[i]->total);

		assert_true(off >= -2 && off <= 2); /* at the borders */
		tally_free(seen);
		tally_free(expected[i]);
	}
}

static void times_and_cpus_stay(void **state)
{
	struct tally *before, *after;

	(void)state;
	append(T0, T0 + HOUR + 3 * SPAN);
	for (int step = 0; step < 50; step++) {
		/* 20 ms of one CPU's beat: what moved is missing here. */
		struct store_scan scan = {.wall_from_ns = T0 + (uint64_t)step * 70 * NS_PER_S};

		scan.wall_to_ns = scan.wall_from_ns + 20 * NS_PER_MS;
		before = tally_scan(store, scan);
		if (step == 0)
			seal();
		after = tally_scan(store, scan);
		assert_true(after->total <= before->total + 2 && before->total <= after->total + 2);
		tally_free(before);
		tally_free(after);
	}
}

static void a_sealed_file_opens_elsewhere(void **state)
{
	char first[64], command[400];

	(void)state;
	append(T0, T0 + HOUR);
	append(T0 + HOUR, T0 + HOUR + 3 * SPAN);
	seal();

	struct tally *hour = tally_scan(store, (struct store_scan){.wall_to_ns = T0 + HOUR});

	snprintf(first, sizeof(first), "%s", fixture_directory);
	make_directory();
	snprintf(command, sizeof(command), "cp %s/10s-20231115T000000Z-00.db %s/", first,
		 fixture_directory);
	assert_int_equal(system(command), 0);

	struct store *copy = open_store(0, 0);
	struct tally *seen = tally_scan(copy, (struct store_scan){0});

	assert_tallies_equal(hour, seen);
	tally_free(seen);
	tally_free(hour);
	store_destroy(copy);
	remove_directory();
	snprintf(fixture_directory, sizeof(fixture_directory), "%s", first);
}

/* --- what it does not disturb ----------------------------------------------------------------------- */

struct sealing_visitor {
	struct tally *seen;
	bool sealed;
};

static int seal_at_the_first(struct window *w, void *arg)
{
	struct sealing_visitor *v = arg;

	if (!v->sealed)
		seal();
	v->sealed = true;
	tally_add(v->seen, w);
	return 0;
}

static void a_scan_goes_on_with_the_file_it_began_with(void **state)
{
	struct sealing_visitor v = {.seen = tally_new(0, 0)};
	struct store_scan everything = {0};

	(void)state;
	append(T0,
	       T0 + 2 * HOUR + 2 * SPAN); /* the second hour is not open yet when it is sealed */

	struct tally *expected = tally_scan(store, everything);

	sqlite_close_readers((struct store_sqlite *)store, 0, 0);
	assert_int_equal(store_scan(store, &everything, seal_at_the_first, &v), 0);
	assert_tallies_equal(expected, v.seen);
	check(expected, everything);
	tally_free(expected);
	tally_free(v.seen);
}

static void what_comes_late_gets_another_file(void **state)
{
	(void)state;
	append(T0, T0 + HOUR + 2 * SPAN);
	seal();
	assert_int_equal(detail()->count, 2);
	append(T0 + HOUR / 2, T0 + HOUR / 2 + SPAN);
	assert_int_equal(detail()->count, 3);

	struct tally *expected = tally_scan(store, (struct store_scan){0});

	append(T0 + HOUR + 2 * SPAN, T0 + HOUR + 4 * SPAN);
	seal();
	assert_true(detail()->items[1]->sealed);
	reopen();

	struct tally *seen =
		tally_scan(store, (struct store_scan){.wall_to_ns = T0 + HOUR + 2 * SPAN});

	assert_int_equal(seen->total, expected->total);
	tally_free(seen);
	tally_free(expected);
}

/* --- what goes wrong -------------------------------------------------------------------------------- */

static void what_was_cut_short_is_removed(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	append(T0, T0 + HOUR + SPAN);

	struct tally *expected = tally_scan(store, (struct store_scan){0});

	store_destroy(store);
	snprintf(path, sizeof(path), "%s/10s-20231115T000000Z-00.db.new", fixture_directory);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("half a file", f);
	fclose(f);
	store = open_store(0, 0);
	assert_int_not_equal(access(path, F_OK), 0);
	check(expected, (struct store_scan){0});
	tally_free(expected);
}

static void a_damaged_file_is_set_aside_and_not_sealed(void **state)
{
	struct store_stats stats;
	char path[128];

	(void)state;
	append(T0, T0 + HOUR + 2 * SPAN);
	snprintf(path, sizeof(path), "%s/10s-20231115T000000Z-00.db", fixture_directory);

	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	for (off_t at = 4096 * 20; at < 4096 * 40; at += 512)
		assert_int_equal(pwrite(fd, "damaged", 7, at), 7);
	close(fd);
	seal();
	store_stats(store, &stats);
	assert_int_equal(stats.damaged, 1);
	assert_int_equal(detail()->count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sealed_hour_is_smaller_and_says_the_same),
		TEST(any_range_of_a_sealed_hour_holds_the_same),
		TEST(times_and_cpus_stay),
		TEST(a_sealed_file_opens_elsewhere),
		TEST(a_scan_goes_on_with_the_file_it_began_with),
		TEST(what_comes_late_gets_another_file),
		TEST(what_was_cut_short_is_removed),
		TEST(a_damaged_file_is_set_aside_and_not_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
