/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crash, a bad disk or a full one may do to the files: the rest stays readable, nothing is counted twice,
 * nothing falls over.
 */
#include "tests/unit/sqlite_fixture.h"

#include <sys/mount.h>
#include <sys/wait.h>

#define HOUR (3600 * NS_PER_S)

static struct world world;

static int set_up(void **state)
{
	(void)state;
	make_directory();
	world_init(&world, 21);
	world.stacks = 80;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_directory();
	world_release(&world);
	return 0;
}

static void append(struct store *s, uint64_t start_ns)
{
	struct window *w = world_window(&world, start_ns, SPAN);

	assert_int_equal(store_append(s, w), 0);
	window_unref(w);
}

/* Three hours of windows a minute apart, with their sums; returns what the third hour holds. */
static uint64_t write_history(void)
{
	struct store *s = open_store(0, 0);
	struct tally *third;
	uint64_t total;

	for (int i = 0; i < 181; i++)
		append(s, T0 + (uint64_t)i * 60 * NS_PER_S);
	assert_int_equal(sqlite_merge((struct store_sqlite *)s), 0);
	third = tally_scan(
		s, (struct store_scan){.wall_from_ns = T0 + 2 * HOUR, .wall_to_ns = T0 + 3 * HOUR});
	total = third->total;
	tally_free(third);
	store_destroy(s);
	return total;
}

static const char *file_path(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", fixture_directory, name);
	return path;
}

#define FIRST_HOUR "10s-20231115T000000Z-00.db"

static void flip_bytes(const char *path, uint64_t seed, int count)
{
	int fd = open(path, O_RDWR);
	struct stat st;

	assert_true(fd >= 0 && !fstat(fd, &st));
	for (int i = 0; i < count; i++) {
		off_t at = (off_t)(next_random(&seed) % (uint64_t)st.st_size);
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= (uint8_t)(1 + next_random(&seed) % 255);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
}

/* Opens, reads everything in every way, appends, sums up: nothing may fail. */
static void use(uint64_t third_hour)
{
	static const uint64_t resolutions[] = {0, 300 * NS_PER_S, STORE_TOTALS};
	struct store *s = open_store(0, 0);

	for (size_t i = 0; i < 3; i++)
		tally_free(tally_scan(s, (struct store_scan){.resolution_ns = resolutions[i]}));
	struct tally *third = tally_scan(
		s, (struct store_scan){.wall_from_ns = T0 + 2 * HOUR, .wall_to_ns = T0 + 3 * HOUR});

	assert_int_equal(third->total, third_hour);
	tally_free(third);
	append(s, T0 + 4 * HOUR);
	assert_int_equal(sqlite_merge((struct store_sqlite *)s), 0);
	store_destroy(s);
}

static void copy_directory(const char *from, const char *to)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s && cp -r %s %s", to, from, to);
	assert_int_equal(system(command), 0);
}

static void flipped_bytes_cost_one_file(void **state)
{
	uint64_t third = write_history();
	char saved[80];

	(void)state;
	snprintf(saved, sizeof(saved), "%s.saved", fixture_directory);
	copy_directory(fixture_directory, saved);
	for (uint64_t seed = 1; seed <= 60; seed++) {
		copy_directory(saved, fixture_directory);
		flip_bytes(file_path(FIRST_HOUR), seed, seed % 3 ? 1 : 40);
		use(third);
	}
	copy_directory(saved, fixture_directory);
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s", saved);
	assert_int_equal(system(command), 0);
}

static void a_file_cut_short_costs_one_file(void **state)
{
	uint64_t third = write_history();
	char saved[80];
	struct stat st;

	(void)state;
	snprintf(saved, sizeof(saved), "%s.saved", fixture_directory);
	copy_directory(fixture_directory, saved);
	assert_int_equal(stat(file_path(FIRST_HOUR), &st), 0);
	for (off_t part = 0; part < 16; part++) {
		copy_directory(saved, fixture_directory);
		assert_int_equal(truncate(file_path(FIRST_HOUR), st.st_size * part / 16), 0);
		use(third);
	}
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s", saved);
	assert_int_equal(system(command), 0);
}

static void damage_is_counted_and_set_aside(void **state)
{
	struct store *s;
	struct store_stats stats;

	(void)state;
	(void)write_history();
	assert_int_equal(truncate(file_path(FIRST_HOUR), 5000), 0);
	s = open_store(0, 0);
	tally_free(tally_scan(s, (struct store_scan){0}));
	store_stats(s, &stats);
	assert_int_equal(stats.damaged, 1);
	assert_int_equal(access(file_path(FIRST_HOUR), F_OK), -1);
	assert_int_equal(access(file_path(FIRST_HOUR ".damaged"), F_OK), 0);
	/* The sums of its hours still answer. */
	struct tally *hour = tally_scan(
		s, (struct store_scan){.wall_to_ns = T0 + HOUR, .resolution_ns = STORE_TOTALS});

	assert_true(hour->total > 0);
	tally_free(hour);
	store_destroy(s);
}

/* --- killed ---------------------------------------------------------------------------------------------- */

/* Appends windows until it is killed; says so after each. */
static void append_until_killed(int to, uint64_t first)
{
	struct store *s = open_store(0, 0);

	for (uint64_t i = first;; i++) {
		struct window *w = world_window(&world, T0 + i * SPAN, SPAN);

		if (store_append(s, w) || write(to, &i, sizeof(i)) != sizeof(i))
			_exit(1);
		window_unref(w);
		if (i % 7 == 0 && sqlite_merge((struct store_sqlite *)s))
			_exit(1);
	}
}

static int count_windows(struct window *w, void *arg)
{
	uint64_t *seen = arg;
	uint64_t index = (w->wall_start_ns - T0) / SPAN;

	/* One that lies across an hour is in two files, but these start on full hours. */
	assert_true(w->wall_start_ns >= T0 && index < 100000);
	seen[index]++;
	return 0;
}

static void kill_9_costs_at_most_the_window_being_written(void **state)
{
	uint64_t *seen = calloc(100000, sizeof(*seen));
	uint64_t next = 0;
	uint64_t seed = 77;

	(void)state;
	/* On a slow machine more kills, until enough was written between them. */
	for (int round = 0; round < 100 || (next <= 100 && round < 2000); round++) {
		struct timespec wait = {
			.tv_nsec = (long)(2 * NS_PER_MS + next_random(&seed) % (25 * NS_PER_MS))};
		int ends[2];
		uint64_t index, acknowledged = UINT64_MAX;

		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();

		if (!child)
			append_until_killed(ends[1], next);
		close(ends[1]);
		nanosleep(&wait, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		while (read(ends[0], &index, sizeof(index)) == sizeof(index))
			acknowledged = index;
		close(ends[0]);
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		struct store *s = open_store(0, 0);
		struct store_scan scan = {0};
		struct store_stats stats;

		memset(seen, 0, 100000 * sizeof(*seen));
		assert_int_equal(store_scan(s, &scan, count_windows, seen), 0);
		store_stats(s, &stats);
		assert_int_equal(stats.damaged, 0);
		if (acknowledged != UINT64_MAX)
			next = acknowledged + 1;
		for (uint64_t i = 0; i < next; i++)
			assert_int_equal(seen[i], 1);
		/* The one that was being written may be there or not. */
		assert_true(seen[next] <= 1);
		next += seen[next];
		assert_int_equal(seen[next], 0);
		store_destroy(s);
	}
	assert_true(next > 100);

	/* Sums made between the kills hold the same samples as the detail. */
	struct store *s = open_store(0, 0);
	struct tally *detail = tally_scan(s, (struct store_scan){0});
	struct tally *sums = tally_scan(s, (struct store_scan){.resolution_ns = STORE_TOTALS});

	assert_tallies_equal(detail, sums);
	tally_free(detail);
	tally_free(sums);
	store_destroy(s);
	free(seen);
}

/* --- a full disk ------------------------------------------------------------------------------------------ */

static void a_full_disk_fills_memory_and_is_caught_up_with(void **state)
{
	struct store *s;
	struct store_stats stats;
	int filler;
	uint64_t start = T0;
	int failures = 0;

	(void)state;
	assert_int_equal(mount("hearth-test", fixture_directory, "tmpfs", 0, "size=1m"), 0);
	s = open_store(0, 1ull << 30);
	for (int i = 0; i < 5; i++, start += SPAN)
		append(s, start);
	filler = open(file_path("filler"), O_RDWR | O_CREAT, 0600);
	while (posix_fallocate(filler, 0, directory_bytes() + 4096) == 0)
		if (ftruncate(filler, (off_t)directory_bytes()))
			break;
	for (int i = 0; i < 20; i++, start += SPAN) {
		struct window *w = world_window(&world, start, SPAN);

		failures += store_append(s, w) != 0;
		window_unref(w);
	}
	store_stats(s, &stats);
	assert_true(failures > 0);
	assert_true(stats.waiting > 0);

	/* All is seen, though some of it is in memory only. */
	struct tally *seen = tally_scan(s, (struct store_scan){0});

	assert_int_equal(seen->windows, 25);
	assert_int_equal(ftruncate(filler, 0), 0);
	append(s, start);
	store_stats(s, &stats);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.refused, 0);
	store_destroy(s);
	s = open_store(0, 0);
	struct tally *again = tally_scan(s, (struct store_scan){.wall_to_ns = start});

	assert_tallies_equal(seen, again);
	assert_int_equal(again->windows, 25);
	tally_free(seen);
	tally_free(again);
	store_destroy(s);
	close(filler);
	assert_int_equal(umount(fixture_directory), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flipped_bytes_cost_one_file),
		TEST(a_file_cut_short_costs_one_file),
		TEST(damage_is_counted_and_set_aside),
		TEST(kill_9_costs_at_most_the_window_being_written),
		TEST(a_full_disk_fills_memory_and_is_caught_up_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
