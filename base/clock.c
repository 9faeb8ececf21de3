/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

#define OFFSET_TRIES 8

static uint64_t read_clock(clockid_t id)
{
	struct timespec now = {0};

	(void)clock_gettime(id, &now); /* these clocks always exist on Linux */
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_offset_ns(void)
{
	uint64_t best_gap_ns = UINT64_MAX;
	int64_t best = 0;

	/* The tightest of a few brackets around the wall clock is the least disturbed one. */
	for (int i = 0; i < OFFSET_TRIES; i++) {
		uint64_t before = clock_now_ns();
		uint64_t wall = clock_wall_now_ns();
		uint64_t gap = clock_now_ns() - before;

		if (gap >= best_gap_ns)
			continue;
		best_gap_ns = gap;
		best = (int64_t)(wall - (before + gap / 2));
	}
	return best;
}

uint64_t clock_process_cpu_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}
