/* SPDX-License-Identifier: Apache-2.0 */
/* Burns CPU time in signal handlers, on the thread's stack and on one of their own, nested as well: signals SECONDS */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static volatile uint64_t sink;
static volatile sig_atomic_t depth;

__attribute__((noinline)) static void burn(int rounds)
{
	uint64_t value = sink;

	for (int i = 0; i < rounds; i++)
		value = value * 6364136223846793005ull + 1442695040888963407ull;
	sink = value;
}

static void on_alarm(int signal)
{
	(void)signal;
	depth++;
	burn(20000);
	if (depth < 4)
		(void)raise(depth & 1 ? SIGUSR1 : SIGUSR2);
	burn(20000);
	depth--;
}

static int compare(const void *a, const void *b)
{
	burn(200);
	return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
	static char stack[256 << 10];
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction plain = {.sa_handler = on_alarm, .sa_flags = SA_NODEFER};
	struct sigaction apart = {.sa_handler = on_alarm, .sa_flags = SA_NODEFER | SA_ONSTACK};
	struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
	int numbers[64];

	if (sigaltstack(&other, NULL) || sigaction(SIGALRM, &plain, NULL) ||
	    sigaction(SIGUSR1, &apart, NULL) || sigaction(SIGUSR2, &plain, NULL) ||
	    setitimer(ITIMER_REAL, &often, NULL))
		return 1;
	while (time(NULL) < end) {
		for (int i = 0; i < 64; i++)
			numbers[i] = (i * 37) & 63;
		qsort(numbers, 64, sizeof(numbers[0]), compare);
		(void)raise(SIGUSR1);
	}
	return 0;
}
