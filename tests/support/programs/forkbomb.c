/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts processes that end at once, as many a second as asked for, and prints how many it started.
 *
 *	forkbomb PROCESSES_PER_SECOND SECONDS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double rate = argc > 1 ? strtod(argv[1], NULL) : 1000;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 5;
	double start = now(), end = start + seconds;
	uint64_t started = 0;

	for (double t = start; t < end; t = now()) {
		while ((double)started < (t - start) * rate) {
			pid_t child = fork();

			if (child < 0)
				break;
			if (!child)
				_exit(0);
			started++;
			while (waitpid(-1, NULL, WNOHANG) > 0)
				continue;
			if (now() >= end)
				break;
		}
		usleep(200);
	}
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	printf("%llu\n", (unsigned long long)started);
	return 0;
}
