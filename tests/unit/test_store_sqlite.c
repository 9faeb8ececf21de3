/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store keeps the contract, gives back what it took sample for sample, and refuses what it does not
 * know.
 */
#include "tests/unit/sqlite_fixture.h"

#define CONTRACT_LIMIT_BYTES (1u << 20)
#define CONTRACT_KEEPS_SUMS  1
#include "tests/unit/store_contract.h"

#include <sqlite3.h>

static struct store *contract_create(uint64_t retention_ns, uint64_t limit_bytes)
{
	remove_directory();
	make_directory();
	return open_store(retention_ns, limit_bytes);
}

static int fresh(void **state)
{
	(void)state;
	if (*fixture_directory)
		remove_directory(); /* that of the test before */
	make_directory();
	return 0;
}

static int clean(void **state)
{
	(void)state;
	remove_directory();
	return 0;
}

/* --- sample for sample ------------------------------------------------------------------------------ */

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every sample as a line with its CPU and its time in steps of 20 ms, sorted. */
static char **lines_of(struct window **windows, size_t count, size_t *ret_count)
{
	char **lines = NULL;
	size_t line_count = 0;

	for (size_t i = 0; i < count; i++)
		line_count += windows[i]->sample_count;
	lines = calloc(line_count + 1, sizeof(*lines));
	line_count = 0;
	for (size_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < windows[i]->sample_count; k++) {
			auto_buffer text = BUFFER_INIT;
			const struct window_sample *s = &windows[i]->samples[k];

			buffer_printf(&text, "%u %u ", s->cpu, s->weight);
			describe_sample(windows[i], s, &text);
			lines[line_count++] = buffer_steal(&text, NULL);
		}
	qsort(lines, line_count, sizeof(*lines), compare_text);
	*ret_count = line_count;
	return lines;
}

static void free_lines(char **lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
	free(lines);
}

struct kept {
	struct window *windows[512];
	size_t count;
};

static int keep_visit(struct window *w, void *arg)
{
	struct kept *k = arg;

	assert_true(k->count < 512);
	k->windows[k->count++] = window_ref(w);
	return 0;
}

static void release_kept(struct kept *k)
{
	for (size_t i = 0; i < k->count; i++)
		window_unref(k->windows[i]);
}

static uint64_t sample_time_ns(const struct window *w, uint32_t i)
{
	return w->wall_start_ns + w->samples[i].time_us * NS_PER_US;
}

static void samples_come_back_with_cpu_stack_labels_and_time(void **state)
{
	static struct kept in, out;
	struct world v;
	struct store *s = open_store(0, 0);
	struct store_scan scan = {0};

	(void)state;
	in = out = (struct kept){0};
	world_init(&v, 1);
	for (int i = 0; i < 40; i++) {
		in.windows[in.count] = world_window(&v, T0 + i * SPAN, SPAN);
		assert_int_equal(store_append(s, in.windows[in.count++]), 0);
	}
	store_destroy(s);
	s = open_store(0, 0);
	assert_int_equal(store_scan(s, &scan, keep_visit, &out), 0);
	assert_int_equal(out.count, 40);
	for (size_t i = 0; i < 40; i++) {
		const struct window *a = in.windows[i], *b = out.windows[i];
		size_t a_count, b_count;
		char **a_lines = lines_of(&in.windows[i], 1, &a_count);
		char **b_lines = lines_of(&out.windows[i], 1, &b_count);

		assert_int_equal(a->wall_start_ns, b->wall_start_ns);
		assert_int_equal(a->wall_end_ns, b->wall_end_ns);
		assert_int_equal(a->period_ns, b->period_ns);
		assert_memory_equal(a->lost, b->lost, sizeof(a->lost));
		assert_int_equal(a_count, b_count);
		for (size_t k = 0; k < a_count; k++)
			assert_string_equal(a_lines[k], b_lines[k]);
		for (uint32_t k = 1; k < b->sample_count; k++)
			assert_true(b->samples[k - 1].time_us <= b->samples[k].time_us);
		for (uint32_t k = 0; k < b->sample_count; k++) {
			int64_t off = (int64_t)(sample_time_ns(a, k) - sample_time_ns(b, k));

			assert_true(off > -(int64_t)NS_PER_MS && off < (int64_t)NS_PER_MS);
		}
		free_lines(a_lines, a_count);
		free_lines(b_lines, b_count);
	}
	release_kept(&in);
	release_kept(&out);
	store_destroy(s);
	world_release(&v);
}

static void a_binary_comes_back_with_its_identity(void **state)
{
	static struct kept out;
	struct world v;
	struct store *s = open_store(0, 0);
	struct store_scan scan = {0};
	bool seen = false;

	(void)state;
	out = (struct kept){0};
	world_init(&v, 2);

	struct window *w = world_window(&v, T0, SPAN);

	assert_int_equal(store_append(s, w), 0);
	window_unref(w);
	assert_int_equal(store_scan(s, &scan, keep_visit, &out), 0);
	for (uint32_t i = 0; i < out.windows[0]->binary_count; i++) {
		struct binary *b = out.windows[0]->binaries[i];
		size_t count;

		if (binary_kind(b) != BINARY_ELF)
			continue;
		seen = true;
		assert_string_equal(binary_path(b), "/usr/bin/app");
		assert_true(build_id_equal(binary_build_id(b), binary_build_id(v.elf)));
		assert_true(binary_has_build_id(b));
		assert_int_equal(binary_segments(b, &count)[1].vaddr, 0x401000);
		assert_int_equal(count, 2);
		assert_int_equal(binary_fd(b), -1); /* no such file here */
	}
	assert_true(seen);
	release_kept(&out);
	store_destroy(s);
	world_release(&v);
}

/* --- hints ------------------------------------------------------------------------------------------- */

static void a_selector_brings_what_it_selects(void **state)
{
	struct world v;
	struct store *s = open_store(0, 0);
	struct selector *selector = NULL;
	char error[128];

	(void)state;
	world_init(&v, 3);
	struct tally *expected = tally_new(0, 0);

	assert_int_equal(selector_parse("{comm=~\"comm-[12]\"}", &selector, error, sizeof(error)),
			 0);
	for (int i = 0; i < 30; i++) {
		struct window *w = world_window(&v, T0 + i * SPAN, SPAN);

		assert_int_equal(store_append(s, w), 0);
		/* Weed the window by hand. */
		for (uint32_t k = 0; k < w->sample_count; k++) {
			auto_buffer text = BUFFER_INIT;

			describe_sample(w, &w->samples[k], &text);
			buffer_terminate(&text);
			if (!strstr(text.bytes, "comm=comm-1,") &&
			    !strstr(text.bytes, "comm=comm-2,"))
				w->samples[k].weight = 0;
		}
		struct window_sample *to = w->samples;
		for (uint32_t k = 0; k < w->sample_count; k++)
			if (w->samples[k].weight)
				*to++ = w->samples[k];
		w->sample_count = (uint32_t)(to - w->samples);
		tally_add(expected, w);
		window_unref(w);
	}
	struct tally *all = tally_scan(s, (struct store_scan){.selector = selector});
	struct tally *totals = tally_scan(
		s, (struct store_scan){.selector = selector, .resolution_ns = STORE_TOTALS});

	assert_true(expected->total > 0);
	assert_tallies_equal(expected, all);
	assert_tallies_equal(expected, totals);
	assert_int_equal(totals->windows, 1);
	tally_free(all);
	tally_free(totals);
	tally_free(expected);
	selector_destroy(selector);
	store_destroy(s);
	world_release(&v);
}

static void without_stacks_the_labels_stay(void **state)
{
	static struct kept out;
	struct world v;
	struct store *s = open_store(0, 0);
	struct store_scan scan = {.no_stacks = true};
	uint64_t weight = 0, expected = 0;

	(void)state;
	out = (struct kept){0};
	world_init(&v, 4);
	for (int i = 0; i < 3; i++) {
		struct window *w = world_window(&v, T0 + i * SPAN, SPAN);

		for (uint32_t k = 0; k < w->sample_count; k++)
			expected += w->samples[k].weight;
		assert_int_equal(store_append(s, w), 0);
		window_unref(w);
	}
	assert_int_equal(store_scan(s, &scan, keep_visit, &out), 0);
	for (size_t i = 0; i < out.count; i++) {
		assert_int_equal(out.windows[i]->frame_count, 0);
		assert_int_equal(out.windows[i]->stack_count, 1);
		for (uint32_t k = 0; k < out.windows[i]->sample_count; k++) {
			weight += out.windows[i]->samples[k].weight;
			assert_int_equal(out.windows[i]->samples[k].stack, 0);
			assert_true(out.windows[i]
					    ->label_sets[out.windows[i]->samples[k].labels]
					    .count > 0);
		}
	}
	assert_int_equal(weight, expected);
	release_kept(&out);
	store_destroy(s);
	world_release(&v);
}

/* --- files ------------------------------------------------------------------------------------------- */

static void append_windows(struct store *s, struct world *v, int first, int count)
{
	for (int i = first; i < first + count; i++) {
		struct window *w = world_window(v, T0 + (uint64_t)i * SPAN, SPAN);

		assert_int_equal(store_append(s, w), 0);
		window_unref(w);
	}
}

static void a_window_across_an_hour_is_in_both_files(void **state)
{
	struct world v;
	struct store *s = open_store(0, 0);
	struct tally *expected = tally_new(0, 0);
	char path[128];

	(void)state;
	world_init(&v, 5);
	struct window *w = world_window(&v, T0 + 3600 * NS_PER_S - 4 * NS_PER_S, SPAN);

	tally_add(expected, w);
	assert_int_equal(store_append(s, w), 0);
	window_unref(w);

	struct tally *seen = tally_scan(s, (struct store_scan){0});
	struct tally *before =
		tally_scan(s, (struct store_scan){.wall_to_ns = T0 + 3600 * NS_PER_S});

	assert_tallies_equal(expected, seen);
	assert_true(before->total > 0 && before->total < expected->total);
	snprintf(path, sizeof(path), "%s/10s-20231115T010000Z-00.db", fixture_directory);
	assert_int_equal(access(path, R_OK), 0);
	tally_free(seen);
	tally_free(before);
	tally_free(expected);
	store_destroy(s);
	world_release(&v);
}

static void one_file_opens_elsewhere(void **state)
{
	struct world v;
	struct store *s = open_store(0, 0);
	char from[128], command[400];
	char first[64];

	(void)state;
	world_init(&v, 6);
	append_windows(s, &v, 0, 20);
	struct tally *expected = tally_scan(s, (struct store_scan){0});

	/* While it is being written. */
	snprintf(first, sizeof(first), "%s", fixture_directory);
	snprintf(from, sizeof(from), "%s/10s-20231115T000000Z-00.db", first);
	make_directory();
	snprintf(command, sizeof(command), "cp %s %s/", from, fixture_directory);
	assert_int_equal(system(command), 0);

	struct store *copy = open_store(0, 0);
	struct tally *seen = tally_scan(copy, (struct store_scan){0});

	assert_tallies_equal(expected, seen);
	tally_free(seen);
	tally_free(expected);
	store_destroy(copy);
	remove_directory();
	snprintf(fixture_directory, sizeof(fixture_directory), "%s", first);
	store_destroy(s);
	world_release(&v);
}

static void another_version_is_left_alone(void **state)
{
	struct world v;
	struct store *s = open_store(0, 0);
	struct store_stats stats;
	char path[128];
	sqlite3 *db;

	(void)state;
	world_init(&v, 7);
	append_windows(s, &v, 0, 5);
	store_destroy(s);
	snprintf(path, sizeof(path), "%s/10s-20231115T000000Z-00.db", fixture_directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);

	s = open_store(0, 0);
	store_stats(s, &stats);
	assert_int_equal(stats.windows, 0);
	assert_int_equal(stats.damaged, 0);
	assert_true(stats.bytes > 0);
	/* Its name stays its own. */
	append_windows(s, &v, 5, 1);
	store_stats(s, &stats);
	assert_int_equal(stats.windows, 1);
	assert_int_equal(access(path, R_OK), 0);
	store_destroy(s);
	world_release(&v);
}

static void a_directory_has_one_user(void **state)
{
	struct store *s = open_store(0, 0);
	struct store *other = NULL;
	struct store_sqlite_options options = {.directory = fixture_directory};

	(void)state;
	assert_int_equal(store_sqlite_create(&options, &other), -EBUSY);
	assert_null(other);
	store_destroy(s);
	assert_int_equal(store_sqlite_create(&options, &other), 0);
	store_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_CONTRACT_TESTS,
		cmocka_unit_test_setup_teardown(samples_come_back_with_cpu_stack_labels_and_time,
						fresh, clean),
		cmocka_unit_test_setup_teardown(a_binary_comes_back_with_its_identity, fresh,
						clean),
		cmocka_unit_test_setup_teardown(a_selector_brings_what_it_selects, fresh, clean),
		cmocka_unit_test_setup_teardown(without_stacks_the_labels_stay, fresh, clean),
		cmocka_unit_test_setup_teardown(a_window_across_an_hour_is_in_both_files, fresh,
						clean),
		cmocka_unit_test_setup_teardown(one_file_opens_elsewhere, fresh, clean),
		cmocka_unit_test_setup_teardown(another_version_is_left_alone, fresh, clean),
		cmocka_unit_test_setup_teardown(a_directory_has_one_user, fresh, clean),
	};

	return cmocka_run_group_tests(tests, fresh, clean);
}
