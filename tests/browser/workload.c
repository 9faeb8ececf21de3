/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spends CPU time where the browser tests expect it: 70 % of work() in hot_loop(), 30 % in warm_loop(), counted in
 * iterations of the same loop body.
 *
 *	webworkload SECONDS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile uint64_t sink;

__attribute__((noinline)) static void hot_loop(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		sink = sink * 6364136223846793005u + i;
}

__attribute__((noinline)) static void warm_loop(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		sink = sink * 6364136223846793005u + i;
}

__attribute__((noinline)) static void work(void)
{
	hot_loop(70000);
	warm_loop(30000);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);

	while (time(NULL) < end)
		work();
	printf("%llu\n", (unsigned long long)sink);
	return 0;
}
