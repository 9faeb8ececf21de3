/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a segment: numbers of variable length, and packs of columns.
 *
 *	varint	7 bits a byte, least significant first, bit 7 = more follow; at most 10 bytes
 *	signed	varint of 2n for n >= 0, of -2n - 1 for n < 0
 *
 * A pack holds some columns of bytes, compressed one by one, because each has statistics of its own:
 *
 *	OFFSET	SIZE
 *	0	8	XXH3 of all that follows, little-endian
 *	8	1	number of columns
 *	9	..	per column: varint raw bytes, varint stored bytes; equal = stored as it is, else a zstd frame
 *	..	..	the stored bytes of the columns, one after the other
 *
 * Thread rule: pure functions of their arguments.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_BYTES_H
#define HEARTH_SERVER_STORE_SEGMENT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define PACK_COLUMNS_MAX 8
#define PACK_BYTES_MAX	 (64u << 20) /* raw bytes of all columns of a pack, as read */

/** Bytes being read; a read beyond the end yields 0 and sets `bad`, which stays. */
struct byte_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

/** Append a varint. */
void put_varint(struct buffer *b, uint64_t value);

/** Append a signed number. */
void put_signed(struct buffer *b, int64_t value);

/** Append a string of any bytes: its length, then itself. */
void put_bytes(struct buffer *b, const void *bytes, size_t length);

/** take_varint() for any length. */
uint64_t take_long_varint(struct byte_reader *r);

/** Read a varint that may be anything. Nearly all have one byte. */
static inline uint64_t take_varint(struct byte_reader *r)
{
	if (r->at < r->end && *r->at < 0x80)
		return *r->at++;
	return take_long_varint(r);
}

/** Read a varint that must be below @limit; else `bad` is set and 0 returned. */
static inline uint32_t take_below(struct byte_reader *r, uint64_t limit)
{
	uint64_t value = take_varint(r);

	if (value < limit && value <= UINT32_MAX)
		return (uint32_t)value;
	r->bad = true;
	return 0;
}

/** Read a signed number. */
static inline int64_t take_signed(struct byte_reader *r)
{
	uint64_t value = take_varint(r);

	return (int64_t)(value >> 1 ^ -(value & 1));
}

/** Read what put_bytes() wrote; borrowed from the reader's bytes. */
const void *take_bytes(struct byte_reader *r, size_t *ret_length);

/** The columns of a pack, being filled or read. */
struct pack {
	struct buffer columns[PACK_COLUMNS_MAX];
	size_t count;
};

/** Free what @p holds; NULL allowed. A zeroed struct is an empty pack. */
void pack_release(struct pack *p);

/** A reader over a column. A column that is not there reads as empty. */
struct byte_reader pack_reader(const struct pack *p, size_t column);

/**
 * Compress all columns.
 *
 * @level: of zstd
 * @out: appended to
 *
 * Returns 0; -ENOMEM; -EFBIG if the columns exceed PACK_BYTES_MAX.
 */
int pack_write(const struct pack *p, int level, struct buffer *out);

/**
 * Check and decompress.
 *
 * @without: bit 1 << N = leave column N empty
 * @ret: empty; on success release with pack_release()
 *
 * Returns 0; -EBADMSG if the bytes are damaged; -ENOMEM.
 */
int pack_read(const void *bytes, size_t length, unsigned int without, struct pack *ret);

#endif
