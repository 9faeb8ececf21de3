/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading binary data that nobody vouches for.
 *
 * A cursor never moves beyond its end: a read that does not fit returns 0 and makes the cursor bad, and a bad
 * cursor stays bad, so that a parser checks once per record instead of once per field. The functions are inline
 * because DWARF readers call them some hundred million times for a large file.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_CURSOR_H
#define HEARTH_SYMBOLIZER_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Bytes borrowed from somewhere; NULL and 0 when absent. */
struct slice {
	const uint8_t *bytes;
	size_t length;
};

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad; /* a read went beyond the end or was malformed */
};

/** A cursor at @offset of @s; bad if that lies outside. */
static inline struct cursor cursor_at(struct slice s, uint64_t offset)
{
	if (!s.bytes || offset > s.length)
		return (struct cursor){.bad = true};
	return (struct cursor){.at = s.bytes + offset, .end = s.bytes + s.length};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline void cursor_fail(struct cursor *c)
{
	c->bad = true;
	c->at = c->end;
}

static inline void cursor_skip(struct cursor *c, uint64_t length)
{
	if (length > cursor_left(c))
		cursor_fail(c);
	else
		c->at += length;
}

#define CURSOR_READER(name, type)                          \
	static inline type cursor_##name(struct cursor *c) \
	{                                                  \
		type value = 0;                            \
		if (cursor_left(c) < sizeof(value)) {      \
			cursor_fail(c);                    \
			return 0;                          \
		}                                          \
		memcpy(&value, c->at, sizeof(value));      \
		c->at += sizeof(value);                    \
		return value;                              \
	}

CURSOR_READER(u8, uint8_t)
CURSOR_READER(u16, uint16_t)
CURSOR_READER(u32, uint32_t)
CURSOR_READER(u64, uint64_t)
#undef CURSOR_READER

static inline uint32_t cursor_u24(struct cursor *c)
{
	uint32_t low = cursor_u16(c);

	return low | (uint32_t)cursor_u8(c) << 16;
}

/** ULEB128; bits beyond 64 are lost, more than 10 bytes are malformed. */
static inline uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70 && c->at < c->end; shift += 7) {
		uint8_t byte = *c->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cursor_fail(c);
	return 0;
}

/** SLEB128, with the limits of cursor_uleb(). */
static inline int64_t cursor_sleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70 && c->at < c->end;) {
		uint8_t byte = *c->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (shift < 64 && (byte & 0x40))
			value |= UINT64_MAX << shift;
		return (int64_t)value;
	}
	cursor_fail(c);
	return 0;
}

static inline void cursor_skip_leb(struct cursor *c)
{
	while (c->at < c->end)
		if (!(*c->at++ & 0x80))
			return;
	cursor_fail(c);
}

/** An offset of 4 or 8 bytes. */
static inline uint64_t cursor_offset(struct cursor *c, unsigned int bytes)
{
	return bytes == 8 ? cursor_u64(c) : cursor_u32(c);
}

/** An unsigned number of 1, 2, 4 or 8 bytes; another size is malformed. */
static inline uint64_t cursor_sized(struct cursor *c, unsigned int bytes)
{
	switch (bytes) {
	case 1:
		return cursor_u8(c);
	case 2:
		return cursor_u16(c);
	case 4:
		return cursor_u32(c);
	case 8:
		return cursor_u64(c);
	}
	cursor_fail(c);
	return 0;
}

/** A NUL-terminated string; NULL if it has no end. */
static inline const char *cursor_string(struct cursor *c)
{
	const uint8_t *end = cursor_left(c) ? memchr(c->at, 0, cursor_left(c)) : NULL;

	if (!end) {
		cursor_fail(c);
		return NULL;
	}

	const char *text = (const char *)c->at;

	c->at = end + 1;
	return text;
}

#define SLICE_STRING_MAX \
	(256u << 10) /* no name is longer; a search for its end is not to take all day */

/** The NUL-terminated string at @offset of @s; NULL if there is none, or a longer one than SLICE_STRING_MAX. */
static inline const char *slice_string(struct slice s, uint64_t offset)
{
	struct cursor c = cursor_at(s, offset);

	if (!c.bad && cursor_left(&c) > SLICE_STRING_MAX)
		c.end = c.at + SLICE_STRING_MAX;

	return c.bad ? NULL : cursor_string(&c);
}

#endif
