/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Burns CPU time for the tests: burn MS [THREADS]	that much CPU time in each of the threads, named burner-N
 *				  burn --loop COUNT MS	COUNT times: fork, exec `burn MS`, wait
 * Prints the CPU time it used, user and system, its waited-for children apart, in microseconds: `SELF CHILDREN`.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 16

int burn_cpu(long ms);

static volatile unsigned long sink;

__attribute__((noinline)) int burn_cpu(long ms)
{
	struct timespec now;

	do {
		for (int i = 0; i < 20000; i++)
			sink += (unsigned long)i * i;
		if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now))
			return 1;
	} while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < ms);
	return 0;
}

static void *burn_thread(void *arg)
{
	return burn_cpu(*(const long *)arg) ? arg : NULL;
}

static int burn_in_threads(long ms, int threads)
{
	pthread_t ids[THREADS_MAX];

	for (int i = 0; i < threads; i++) {
		char name[16];

		if (pthread_create(&ids[i], NULL, burn_thread, &ms))
			return 1;
		(void)snprintf(name, sizeof(name), "burner-%d", i);
		(void)pthread_setname_np(ids[i], name);
	}
	for (int i = 0; i < threads; i++)
		(void)pthread_join(ids[i], NULL);
	return 0;
}

static int loop(const char *self, long count, const char *ms)
{
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (!pid) {
			(void)close(STDOUT_FILENO);
			(void)execl(self, self, ms, (char *)NULL);
			_exit(127);
		}
		int status;
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			return 1;
	}
	return 0;
}

static long used_us(int who)
{
	struct rusage r;

	if (getrusage(who, &r))
		return -1;
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec +
	       r.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	int error;

	if (argc == 4 && !strcmp(argv[1], "--loop")) {
		error = loop(argv[0], atol(argv[2]), argv[3]);
	} else if (argc == 3) {
		int threads = atoi(argv[2]);

		error = burn_in_threads(atol(argv[1]),
					threads < THREADS_MAX ? threads : THREADS_MAX);
	} else if (argc == 2) {
		error = burn_cpu(atol(argv[1]));
	} else {
		return 2;
	}
	(void)printf("%ld %ld\n", used_us(RUSAGE_SELF), used_us(RUSAGE_CHILDREN));
	return error;
}
