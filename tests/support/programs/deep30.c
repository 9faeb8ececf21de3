/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Burns CPU time below a stack of 30 frames: main, 28 calls that are no tail calls, and burn_below.
 *
 *	deep30 SECONDS
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static volatile uint64_t sink;

__attribute__((noinline)) static void burn_below(uint64_t value)
{
	for (int i = 0; i < 100000; i++)
		value = value * 6364136223846793005ull + 1442695040888963407ull;
	sink = value;
}

__attribute__((noinline)) static int descend(int depth)
{
	if (depth <= 1)
		burn_below(sink);
	else
		sink += (uint64_t)descend(depth - 1);
	return depth; /* work left to do: no tail call */
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
	struct timespec now;

	do {
		for (int i = 0; i < 20; i++)
			sink += (uint64_t)descend(28);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	} while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < seconds);
	return 0;
}
