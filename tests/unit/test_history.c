/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored windows and the open one as one sequence, time series and labels.
 */
#include "server/query/history.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/query/series.h"
#include "tests/unit/window_fixture.h"

#define NOW clock_wall_now_ns()

/* A profiler of which only the snapshot exists. */
struct source {
	uint64_t start_ns; /* of the open window */
	unsigned int samples;
	unsigned int taken;
	int error;
};

static struct window *make_window(uint64_t start_ns, uint64_t end_ns, unsigned int samples)
{
	struct fixture f;

	fixture_init(&f, start_ns, end_ns);
	fixture_samples(&f, 0, fixture_stack(&f, "main"), fixture_labels(&f, "comm=x"),
			(int)samples);
	return fixture_take(&f);
}

static int take_snapshot(void *arg, struct window **ret)
{
	struct source *source = arg;

	source->taken++;
	if (source->error)
		return source->error;
	*ret = make_window(source->start_ns, NOW, source->samples);
	return 0;
}

struct fixture_history {
	struct store *store;
	struct history *history;
	struct source source;
};

static void create(struct fixture_history *h)
{
	*h = (struct fixture_history){0};
	assert_int_equal(store_memory_create(NULL, &h->store), 0);
	assert_int_equal(history_create(h->store, take_snapshot, &h->source, &h->history), 0);
}

static void destroy(struct fixture_history *h)
{
	history_destroy(h->history);
	store_destroy(h->store);
}

static int count(struct window *w, void *arg)
{
	*(uint64_t *)arg += w->sample_count;
	return 0;
}

static uint64_t scan(struct fixture_history *h, uint64_t from_ns, uint64_t to_ns)
{
	struct store_scan range = {.wall_from_ns = from_ns, .wall_to_ns = to_ns};
	uint64_t samples = 0;

	assert_int_equal(history_scan(h->history, &range, count, &samples), 0);
	return samples;
}

static void append(struct fixture_history *h, uint64_t start_ns, uint64_t end_ns,
		   unsigned int samples)
{
	struct window *w = make_window(start_ns, end_ns, samples);

	assert_int_equal(history_append(h->history, w), 0);
	window_unref(w);
}

static void the_open_window_is_part_of_the_present(void **state)
{
	struct fixture_history h;
	uint64_t now_ns = NOW;

	(void)state;
	create(&h);
	append(&h, now_ns - 20 * NS_PER_S, now_ns - 5 * NS_PER_S, 10);
	h.source = (struct source){.start_ns = now_ns - 5 * NS_PER_S, .samples = 3};
	assert_int_equal(scan(&h, 0, now_ns), 13);
	destroy(&h);
}

static void a_window_that_closed_meanwhile_counts_once(void **state)
{
	struct fixture_history h;
	uint64_t start_ns = NOW - 5 * NS_PER_S;

	(void)state;
	create(&h);
	h.source = (struct source){.start_ns = start_ns, .samples = 3};
	assert_int_equal(scan(&h, 0, NOW), 3);
	append(&h, start_ns, NOW,
	       4); /* the same window, whole now, while its snapshot is still kept */
	assert_int_equal(scan(&h, 0, NOW), 4);
	destroy(&h);
}

/* Windows of other machines are in the store, and may be newer than the one that is open here. */
static void newer_windows_of_others_hide_nothing(void **state)
{
	struct fixture_history h;
	uint64_t now_ns = NOW;

	(void)state;
	create(&h);
	h.source = (struct source){.start_ns = now_ns - 5 * NS_PER_S, .samples = 3};

	struct window *w = make_window(now_ns - 5 * NS_PER_S, now_ns + 60 * NS_PER_S, 10);

	assert_int_equal(store_append(h.store, w), 0);
	window_unref(w);
	assert_int_equal(scan(&h, 0, now_ns + 100 * NS_PER_S), 13);
	destroy(&h);
}

struct closing {
	struct fixture_history *h;
	uint64_t start_ns;
	uint64_t samples;
};

/* While the store is read, the open window closes. */
static int close_while_read(struct window *w, void *arg)
{
	struct closing *c = arg;

	if (!c->samples)
		append(c->h, c->start_ns, NOW, 4);
	c->samples += w->sample_count;
	return 0;
}

static void a_window_that_closes_during_a_scan_counts_once(void **state)
{
	struct fixture_history h;
	struct store_scan range = {.wall_to_ns = NOW + NS_PER_S};
	struct closing c = {.h = &h, .start_ns = NOW - 5 * NS_PER_S};

	(void)state;
	create(&h);
	append(&h, NOW - 20 * NS_PER_S, NOW - 5 * NS_PER_S, 10);
	h.source = (struct source){.start_ns = c.start_ns, .samples = 3};
	assert_int_equal(history_scan(h.history, &range, close_while_read, &c), 0);
	assert_int_equal(c.samples, 13); /* as of its beginning */
	assert_int_equal(scan(&h, 0, NOW + NS_PER_S), 14);
	destroy(&h);
}

static void queries_close_together_share_a_snapshot(void **state)
{
	struct fixture_history h;

	(void)state;
	create(&h);
	h.source = (struct source){.start_ns = NOW - NS_PER_S, .samples = 1};
	for (int i = 0; i < 100; i++)
		(void)scan(&h, 0, NOW);
	assert_true(h.source.taken <= 3);
	assert_int_equal(history_snapshots(h.history), h.source.taken);
	destroy(&h);
}

static void who_waited_for_a_moment_gets_all_up_to_it(void **state)
{
	struct fixture_history h;

	(void)state;
	create(&h);
	h.source = (struct source){.start_ns = NOW - NS_PER_S, .samples = 1};
	(void)scan(&h, 0, NOW);

	uint64_t moment_ns = NOW; /* after that snapshot, but within what others would share */
	struct timespec pause = {.tv_nsec = 2 * NS_PER_MS};

	(void)nanosleep(&pause, NULL);
	h.source.samples = 2;

	struct store_scan range = {.wall_to_ns = moment_ns, .exact = true};
	uint64_t samples = 0;

	assert_int_equal(history_scan(h.history, &range, count, &samples), 0);
	assert_int_equal(samples, 2);
	assert_int_equal(h.source.taken, 2);
	destroy(&h);
}

static void a_snapshot_that_fails_leaves_the_past(void **state)
{
	struct fixture_history h;
	uint64_t now_ns = NOW;

	(void)state;
	create(&h);
	append(&h, now_ns - 20 * NS_PER_S, now_ns - 10 * NS_PER_S, 10);
	h.source.error = -ESHUTDOWN;
	assert_int_equal(scan(&h, 0, now_ns), 10);
	destroy(&h);
}

static struct query query_of(uint64_t from_ns, uint64_t to_ns)
{
	return (struct query){.wall_from_ns = from_ns, .wall_to_ns = to_ns};
}

static void series_know_what_was_not_sampled(void **state)
{
	struct fixture_history h;
	uint64_t start_ns = 1000 * NS_PER_S;
	struct series_set set;

	(void)state;
	create(&h);
	h.source.error = -ESHUTDOWN;
	append(&h, start_ns + 10 * NS_PER_S, start_ns + 25 * NS_PER_S, 100);

	struct query_engine engine = {.history = h.history};
	struct query q = query_of(start_ns, start_ns + 35 * NS_PER_S);

	assert_int_equal(query_series(&engine, &q, "comm", 10 * NS_PER_S, &set), 0);
	assert_int_equal(set.step_count, 4);
	assert_int_equal(set.count, 1);
	assert_string_equal(strpool_get(&set.strings, set.series[0].value), "x");
	assert_int_equal(set.series[0].total_ns, NS_PER_S);
	assert_int_equal(set.series[0].cpu_ns[1], NS_PER_S);
	assert_int_equal(set.series[0].samples[1], 100);
	assert_int_equal(set.covered_ns[0], 0);
	assert_int_equal(set.covered_ns[1], 10 * NS_PER_S);
	assert_int_equal(set.covered_ns[2], 5 * NS_PER_S);
	assert_int_equal(set.covered_ns[3], 0);
	series_set_release(&set);
	destroy(&h);
}

static void labels_are_listed_with_their_samples(void **state)
{
	struct fixture_history h;
	struct fixture f;
	struct label_list list;
	struct query q = query_of(0, 2000 * NS_PER_S);

	(void)state;
	create(&h);
	h.source.error = -ESHUTDOWN;
	fixture_init(&f, 1000 * NS_PER_S, 1010 * NS_PER_S);
	uint32_t stack = fixture_stack(&f, "main");
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=b,pod=p"), 2);
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=a"), 5);
	(void)fixture_labels(&f, "comm=unused,other=x");
	struct window *w = fixture_take(&f);
	assert_int_equal(history_append(h.history, w), 0);
	window_unref(w);

	struct query_engine engine = {.history = h.history};

	assert_int_equal(query_labels(&engine, &q, NULL, &list), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(strpool_get(&list.strings, list.items[0].text), "comm");
	assert_int_equal(list.items[0].samples, 7);
	assert_int_equal(list.items[1].samples, 2);
	label_list_release(&list);

	assert_int_equal(query_labels(&engine, &q, "comm", &list), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(strpool_get(&list.strings, list.items[0].text), "a");
	assert_int_equal(list.items[0].samples, 5);
	label_list_release(&list);
	destroy(&h);
}

static bool gone_at_the_third_look(void *arg)
{
	return ++*(unsigned int *)arg == 3;
}

static void a_query_ends_between_two_windows(void **state)
{
	struct fixture_history h;
	struct query_engine e = {0};
	unsigned int looks = 0;
	struct query q = {
		.wall_to_ns = NOW, .is_gone = gone_at_the_third_look, .is_gone_arg = &looks};
	struct series_set set = {0};
	struct profile *p = NULL;

	(void)state;
	create(&h);
	e.history = h.history;
	h.source.error = -ESHUTDOWN;
	for (uint64_t i = 20; i > 0; i--)
		append(&h, NOW - i * NS_PER_S, NOW - (i - 1) * NS_PER_S, 1);
	assert_int_equal(query_profile(&e, &q, &p), -ECANCELED);
	assert_int_equal(looks, 3);
	looks = 0;
	assert_int_equal(query_series(&e, &q, NULL, NOW, &set), -ECANCELED);
	assert_int_equal(looks, 3);
	assert_int_equal(atomic_load(&e.stopped_gone), 2);

	q.is_gone = NULL;
	q.deadline_ns = 1;
	assert_int_equal(query_profile(&e, &q, &p), -ETIMEDOUT);
	assert_int_equal(atomic_load(&e.stopped_time), 1);
	assert_null(p);
	q.deadline_ns = 0;
	assert_int_equal(query_profile(&e, &q, &p), 0);
	assert_int_equal(p->total_count, 20);
	profile_destroy(p);
	destroy(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_open_window_is_part_of_the_present),
		cmocka_unit_test(a_window_that_closed_meanwhile_counts_once),
		cmocka_unit_test(newer_windows_of_others_hide_nothing),
		cmocka_unit_test(a_window_that_closes_during_a_scan_counts_once),
		cmocka_unit_test(queries_close_together_share_a_snapshot),
		cmocka_unit_test(who_waited_for_a_moment_gets_all_up_to_it),
		cmocka_unit_test(a_snapshot_that_fails_leaves_the_past),
		cmocka_unit_test(series_know_what_was_not_sampled),
		cmocka_unit_test(labels_are_listed_with_their_samples),
		cmocka_unit_test(a_query_ends_between_two_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
