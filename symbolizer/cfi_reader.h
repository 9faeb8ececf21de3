/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded reading of little-endian bytes of call frame information. A read past the end yields 0 and sets `bad`,
 * which sticks: read many times, check once.
 *
 * Thread rule: one owner.
 */
#ifndef HEARTH_SYMBOLIZER_CFI_READER_H
#define HEARTH_SYMBOLIZER_CFI_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cfi_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline size_t cfi_left(const struct cfi_reader *r)
{
	return (size_t)(r->end - r->at);
}

/** Hand out @count bytes and go on behind them; NULL past the end. */
static inline const uint8_t *cfi_bytes(struct cfi_reader *r, uint64_t count)
{
	if (r->bad || count > cfi_left(r)) {
		r->bad = true;
		return NULL;
	}

	const uint8_t *bytes = r->at;

	r->at += count;
	return bytes;
}

/** An unsigned number of @count bytes, at most 8. */
static inline uint64_t cfi_unsigned(struct cfi_reader *r, size_t count)
{
	const uint8_t *bytes = cfi_bytes(r, count);
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, count);
	return value;
}

/** A signed number of @count bytes, at most 8. */
static inline int64_t cfi_signed(struct cfi_reader *r, size_t count)
{
	unsigned int shift = 64 - 8 * (unsigned int)count;

	return (int64_t)(cfi_unsigned(r, count) << shift) >> shift;
}

static inline uint8_t cfi_u8(struct cfi_reader *r)
{
	if (r->at >= r->end) {
		r->bad = true;
		return 0;
	}
	return *r->at++;
}

/** ULEB128; bits above 64 are dropped, as everybody does. */
static inline uint64_t cfi_uleb(struct cfi_reader *r)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = cfi_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !r->bad);
	return value;
}

/** SLEB128. */
static inline int64_t cfi_sleb(struct cfi_reader *r)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = cfi_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !r->bad);
	if (shift < 64 && byte & 0x40)
		value |= ~0ull << shift;
	return (int64_t)value;
}

#endif
