/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void buffer_init(struct buffer *b)
{
	*b = BUFFER_INIT;
}

void buffer_release(struct buffer *b)
{
	if (!b)
		return;
	free(b->bytes);
	buffer_init(b);
}

void buffer_clear(struct buffer *b)
{
	b->length = 0;
	b->error = 0;
}

/* Room for @length bytes of content and @extra bytes behind it that do not count against the limit. */
static char *make_room(struct buffer *b, size_t length, size_t extra)
{
	if (b->error)
		return NULL;
	if (length > SIZE_MAX - b->length - extra) {
		b->error = -ENOMEM;
		return NULL;
	}
	if (b->limit && b->length + length > b->limit) {
		b->error = -EFBIG;
		return NULL;
	}

	b->error = array_reserve((void **)&b->bytes, &b->capacity, b->length + length + extra, 1);
	return b->error ? NULL : b->bytes + b->length;
}

char *buffer_reserve(struct buffer *b, size_t length)
{
	return make_room(b, length, length ? 0 : 1); /* never NULL without an error */
}

void buffer_append(struct buffer *b, const void *bytes, size_t length)
{
	if (!length)
		return;

	char *to = buffer_reserve(b, length);

	if (!to)
		return;
	memcpy(to, bytes, length);
	b->length += length;
}

void buffer_puts(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

void buffer_putc(struct buffer *b, char c)
{
	buffer_append(b, &c, 1);
}

void buffer_put_u64(struct buffer *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buffer_append(b, digits + at, sizeof(digits) - at);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buffer_vprintf(b, format, args);
	va_end(args);
}

void buffer_vprintf(struct buffer *b, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);

	va_end(again);
	if (length < 0) {
		b->error = b->error ? b->error : -EFBIG; /* longer than an int can say */
		return;
	}

	char *to = make_room(b, (size_t)length, 1); /* vsnprintf writes a NUL as well */

	if (!to)
		return;
	(void)vsnprintf(to, (size_t)length + 1, format, args); /* length is known to fit */
	b->length += (size_t)length;
}

const char *buffer_terminate(struct buffer *b)
{
	char *to = make_room(b, 0, 1);

	if (!to)
		return NULL;
	*to = '\0';
	return b->bytes;
}

char *buffer_steal(struct buffer *b, size_t *ret_length)
{
	if (!buffer_terminate(b))
		return NULL;
	if (ret_length)
		*ret_length = b->length;

	char *bytes = b->bytes;
	size_t limit = b->limit;

	buffer_init(b);
	b->limit = limit;
	return bytes;
}
