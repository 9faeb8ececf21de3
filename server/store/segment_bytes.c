/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "server/store/segment_bytes.h"

#define VARINT_BYTES_MAX 10
#define CHECKSUM_BYTES	 8

void put_varint(struct buffer *b, uint64_t value)
{
	char *out = buffer_reserve(b, VARINT_BYTES_MAX);

	if (!out)
		return;

	size_t length = 0;

	for (; value >= 0x80; value >>= 7)
		out[length++] = (char)(value | 0x80);
	out[length++] = (char)value;
	b->length += length;
}

void put_signed(struct buffer *b, int64_t value)
{
	put_varint(b, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void put_bytes(struct buffer *b, const void *bytes, size_t length)
{
	put_varint(b, length);
	buffer_append(b, bytes, length);
}

uint64_t take_long_varint(struct byte_reader *r)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70 && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;

		value |= (uint64_t)(byte & 0x7f) << (shift < 64 ? shift : 63);
		if (!(byte & 0x80))
			return value;
	}
	r->bad = true;
	return 0;
}

const void *take_bytes(struct byte_reader *r, size_t *ret_length)
{
	uint64_t length = take_varint(r);
	const void *bytes = r->at;

	if (length > (uint64_t)(r->end - r->at)) {
		r->bad = true;
		length = 0;
	}
	r->at += length;
	*ret_length = length;
	return bytes;
}

void pack_release(struct pack *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < PACK_COLUMNS_MAX; i++)
		buffer_release(&p->columns[i]);
	p->count = 0;
}

struct byte_reader pack_reader(const struct pack *p, size_t column)
{
	const struct buffer *b = &p->columns[column];
	const uint8_t *bytes = (const uint8_t *)b->bytes;

	if (column >= p->count || !bytes)
		return (struct byte_reader){0};
	return (struct byte_reader){.at = bytes, .end = bytes + b->length};
}

/* Appends a column as a zstd frame, or as it is where that is not smaller. */
static int write_column(const struct buffer *column, int level, struct buffer *sizes,
			struct buffer *data)
{
	size_t bound = ZSTD_compressBound(column->length);
	char *room = buffer_reserve(data, bound + 1);

	if (column->error || !room)
		return -ENOMEM;

	size_t stored = ZSTD_compress(room, bound, column->bytes, column->length, level);

	if (ZSTD_isError(stored))
		return -ENOMEM;
	if (stored < column->length) {
		data->length += stored;
	} else {
		stored = column->length;
		buffer_append(data, column->bytes, column->length);
	}
	put_varint(sizes, column->length);
	put_varint(sizes, stored);
	return 0;
}

static void put_checksum(struct buffer *out, size_t at)
{
	uint64_t sum =
		XXH3_64bits(out->bytes + at + CHECKSUM_BYTES, out->length - at - CHECKSUM_BYTES);

	for (size_t i = 0; i < CHECKSUM_BYTES; i++)
		out->bytes[at + i] = (char)(sum >> 8 * i);
}

int pack_write(const struct pack *p, int level, struct buffer *out)
{
	auto_buffer sizes = BUFFER_INIT;
	auto_buffer data = BUFFER_INIT;
	size_t raw_bytes = 0;
	size_t at = out->length;

	for (size_t i = 0; i < p->count; i++) {
		int err = write_column(&p->columns[i], level, &sizes, &data);

		if (err)
			return err;
		raw_bytes += p->columns[i].length;
	}
	if (raw_bytes > PACK_BYTES_MAX)
		return -EFBIG;
	buffer_append(out, "\0\0\0\0\0\0\0\0", CHECKSUM_BYTES);
	buffer_putc(out, (char)p->count);
	buffer_append(out, sizes.bytes, sizes.length);
	buffer_append(out, data.bytes, data.length);
	if (sizes.error || data.error || out->error)
		return -ENOMEM;
	put_checksum(out, at);
	return 0;
}

static uint64_t read_checksum(const uint8_t *bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < CHECKSUM_BYTES; i++)
		sum |= (uint64_t)bytes[i] << 8 * i;
	return sum;
}

/* @ret: NULL = step over it */
static int read_column(struct byte_reader *r, uint32_t raw, uint32_t stored, struct buffer *ret)
{
	if (stored > (size_t)(r->end - r->at))
		return -EBADMSG;
	if (!ret) {
		r->at += stored;
		return 0;
	}

	char *room = buffer_reserve(ret, raw + 1);

	if (!room)
		return -ENOMEM;
	if (stored == raw)
		memcpy(room, r->at, raw);
	else if (ZSTD_decompress(room, raw, r->at, stored) != raw)
		return -EBADMSG;
	ret->length = raw;
	r->at += stored;
	return 0;
}

DEFINE_CLEANUP(pack_release, struct pack *)

int pack_read(const void *bytes, size_t length, unsigned int without, struct pack *ret)
{
	struct pack read = {0};
	CLEANUP(pack_releasep) struct pack *p = &read;
	const uint8_t *start = bytes;
	uint32_t raw[PACK_COLUMNS_MAX];
	uint32_t stored[PACK_COLUMNS_MAX];

	if (length <= CHECKSUM_BYTES)
		return -EBADMSG;

	struct byte_reader r = {.at = start + CHECKSUM_BYTES, .end = start + length};

	if (read_checksum(start) != XXH3_64bits(r.at, length - CHECKSUM_BYTES))
		return -EBADMSG;
	p->count = *r.at++;
	if (p->count > PACK_COLUMNS_MAX)
		return -EBADMSG;

	uint64_t raw_bytes = 0;

	for (size_t i = 0; i < p->count; i++) {
		raw[i] = take_below(&r, PACK_BYTES_MAX + 1ull);
		stored[i] = take_below(&r, PACK_BYTES_MAX + 1ull);
		raw_bytes += raw[i];
	}
	if (r.bad || raw_bytes > PACK_BYTES_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < p->count; i++) {
		bool wanted = !(without >> i & 1);
		int err = read_column(&r, raw[i], stored[i], wanted ? &p->columns[i] : NULL);

		if (err)
			return err;
	}
	*ret = read;
	read = (struct pack){0};
	return 0;
}
