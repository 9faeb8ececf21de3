/* SPDX-License-Identifier: Apache-2.0 */
/* Burns CPU time in so many frames of some size each: deep SECONDS FRAMES */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile uint64_t sink;

__attribute__((noinline)) static uint64_t descend(int depth)
{
	char room[48];
	uint64_t value = sink;

	memset(room, depth, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
	if (depth <= 1)
		for (int i = 0; i < 100000; i++)
			value = value * 6364136223846793005ull + 1442695040888963407ull;
	else
		value += descend(depth - 1);
	sink = value;
	return value + (uint64_t)room[depth & 31];
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	int frames = argc > 2 ? atoi(argv[2]) : 400;

	while (time(NULL) < end)
		sink += descend(frames);
	return 0;
}
