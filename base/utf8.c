/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <errno.h>
#include <stdint.h>

size_t utf8_length(const unsigned char *s, size_t left)
{
	unsigned char least = 0x80;
	unsigned char most = 0xbf;
	size_t length = 0;

	if (!left)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (length > left)
		return 0;

	if (s[0] == 0xe0)
		least = 0xa0; /* overlong */
	if (s[0] == 0xed)
		most = 0x9f; /* surrogates */
	if (s[0] == 0xf0)
		least = 0x90; /* overlong */
	if (s[0] == 0xf4)
		most = 0x8f; /* beyond U+10FFFF */
	if (s[1] < least || s[1] > most)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return length;
}

void utf8_put_clean(struct buffer *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		const unsigned char *start = at;
		size_t length;

		while (*at && (length = utf8_length(at, SIZE_MAX)) > 0)
			at += length;
		buffer_append(out, start, (size_t)(at - start));
		if (*at) {
			buffer_puts(out, "\xef\xbf\xbd");
			at++;
		}
	}
}

int utf8_is_clean(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at;) {
		size_t length = utf8_length(at, SIZE_MAX);

		if (!length)
			return 0;
		at += length;
	}
	return 1;
}

int utf8_add_clean(struct strpool *pool, const char *text, uint32_t *ret_id)
{
	auto_buffer clean = BUFFER_INIT;

	if (!utf8_is_clean(text)) {
		utf8_put_clean(&clean, text);
		text = buffer_terminate(&clean);
		if (!text)
			return -ENOMEM;
	}
	return strpool_add(pool, text, ret_id);
}
