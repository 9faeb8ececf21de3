/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/gzip.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* 32 KiB window, gzip header */
#define CHUNK_BYTES	 65536u

/* Runs deflate until all input is in the buffer. */
static int deflate_all(z_stream *z, struct buffer *out)
{
	int code;

	do {
		char *to = buffer_reserve(out, CHUNK_BYTES);

		if (!to)
			return out->error;
		z->next_out = (Bytef *)to;
		z->avail_out = CHUNK_BYTES;
		code = deflate(z, Z_FINISH);
		out->length += CHUNK_BYTES - z->avail_out;
	} while (code == Z_OK || code == Z_BUF_ERROR);
	return code == Z_STREAM_END ? 0 : -EIO;
}

int gzip_append(struct buffer *out, const void *bytes, size_t length, int level)
{
	z_stream z = {0};

	if (length > UINT_MAX)
		return -EFBIG;
	if (deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)bytes; /* only read */
	z.avail_in = (uInt)length;

	int err = deflate_all(&z, out);

	(void)deflateEnd(&z); /* complains only about input left over after a failure */
	return err;
}

int gunzip_append(struct buffer *out, const void *gzip, size_t length, size_t plain_bytes)
{
	z_stream z = {0};
	char *to = buffer_reserve(out, plain_bytes);

	if (!to)
		return out->error;
	if (length > UINT_MAX || plain_bytes > UINT_MAX)
		return -EFBIG;
	if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)gzip; /* only read */
	z.avail_in = (uInt)length;
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)plain_bytes;

	bool whole = inflate(&z, Z_FINISH) == Z_STREAM_END && !z.avail_out;

	(void)inflateEnd(&z); /* nothing to learn from it */
	if (!whole)
		return -EBADMSG;
	out->length += plain_bytes;
	return 0;
}

/* One step of inflate into the buffer. Returns zlib's code; Z_MEM_ERROR if the buffer is full. */
static int inflate_chunk(z_stream *z, struct buffer *out)
{
	size_t left = out->limit ? out->limit - out->length : CHUNK_BYTES;
	size_t room = left < CHUNK_BYTES ? left + !left : CHUNK_BYTES;
	char *to = buffer_reserve(out, room);

	if (!to)
		return Z_MEM_ERROR;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)room;

	int code = inflate(z, Z_NO_FLUSH);

	out->length += room - z->avail_out;
	return code;
}

int gunzip_append_untrusted(struct buffer *out, const void *gzip, size_t length)
{
	z_stream z = {.next_in = (Bytef *)gzip, .avail_in = (uInt)length}; /* only read */
	int code = Z_OK;

	if (length > UINT_MAX)
		return -EFBIG;
	if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	while (code == Z_OK) {
		code = inflate_chunk(&z, out);
		if (code == Z_STREAM_END && z.avail_in) /* the next member */
			code = inflateReset(&z);
	}
	(void)inflateEnd(&z); /* nothing to learn from it */
	if (out->error)
		return out->error;
	return code == Z_STREAM_END ? 0 : -EBADMSG;
}
