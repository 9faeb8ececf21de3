/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every unit test starts with: cmocka, which wants some standard headers before it, and a repeatable
 * source of random numbers.
 */
#ifndef HEARTH_TESTS_UNIT_CHECK_H
#define HEARTH_TESTS_UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FAIL_ALLOCATIONS_SOFTLY()                     \
	const char *__asan_default_options(void);     \
	const char *__asan_default_options(void)      \
	{                                             \
		return "allocator_may_return_null=1"; \
	}                                             \
	struct check_h_swallows_the_semicolon

/* splitmix64: equal seeds, equal tests. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

#endif
