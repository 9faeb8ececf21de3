/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "symbolizer/binary.h"

const char *build_id_format(const struct build_id *id, char *text)
{
	static const char digits[] = "0123456789abcdef";
	char *at = text;

	for (size_t i = 0; i < id->length && i < BUILD_ID_BYTES_MAX; i++) {
		*at++ = digits[id->bytes[i] >> 4];
		*at++ = digits[id->bytes[i] & 15];
	}
	*at = '\0';
	return text;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int build_id_parse(const char *text, struct build_id *ret)
{
	struct build_id id = {0};
	size_t length = strlen(text);

	if (!length || length % 2 || length / 2 > BUILD_ID_BYTES_MAX)
		return -EINVAL;

	for (size_t i = 0; i < length; i += 2) {
		int high = digit_value(text[i]), low = digit_value(text[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		id.bytes[id.length++] = (uint8_t)(high << 4 | low);
	}
	*ret = id;
	return 0;
}

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
	return a->length == b->length && !memcmp(a->bytes, b->bytes, a->length);
}
