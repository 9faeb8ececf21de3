// SPDX-License-Identifier: Apache-2.0
/*
 * A program whose profile is known: main -> work_outer -> {work_heavy 3 : work_light 1}, spinning for some seconds.
 *
 *	busy SECONDS [CPU]
 *
 * Built with -O2 and without frame pointers, as distributions build; the four functions are kept apart, and no
 * call is the last thing its caller does, so that each has its frame. With CPU it stays on that one. Prints the CPU
 * time it got, which on a busy machine is less than the time it ran.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOINLINE __attribute__((noinline, noclone))

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t x, unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++)
		x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u + i;
	return x;
}

static NOINLINE uint64_t work_heavy(uint64_t x)
{
	return mix(x, 300000) ^ 1;
}

static NOINLINE uint64_t work_light(uint64_t x)
{
	return mix(x, 100000) ^ 2;
}

static NOINLINE uint64_t work_outer(uint64_t x)
{
	x = work_heavy(x);
	x += work_light(x);
	return x ^ 3;
}

int main(int argc, char **argv)
{
	double end = now() + (argc > 1 ? strtod(argv[1], NULL) : 1);
	uint64_t x = 88172645463325252u;

	if (argc > 2) {
		cpu_set_t cpus;
		CPU_ZERO(&cpus);
		CPU_SET(strtoul(argv[2], NULL, 10), &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
			perror("busy: sched_setaffinity");
	}
	while (now() < end)
		x = work_outer(x);
	printf("%llx cpu %.2f\n", (unsigned long long)x, (double)clock() / CLOCKS_PER_SEC);
	return 0;
}
