/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"

uint64_t hash_bytes(const void *bytes, size_t length)
{
	return length ? XXH3_64bits(bytes, length) : 0;
}

uint64_t hash_combine(uint64_t hash, uint64_t value)
{
	uint64_t both[2] = {hash, value};

	return XXH3_64bits(both, sizeof(both));
}
