/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<';
}

static void put_special(struct buffer *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = "\\u00xx";

	if (c == '"' || c == '\\') {
		buffer_putc(out, '\\');
		buffer_putc(out, (char)c);
		return;
	}
	text[4] = hex[c >> 4];
	text[5] = hex[c & 15];
	buffer_append(out, text, 6);
}

static void put_sequence(struct buffer *out, const unsigned char *at, size_t length)
{
	if (!length)
		buffer_puts(out, "\\ufffd");
	else if (length == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] | 1) == 0xa9)
		buffer_puts(out, at[2] == 0xa8 ? "\\u2028" : "\\u2029");
	else
		buffer_append(out, at, length);
}

void json_put_string(struct buffer *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)(text ? text : "");

	buffer_putc(out, '"');
	while (*at) {
		const unsigned char *start = at;

		while (is_plain(*at))
			at++;
		buffer_append(out, start, (size_t)(at - start));
		if (!*at)
			break;
		if (*at < 0x80) {
			put_special(out, *at++);
			continue;
		}

		size_t length = utf8_length(at, SIZE_MAX);

		put_sequence(out, at, length);
		at += length ? length : 1;
	}
	buffer_putc(out, '"');
}

void json_put_comma(struct buffer *out)
{
	char last = out->length ? out->bytes[out->length - 1] : '{';

	if (last != '{' && last != '[')
		buffer_putc(out, ',');
}

void json_put_key(struct buffer *out, const char *key)
{
	json_put_comma(out);
	json_put_string(out, key);
	buffer_putc(out, ':');
}

void json_put_text(struct buffer *out, const char *key, const char *value)
{
	json_put_key(out, key);
	json_put_string(out, value);
}

void json_put_number(struct buffer *out, const char *key, uint64_t value)
{
	json_put_key(out, key);
	buffer_put_u64(out, value);
}

void json_put_double(struct buffer *out, const char *key, double value)
{
	json_put_key(out, key);
	buffer_printf(out, "%.9g", isfinite(value) ? value : 0.0);
}

void json_put_seconds(struct buffer *out, const char *key, uint64_t ns)
{
	char text[48];
	int length =
		snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
			 (unsigned long long)(ns % NS_PER_S));

	while (text[length - 1] == '0')
		length--;
	if (text[length - 1] == '.')
		length--;
	json_put_key(out, key);
	buffer_append(out, text, (size_t)length);
}

void json_put_bool(struct buffer *out, const char *key, int value)
{
	json_put_key(out, key);
	buffer_puts(out, value ? "true" : "false");
}
