/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/json_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buffer.h"

static void skip_space(const char **at)
{
	*at += strspn(*at, " \t\r\n");
}

static void put_utf8(struct buffer *out, uint32_t c)
{
	if (c < 0x80) {
		buffer_putc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buffer_putc(out, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		buffer_putc(out, (char)(0xe0 | c >> 12));
		buffer_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		buffer_putc(out, (char)(0xf0 | c >> 18));
		buffer_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buffer_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buffer_putc(out, (char)(0x80 | (c & 0x3f)));
}

static int take_hex4(const char **at, uint32_t *ret)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)**at;

		if (!isxdigit(c))
			return -EINVAL;
		value = value << 4 | (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
		++*at;
	}
	*ret = value;
	return 0;
}

/* Behind "\u": one code unit, or a surrogate pair. */
static int take_unicode(const char **at, struct buffer *out)
{
	uint32_t c;
	uint32_t low;

	if (take_hex4(at, &c) || !c || (c >= 0xdc00 && c < 0xe000))
		return -EINVAL;
	if (c >= 0xd800 && c < 0xdc00) {
		if (strncmp(*at, "\\u", 2) != 0)
			return -EINVAL;
		*at += 2;
		if (take_hex4(at, &low) || low < 0xdc00 || low > 0xdfff)
			return -EINVAL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(out, c);
	return 0;
}

static int take_escape(const char **at, struct buffer *out)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char bytes[] = "\"\\/\b\f\n\r\t";
	char c = *(*at)++;
	const char *letter = c ? strchr(letters, c) : NULL;

	if (letter) {
		buffer_putc(out, bytes[letter - letters]);
		return 0;
	}
	return c == 'u' ? take_unicode(at, out) : -EINVAL;
}

static int take_string(const char **at, char **ret)
{
	auto_buffer text = BUFFER_INIT;

	if (*(*at)++ != '"')
		return -EINVAL;
	while (**at != '"') {
		unsigned char c = (unsigned char)*(*at)++;

		if (c < ' ')
			return -EINVAL;
		if (c != '\\')
			buffer_putc(&text, (char)c);
		else if (take_escape(at, &text))
			return -EINVAL;
	}
	++*at;
	*ret = buffer_steal(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}

struct list {
	char **items;
	size_t count;
	size_t capacity;
};

static void list_release(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
}

/* Reads up to and with the closing bracket. */
static int take_items(const char **at, size_t max, struct list *l)
{
	for (;;) {
		skip_space(at);
		if (l->count == max)
			return -EINVAL;
		if (array_reserve((void **)&l->items, &l->capacity, l->count + 1,
				  sizeof(*l->items)))
			return -ENOMEM;

		int err = take_string(at, &l->items[l->count]);

		if (err)
			return err;
		l->count++;
		skip_space(at);
		if (**at == ']') {
			++*at;
			return 0;
		}
		if (*(*at)++ != ',')
			return -EINVAL;
	}
}

int json_list_parse(const char *text, size_t max, char ***ret, size_t *ret_count)
{
	__attribute__((cleanup(list_release))) struct list l = {0};
	int err = 0;

	skip_space(&text);
	if (*text++ != '[')
		return -EINVAL;
	skip_space(&text);
	if (*text == ']')
		text++;
	else
		err = take_items(&text, max, &l);
	if (err)
		return err;
	skip_space(&text);
	if (*text)
		return -EINVAL;

	*ret = l.items;
	*ret_count = l.count;
	l = (struct list){0};
	return 0;
}
