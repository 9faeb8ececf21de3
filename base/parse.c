/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"

#define FRACTION_DIGITS 9
#define FRACTION_SCALE	1000000000ull

struct unit {
	const char *name;
	uint64_t factor;
};

int parse_take_u64(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*at))
		return -EINVAL;
	for (; isdigit((unsigned char)*at); at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -ERANGE;

	*text = at;
	*ret = value;
	return 0;
}

int parse_take_hex(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!isxdigit((unsigned char)*at))
		return -EINVAL;
	for (; isxdigit((unsigned char)*at); at++) {
		int digit = isdigit((unsigned char)*at) ? *at - '0'
							: tolower((unsigned char)*at) - 'a' + 10;

		if (value >> 60)
			return -ERANGE;
		value = value << 4 | (uint64_t)digit;
	}

	*text = at;
	*ret = value;
	return 0;
}

/* Reads ".ddd" if there is one, in units of 1e-9; further digits are cut. */
static int take_fraction(const char **text, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned int digits = 0;

	*ret = 0;
	if (**text != '.')
		return 0;
	if (!isdigit((unsigned char)(*text)[1]))
		return -EINVAL;

	for (++*text; isdigit((unsigned char)**text); ++*text) {
		if (digits == FRACTION_DIGITS)
			continue;
		value = value * 10 + (uint64_t)(**text - '0');
		digits++;
	}
	for (; digits < FRACTION_DIGITS; digits++)
		value *= 10;
	*ret = value;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
	uint64_t value;
	int err = parse_take_u64(&text, &value);

	if (err)
		return err;
	if (*text)
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_u32_range(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	int err = parse_u64(text, &value);

	if (err)
		return err;
	if (value < min || value > max)
		return -ERANGE;
	*ret = (uint32_t)value;
	return 0;
}

int parse_hex(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;

	int err = parse_take_hex(&text, &value);

	if (err)
		return err;
	if (*text)
		return -EINVAL;
	*ret = value;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name,
				    bool ignore_case)
{
	for (size_t i = 0; i < count; i++)
		if (ignore_case ? !strcasecmp(units[i].name, name) : !strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/* A number with a fraction times its unit; the whole of @text. */
static int parse_scaled(const char *text, const struct unit *units, size_t count, bool ignore_case,
			uint64_t *ret)
{
	uint64_t whole;
	uint64_t fraction;
	int err = parse_take_u64(&text, &whole);

	if (!err)
		err = take_fraction(&text, &fraction);
	if (err)
		return err;

	const struct unit *unit = find_unit(units, count, text, ignore_case);

	if (!unit)
		return -EINVAL;

	uint64_t part = (uint64_t)((unsigned __int128)fraction * unit->factor / FRACTION_SCALE);

	if (__builtin_mul_overflow(whole, unit->factor, &whole) ||
	    __builtin_add_overflow(whole, part, &whole))
		return -ERANGE;
	*ret = whole;
	return 0;
}

int parse_percent(const char *text, uint64_t *ret_ppm)
{
	static const struct unit units[] = {{"", 10000}, {"%", 10000}};

	return parse_scaled(text, units, ARRAY_SIZE(units), false, ret_ppm);
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		{"K", 1ull << 10},
		{"KB", 1ull << 10},
		{"KiB", 1ull << 10},
		{"M", 1ull << 20},
		{"MB", 1ull << 20},
		{"MiB", 1ull << 20},
		{"G", 1ull << 30},
		{"GB", 1ull << 30},
		{"GiB", 1ull << 30},
		{"T", 1ull << 40},
		{"TB", 1ull << 40},
		{"TiB", 1ull << 40},
	};

	return parse_scaled(text, units, ARRAY_SIZE(units), true, ret_bytes);
}

int parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{"", NS_PER_S},		  {"ns", 1},
		{"us", NS_PER_US},	  {"ms", NS_PER_MS},
		{"s", NS_PER_S},	  {"m", 60 * NS_PER_S},
		{"h", 3600 * NS_PER_S},	  {"d", 86400 * NS_PER_S},
		{"w", 604800 * NS_PER_S},
	};

	return parse_scaled(text, units, ARRAY_SIZE(units), false, ret_ns);
}

static int parse_now(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns)
{
	uint64_t span_ns;

	if (!*text) {
		*ret_wall_ns = wall_now_ns;
		return 0;
	}
	if (*text != '-' && *text != '+')
		return -EINVAL;

	int err = parse_duration(text + 1, &span_ns);

	if (err)
		return err;
	if (*text == '-' ? __builtin_sub_overflow(wall_now_ns, span_ns, &wall_now_ns)
			 : __builtin_add_overflow(wall_now_ns, span_ns, &wall_now_ns))
		return -ERANGE;
	*ret_wall_ns = wall_now_ns;
	return 0;
}

/* Reads exactly @digits digits followed by @behind ('\0' = whatever). */
static int take_field(const char **text, unsigned int digits, char behind, int *ret)
{
	int value = 0;

	for (unsigned int i = 0; i < digits; i++, ++*text) {
		if (!isdigit((unsigned char)**text))
			return -EINVAL;
		value = value * 10 + (**text - '0');
	}
	if (behind && *(*text)++ != behind)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* "Z", "+hh:mm" or "-hh:mm" and the end of the string. */
static int take_zone(const char *text, int64_t *ret_offset_s)
{
	int sign = *text == '-' ? -1 : 1;
	int hours;
	int minutes;

	if ((*text == 'Z' || *text == 'z') && !text[1]) {
		*ret_offset_s = 0;
		return 0;
	}
	if (*text != '-' && *text != '+')
		return -EINVAL;
	text++;
	if (take_field(&text, 2, ':', &hours) || take_field(&text, 2, '\0', &minutes) || *text)
		return -EINVAL;
	if (hours > 23 || minutes > 59)
		return -EINVAL;
	*ret_offset_s = sign * (int64_t)(hours * 3600 + minutes * 60);
	return 0;
}

static int days_in_month(int years_since_1900, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = years_since_1900 + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month] + (month == 1 && leap);
}

/* RFC 3339 section 5.6; 'T' may also be 't' or a space. */
static int parse_rfc3339(const char *text, uint64_t *ret_wall_ns)
{
	struct tm tm = {0};
	uint64_t fraction;
	int64_t offset_s;

	if (take_field(&text, 4, '-', &tm.tm_year) || take_field(&text, 2, '-', &tm.tm_mon) ||
	    take_field(&text, 2, '\0', &tm.tm_mday))
		return -EINVAL;
	if (!*text || !strchr("Tt ", *text++))
		return -EINVAL;
	if (take_field(&text, 2, ':', &tm.tm_hour) || take_field(&text, 2, ':', &tm.tm_min) ||
	    take_field(&text, 2, '\0', &tm.tm_sec))
		return -EINVAL;
	if (take_fraction(&text, &fraction) || take_zone(text, &offset_s))
		return -EINVAL;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;

	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (tm.tm_mday < 1 || tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon))
		return -EINVAL; /* timegm() would quietly make the 31st of June the 1st of July */

	int64_t seconds = timegm(&tm);

	seconds -= offset_s;
	if (seconds < 0 || seconds > INT64_MAX / (int64_t)NS_PER_S)
		return -ERANGE;
	*ret_wall_ns = (uint64_t)seconds * NS_PER_S + fraction;
	return 0;
}

int parse_time(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns)
{
	static const struct unit seconds = {"", NS_PER_S};

	if (!strncmp(text, "now", 3))
		return parse_now(text + 3, wall_now_ns, ret_wall_ns);
	if (strchr(text, '-') || strchr(text, ':'))
		return parse_rfc3339(text, ret_wall_ns);
	return parse_scaled(text, &seconds, 1, false, ret_wall_ns);
}
