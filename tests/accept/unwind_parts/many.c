/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many functions with frames of many sizes, so that the table of their unwind rules takes room: many MS
 * A path of some twenty of them, another one each time, leads to where the CPU time is burned.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define PATH 20

typedef uint64_t function(uint64_t path, int depth);

static volatile uint64_t sink;
extern function *const functions[];

#define MAKE(N)                                                                                    \
	__attribute__((noinline)) static uint64_t f##N(uint64_t path, int depth)                   \
	{                                                                                          \
		volatile char room[16 + N % 61 * 8];                                               \
		uint64_t result;                                                                   \
                                                                                                   \
		room[0] = (char)path;                                                              \
		if (!depth)                                                                        \
			for (int i = 0; i < 50000; i++)                                            \
				sink += (uint64_t)i * (N + 1);                                     \
		result = depth ? functions[(path >> 33) & 1023](path * 6364136223846793005ull + N, \
								depth - 1)                         \
			       : sink;                                                             \
		return result + (uint64_t)room[0];                                                 \
	}
/* clang-format off */
#define MAKE4(N)   MAKE(N##0) MAKE(N##1) MAKE(N##2) MAKE(N##3)
#define MAKE16(N)  MAKE4(N##0) MAKE4(N##1) MAKE4(N##2) MAKE4(N##3)
#define MAKE64(N)  MAKE16(N##0) MAKE16(N##1) MAKE16(N##2) MAKE16(N##3)
#define MAKE256(N) MAKE64(N##0) MAKE64(N##1) MAKE64(N##2) MAKE64(N##3)
#define NAME4(N)   f##N##0, f##N##1, f##N##2, f##N##3,
#define NAME16(N)  NAME4(N##0) NAME4(N##1) NAME4(N##2) NAME4(N##3)
#define NAME64(N)  NAME16(N##0) NAME16(N##1) NAME16(N##2) NAME16(N##3)
#define NAME256(N) NAME64(N##0) NAME64(N##1) NAME64(N##2) NAME64(N##3)

MAKE256(1)
MAKE256(2)
MAKE256(3)
MAKE256(4)

function *const functions[] = {NAME256(1) NAME256(2) NAME256(3) NAME256(4)};
/* clang-format on */

int main(int argc, char **argv)
{
	uint64_t limit_ns = (uint64_t)(argc > 1 ? atoi(argv[1]) : 100) * 1000000,
		 path = (uint64_t)time(NULL);
	struct timespec now;

	do {
		path = path * 6364136223846793005ull + 1442695040888963407ull;
		sink += functions[path >> 54](path, PATH);
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	} while ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec < limit_ns);
	return 0;
}
