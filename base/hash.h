/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of everything that is looked up by content: XXH3 from libxxhash, 64 bits.
 *
 * Not for hostile keys that must not collide, and not stable across versions of Hearth: never written to disk
 * as an identity.
 */
#ifndef HEARTH_BASE_HASH_H
#define HEARTH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** Hash @length bytes at @bytes (NULL allowed when @length is 0). */
uint64_t hash_bytes(const void *bytes, size_t length);

/** Mix @value into @hash; for keys of several parts. */
uint64_t hash_combine(uint64_t hash, uint64_t value);

#endif
