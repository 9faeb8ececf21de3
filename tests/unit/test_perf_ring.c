/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own records, of processes that this test makes. Needs the right to follow the machine (root).
 */
#include "profiler/perf_ring.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/online_cpus.h"
#include "profiler/sideband.h"
#include "unit/check.h"

#define RING_BYTES (64u << 10)

struct seen {
	uint32_t child;
	uint64_t begin_ns;
	bool fork, exec, map_of_true, exit;
	int records;
	bool times_are_right;
	uint64_t lost;
};

static int look(const void *record, size_t size, void *arg)
{
	struct seen *s = arg;
	struct sideband_event e;

	s->records++;
	assert_int_equal(sideband_parse(record, size, &e), 0);
	if (e.time_ns < s->begin_ns || e.time_ns > clock_now_ns())
		s->times_are_right = false;
	s->lost += e.type == SIDEBAND_LOST ? e.lost_count : 0;
	if (!s->child || e.tgid != s->child)
		return 0;
	s->fork |= e.type == SIDEBAND_FORK && e.parent_tgid == (uint32_t)getpid();
	s->exec |= e.type == SIDEBAND_EXEC;
	s->exit |= e.type == SIDEBAND_EXIT;
	/* /bin may be a link to /usr/bin */
	s->map_of_true |= e.type == SIDEBAND_MAP && strstr(e.file.path, "bin/true") != NULL &&
			  e.bytes && (e.file.build_id.length || e.file.inode);
	return 0;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int first_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	assert_int_equal(online_cpus_read(&set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

static pid_t run_true(void)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	return child;
}

static void the_life_of_a_child_is_logged(void **state)
{
	struct perf_ring *ring;
	struct seen seen = {.times_are_right = true, .begin_ns = clock_now_ns()};
	int cpu = first_cpu();

	(void)state;
	pin(cpu); /* the child stays here, too */
	assert_int_equal(perf_ring_open(cpu, RING_BYTES, &ring), 0);
	seen.child = (uint32_t)run_true();
	assert_int_equal(perf_ring_drain(ring, look, &seen), 0);
	assert_true(seen.fork);
	assert_true(seen.exec);
	assert_true(seen.map_of_true);
	assert_true(seen.exit);
	assert_true(seen.times_are_right);
	perf_ring_close(ring);
}

/* Many times the size of the ring, drained often enough: records that wrap around are whole. */
static void records_wrap_around(void **state)
{
	struct perf_ring *ring;
	struct seen seen = {.times_are_right = true, .begin_ns = clock_now_ns()};
	int cpu = first_cpu();

	(void)state;
	pin(cpu);
	assert_int_equal(perf_ring_open(cpu, 4096, &ring), 0);
	for (int i = 0; i < 60; i++) {
		seen.child = (uint32_t)run_true();
		assert_int_equal(perf_ring_drain(ring, look, &seen), 0);
	}
	assert_true(seen.records > 200);
	assert_true(seen.times_are_right);
	perf_ring_close(ring);
}

static void a_full_ring_says_what_is_missing(void **state)
{
	struct perf_ring *ring;
	struct seen seen = {.begin_ns = clock_now_ns()};
	int cpu = first_cpu();

	(void)state;
	pin(cpu);
	assert_int_equal(perf_ring_open(cpu, 4096, &ring), 0);
	for (int i = 0; i < 40; i++)
		(void)run_true();
	assert_int_equal(perf_ring_drain(ring, look, &seen), 0);
	(void)run_true(); /* the loss is told with the next record */
	assert_int_equal(perf_ring_drain(ring, look, &seen), 0);
	assert_true(seen.lost > 0);
	perf_ring_close(ring);
}

static int end_at_once(const void *record, size_t size, void *arg)
{
	(void)record;
	(void)size;
	*(int *)arg += 1;
	return 7;
}

static void draining_can_be_ended(void **state)
{
	struct perf_ring *ring;
	int cpu = first_cpu(), calls = 0;

	(void)state;
	pin(cpu);
	assert_int_equal(perf_ring_open(cpu, RING_BYTES, &ring), 0);
	(void)run_true();
	assert_int_equal(perf_ring_drain(ring, end_at_once, &calls), 7);
	assert_int_equal(calls, 1);
	perf_ring_close(ring);
}

static void a_cpu_that_is_not_there(void **state)
{
	struct perf_ring *ring;

	(void)state;
	assert_int_not_equal(perf_ring_open(CPUS_MAX - 1, RING_BYTES, &ring), 0);
	assert_int_not_equal(perf_ring_open(first_cpu(), 12345, &ring), 0);
	perf_ring_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_life_of_a_child_is_logged),
		cmocka_unit_test(records_wrap_around),
		cmocka_unit_test(a_full_ring_says_what_is_missing),
		cmocka_unit_test(draining_can_be_ended),
		cmocka_unit_test(a_cpu_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
