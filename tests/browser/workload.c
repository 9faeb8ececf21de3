/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spends CPU time where the browser tests expect it.
 *
 *	webworkload SECONDS		70 % of work() in hot_loop(), 30 % in warm_loop(), all the time
 *	webworkload SECONDS before	ten times a second: steady_part(), changed_part(), vanished_part()
 *	webworkload SECONDS after	the same, changed_part() 30 % longer, new_part() instead of vanished_part()
 *	webworkload SECONDS stall	asleep but for one stall_part() of 300 ms of CPU time in the middle
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

#define BURN(name)                                                 \
	__attribute__((noinline)) static void name(unsigned int n) \
	{                                                          \
		for (unsigned int i = 0; i < n; i++)               \
			sink = sink * 6364136223846793005u + i;    \
	}

BURN(hot_loop)
BURN(warm_loop)
BURN(steady_part)
BURN(changed_part)
BURN(vanished_part)
BURN(new_part)
BURN(stall_part)

__attribute__((noinline)) static void work(void)
{
	hot_loop(70000);
	warm_loop(30000);
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_now(void)
{
	return seconds_of(CLOCK_REALTIME);
}

static void tick(int after)
{
	steady_part(5000000);
	changed_part(after ? 13000000 : 10000000);
	if (after)
		new_part(5000000);
	else
		vanished_part(5000000);
}

static void stall(double seconds)
{
	usleep((useconds_t)(seconds * 500000));

	double start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);

	while (seconds_of(CLOCK_PROCESS_CPUTIME_ID) < start + 0.3)
		stall_part(10000);
	usleep((useconds_t)(seconds * 500000));
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	const char *mode = argc > 2 ? argv[2] : "";
	double end = seconds_now() + seconds;

	if (!strcmp(mode, "stall")) {
		stall(seconds);
		return 0;
	}
	for (double next = seconds_now(); seconds_now() < end;) {
		if (!*mode) {
			work();
			continue;
		}
		tick(!strcmp(mode, "after"));
		next += 0.1;
		if (next > seconds_now())
			usleep((useconds_t)((next - seconds_now()) * 1e6));
	}
	return 0;
}
