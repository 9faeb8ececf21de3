/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiler's life, on this machine. Needs the right to sample it (root).
 */
#include "profiler/profiler.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/check.h"
#include "unit/worker_main.h"

#define WAITERS 8

static char error_text[512];

/* Library code that prints or fails is seen here with its reason. */
static struct profiler *make(const struct profiler_options *options)
{
	struct profiler *p = NULL;

	if (profiler_create(options, &p, error_text, sizeof(error_text)))
		fail_msg("%s", error_text);
	return p;
}

static void start(struct profiler *p)
{
	if (profiler_start(p, error_text, sizeof(error_text)))
		fail_msg("%s", error_text);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void burn(uint64_t ns)
{
	uint64_t end = thread_cpu_ns() + ns;

	while (thread_cpu_ns() < end)
		;
}

/* CPU time of our samples in a window. */
static uint64_t own_cpu_ns(const struct window *w)
{
	char pid[16];
	uint64_t periods = 0;

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	for (uint32_t i = 0; i < w->sample_count; i++) {
		const struct window_label_set *set = &w->label_sets[w->samples[i].labels];

		for (uint32_t j = 0; j < set->count; j++) {
			const struct window_label *l = &w->labels[set->first + j];

			if (!strcmp(strpool_get(&w->strings, l->name), "pid") &&
			    !strcmp(strpool_get(&w->strings, l->value), pid))
				periods += w->samples[i].weight;
		}
	}
	return periods * w->period_ns;
}

/* What the header of window.h promises. */
static void assert_sound(const struct window *w)
{
	assert_true(w->wall_start_ns < w->wall_end_ns);
	for (uint32_t i = 0; i < w->sample_count; i++) {
		assert_true(w->samples[i].stack < w->stack_count);
		assert_true(w->samples[i].labels < w->label_set_count);
		assert_true(!i || w->samples[i - 1].time_us <= w->samples[i].time_us);
		assert_true(w->samples[i].time_us * NS_PER_US <= w->wall_end_ns - w->wall_start_ns);
	}
	for (uint32_t i = 0; i < w->stack_count; i++)
		assert_true(w->stacks[i].first + w->stacks[i].count <= w->stack_frame_count);
	for (uint32_t i = 0; i < w->stack_frame_count; i++)
		assert_true(w->stack_frames[i] < w->frame_count);
	for (uint32_t i = 0; i < w->frame_count; i++) {
		assert_true(w->frames[i].binary < w->binary_count);
		assert_true(w->frames[i].name < strpool_count(&w->strings));
	}
	for (uint32_t i = 0; i < w->label_count; i++) {
		assert_true(w->labels[i].name && w->labels[i].name < strpool_count(&w->strings));
		assert_true(w->labels[i].value && w->labels[i].value < strpool_count(&w->strings));
	}
}

static void a_snapshot_holds_all_up_to_the_call(void **state)
{
	const struct profiler_options options = {.frequency_hz = 997};
	struct profiler *p = make(&options);
	struct window *w = NULL;

	(void)state;
	start(p);
	uint64_t before_ns = clock_process_cpu_ns(); /* of the loop thread, too */
	burn(300 * NS_PER_MS);
	uint64_t used_ns = clock_process_cpu_ns() - before_ns, asked_ns = clock_now_ns();
	assert_int_equal(profiler_snapshot(p, &w), 0);
	assert_true(clock_now_ns() - asked_ns < 2 * NS_PER_S);
	assert_sound(w);
	assert_in_range(own_cpu_ns(w), used_ns * 85 / 100, used_ns * 120 / 100);

	/* The next one holds more; the one in hand stays as it is. */
	struct window *later = NULL;
	uint32_t samples = w->sample_count;
	burn(50 * NS_PER_MS);
	assert_int_equal(profiler_snapshot(p, &later), 0);
	assert_sound(later);
	assert_true(own_cpu_ns(later) > own_cpu_ns(w));
	assert_int_equal(w->sample_count, samples);
	profiler_destroy(p);
	assert_sound(w); /* outlives the profiler */
	window_unref(w);
	window_unref(later);
}

#define WINDOWS_MAX 4096

struct collected {
	struct window *windows[WINDOWS_MAX];
	size_t count, dropped;
};

static void collect(struct window *w, void *arg)
{
	struct collected *c = arg;

	/* On the loop thread, where the test cannot fail. */
	if (c->count < WINDOWS_MAX)
		c->windows[c->count++] = window_ref(w);
	else
		c->dropped++;
}

static void windows_follow_each_other_without_gaps(void **state)
{
	static struct collected c;
	const struct profiler_options options = {.frequency_hz = 499,
						 .window_ns = 100 * NS_PER_MS,
						 .on_window = collect,
						 .on_window_arg = &c};
	struct profiler *p = make(&options);
	struct profiler_stats stats;
	uint64_t own_ns = 0, all = 0;

	(void)state;
	start(p);
	uint64_t before_ns = clock_process_cpu_ns();
	burn(400 * NS_PER_MS);
	uint64_t used_ns = clock_process_cpu_ns() - before_ns;
	profiler_stop(p);
	assert_true(c.count >= 4);
	assert_int_equal(c.dropped, 0);
	for (size_t i = 0; i < c.count; i++) {
		assert_sound(c.windows[i]);
		if (i) /* the two clocks may be adjusted against each other */
			assert_in_range(c.windows[i]->wall_start_ns,
					c.windows[i - 1]->wall_end_ns - NS_PER_MS,
					c.windows[i - 1]->wall_end_ns + NS_PER_MS);
		own_ns += own_cpu_ns(c.windows[i]);
		all += c.windows[i]->sample_count;
	}
	for (size_t i = 0; i < c.count; i++)
		window_unref(c.windows[i]);
	assert_in_range(own_ns, used_ns * 85 / 100, used_ns * 120 / 100);
	profiler_stats(p, &stats);
	assert_int_equal(stats.samples_user + stats.samples_kernel, all);
	assert_int_equal(stats.sampled_cpus, 0); /* detached */
	assert_true(stats.bpf_map_bytes > 0);
	profiler_destroy(p);
}

static void a_stopped_profiler_has_no_snapshot(void **state)
{
	const struct profiler_options options = {0};
	struct profiler *p = make(&options);
	struct window *w = NULL;
	uint64_t asked_ns = clock_now_ns();

	(void)state;
	assert_int_equal(profiler_snapshot(p, &w), -ESHUTDOWN);
	start(p);
	profiler_stop(p);
	assert_int_equal(profiler_snapshot(p, &w), -ESHUTDOWN);
	assert_true(clock_now_ns() - asked_ns <
		    3 * NS_PER_S); /* at once, but for the machine's load */
	assert_null(w);
	profiler_stop(p); /* again: does nothing */
	profiler_destroy(p);
	profiler_destroy(NULL);
}

static void *wait_for_snapshot(void *arg)
{
	struct window *w = NULL;

	for (int i = 0; i < 5; i++) {
		if (profiler_snapshot(arg, &w))
			return arg;
		window_unref(w);
	}
	return NULL;
}

static void many_may_wait_at_once(void **state)
{
	const struct profiler_options options = {0};
	struct profiler *p = make(&options);
	pthread_t threads[WAITERS];
	void *failed;

	(void)state;
	start(p);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_snapshot, p), 0);
	for (int i = 0; i < WAITERS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	profiler_destroy(p);
}

static int count_open_files(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static void nothing_stays_open(void **state)
{
	const struct profiler_options options = {.frequency_hz = 4999};
	int before = count_open_files();

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct profiler *p = make(&options);

		if (round) {
			start(p);
			burn(20 * NS_PER_MS);
		}
		profiler_destroy(p);
		assert_int_equal(count_open_files(), before);
	}
}

static void a_budget_too_small_is_refused_with_a_reason(void **state)
{
	const struct profiler_options options = {.bpf_memory_bytes = 1};
	struct profiler *p = NULL;

	(void)state;
	error_text[0] = '\0';
	assert_int_not_equal(profiler_create(&options, &p, error_text, sizeof(error_text)), 0);
	assert_null(p);
	assert_non_null(strstr(error_text, "memory"));
	assert_null(strchr(error_text, '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_holds_all_up_to_the_call),
		cmocka_unit_test(windows_follow_each_other_without_gaps),
		cmocka_unit_test(a_stopped_profiler_has_no_snapshot),
		cmocka_unit_test(many_may_wait_at_once),
		cmocka_unit_test(nothing_stays_open),
		cmocka_unit_test(a_budget_too_small_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
