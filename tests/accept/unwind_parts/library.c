/* SPDX-License-Identifier: Apache-2.0 */
/* What reload.c loads: 5 ms of CPU time, some frames deep. */
#include <stdint.h>
#include <time.h>

void burn_library(void);

static volatile uint64_t sink;

__attribute__((noinline)) static uint64_t library_work(int depth)
{
	volatile char room[40];
	struct timespec start, now;

	room[0] = (char)depth;
	if (depth)
		return library_work(depth - 1) + (uint64_t)room[0];
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	do {
		for (int i = 0; i < 20000; i++)
			sink += (uint64_t)i * (uint64_t)i;
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000000ll + (now.tv_nsec - start.tv_nsec) <
		 5000000);
	return sink;
}

void burn_library(void)
{
	sink += library_work(8);
}
