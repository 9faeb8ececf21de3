/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/selector_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

int scan_fail(struct scan *scan, const char *format, ...)
{
	char reason[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args); /* a long reason is cut */
	va_end(args);
	(void)snprintf(scan->error_text, scan->error_size, "bad selector at position %zu: %s",
		       scan->at + 1, reason);
	return -EINVAL;
}

bool scan_ended(const struct scan *scan)
{
	return scan->at >= scan->length;
}

char scan_peek(const struct scan *scan)
{
	return scan_ended(scan) ? '\0' : scan->text[scan->at];
}

void scan_space(struct scan *scan)
{
	while (!scan_ended(scan) && strchr(" \t\r\n", scan_peek(scan)))
		scan->at++;
}

bool scan_accept(struct scan *scan, const char *token)
{
	size_t length = strlen(token);

	if (scan->length - scan->at < length || memcmp(scan->text + scan->at, token, length) != 0)
		return false;
	scan->at += length;
	return true;
}

static bool is_name_byte(char c, bool first)
{
	return isalpha((unsigned char)c) || c == '_' || (!first && isdigit((unsigned char)c));
}

int scan_name(struct scan *scan, const char *what, char **ret)
{
	size_t start = scan->at;

	while (is_name_byte(scan_peek(scan), scan->at == start))
		scan->at++;
	if (scan->at == start)
		return scan_fail(scan, "expected %s", what);
	*ret = strndup(scan->text + start, scan->at - start);
	return *ret ? 0 : -ENOMEM;
}

static void put_utf8(struct buffer *out, uint32_t c)
{
	if (c < 0x80) {
		buffer_putc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buffer_putc(out, (char)(0xc0 | c >> 6));
		buffer_putc(out, (char)(0x80 | (c & 0x3f)));
		return;
	}
	if (c < 0x10000) {
		buffer_putc(out, (char)(0xe0 | c >> 12));
	} else {
		buffer_putc(out, (char)(0xf0 | c >> 18));
		buffer_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
	}
	buffer_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	buffer_putc(out, (char)(0x80 | (c & 0x3f)));
}

/* Reads exactly @digits digits of a base. */
static int scan_digits(struct scan *scan, unsigned int digits, unsigned int base, uint32_t *ret)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < digits; i++) {
		unsigned char c = (unsigned char)scan_peek(scan);
		unsigned int digit = (unsigned int)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);

		if (!isxdigit(c) || digit >= base)
			return scan_fail(scan, "expected %u digits of base %u in an escape", digits,
					 base);
		value = value * base + digit;
		scan->at++;
	}
	*ret = value;
	return 0;
}

static int scan_numeric_escape(struct scan *scan, char kind, struct buffer *out)
{
	struct scan start = *scan;
	unsigned int base = kind >= '0' && kind <= '7' ? 8 : 16;
	unsigned int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 3;
	uint32_t c = 0;

	if (base == 8)
		scan->at--;

	int err = scan_digits(scan, digits, base, &c);

	if (err)
		return err;
	if (!c || (base == 8 && c > 0xff) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return scan_fail(&start, "an escape that names no character");
	if (kind == 'u' || kind == 'U')
		put_utf8(out, c);
	else
		buffer_putc(out, (char)c);
	return 0;
}

/* Reads what stands behind a backslash. */
static int scan_escape(struct scan *scan, char quote, struct buffer *out)
{
	static const char letters[] = "abfnrtv\\";
	static const char bytes[] = "\a\b\f\n\r\t\v\\";
	char c = scan_peek(scan);
	const char *letter = c ? strchr(letters, c) : NULL;

	if (letter || (c && c == quote)) {
		buffer_putc(out, letter ? bytes[letter - letters] : c);
		scan->at++;
		return 0;
	}
	if (c && strchr("xuU01234567", c)) {
		scan->at++;
		return scan_numeric_escape(scan, c, out);
	}
	return scan_fail(scan, "unknown escape; write '\\\\' for a backslash");
}

int scan_string(struct scan *scan, char **ret)
{
	auto_buffer text = BUFFER_INIT;
	struct scan start = *scan;
	char quote = scan_peek(scan);

	if (!quote || !strchr("\"'`", quote))
		return scan_fail(scan, "expected a quoted string");
	scan->at++;

	while (scan_peek(scan) != quote) {
		char c = scan_peek(scan);

		if (scan_ended(scan) || (c == '\n' && quote != '`'))
			return scan_fail(&start, "the string that begins here does not end");
		scan->at++;
		if (c != '\\' || quote == '`') {
			buffer_putc(&text, c);
			continue;
		}

		int err = scan_escape(scan, quote, &text);

		if (err)
			return err;
	}
	scan->at++;
	*ret = buffer_steal(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}
