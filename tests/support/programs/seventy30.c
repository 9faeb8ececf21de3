/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spends 70 % of its time in one function and 30 % in another: both run the same loop, 7 : 3 times.
 *
 *	seventy30 SECONDS
 *
 * main() reaches both through helpers that are inlined, and their loops call one that is inlined as well:
 *
 *	main <- [run_seventy] <- burn_seventy <- [mix]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define UNIT 3000

/* Asking for its address makes the compiler keep a frame pointer in a function that calls nobody. */
#define KEEP_FRAME() __asm__ volatile("" ::"r"(__builtin_frame_address(0)))

static volatile uint64_t sink;

static inline __attribute__((always_inline)) uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 29;
	return value;
}

static __attribute__((noinline)) uint64_t burn_seventy(uint64_t value)
{
	KEEP_FRAME();
	for (int i = 0; i < 7 * UNIT; i++)
		value = mix(value + 1);
	return value;
}

static __attribute__((noinline)) uint64_t burn_thirty(uint64_t value)
{
	KEEP_FRAME();
	for (int i = 0; i < 3 * UNIT; i++)
		value = mix(value + 1);
	return value;
}

static inline __attribute__((always_inline)) void run_seventy(void)
{
	sink = burn_seventy(sink);
	__asm__ volatile("" ::: "memory");
}

static inline __attribute__((always_inline)) void run_thirty(void)
{
	sink = burn_thirty(sink);
	__asm__ volatile("" ::: "memory");
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;

	while (cpu_seconds() < seconds) {
		for (int i = 0; i < 100; i++) {
			run_seventy();
			run_thirty();
		}
	}
	printf("%.6f\n", cpu_seconds());
	return 0;
}
