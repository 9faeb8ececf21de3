/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "unit/check.h"

#define UNTOUCHED 0xdeadbeefcafef00dull

struct row {
	const char *text;
	int err;
	uint64_t value;
};

/* Checks the status, and that a result is written on success only. */
static void assert_rows(int (*parse)(const char *, uint64_t *), const struct row *rows,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = UNTOUCHED;
		int err = parse(rows[i].text, &value);
		uint64_t wanted = rows[i].err ? UNTOUCHED : rows[i].value;

		if (err != rows[i].err || value != wanted)
			fail_msg("'%s': status %d, value %" PRIu64
				 "; wanted status %d, value %" PRIu64,
				 rows[i].text, err, value, rows[i].err, wanted);
	}
}

static void decimal_numbers(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0", 0, 0},
		{"7", 0, 7},
		{"0042", 0, 42},
		{"18446744073709551615", 0, UINT64_MAX},
		{"00000000000000000000000018446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"18446744073709551620", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"184467440737095516150", -ERANGE, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1\n", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"abc", -EINVAL, 0},
		{"1a", -EINVAL, 0},
		{"\xd9\xa1", -EINVAL, 0}, /* Arabic digit one */
	};

	assert_rows(parse_u64, rows, ARRAY_SIZE(rows));
}

static void ranges_include_their_ends(void **state)
{
	(void)state;
	uint32_t value = 5;

	assert_int_equal(parse_u32_range("10", 10, 20, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(parse_u32_range("20", 10, 20, &value), 0);
	assert_int_equal(value, 20);
	assert_int_equal(parse_u32_range("9", 10, 20, &value), -ERANGE);
	assert_int_equal(parse_u32_range("21", 10, 20, &value), -ERANGE);
	assert_int_equal(parse_u32_range("4294967311", 10, 20, &value), -ERANGE); /* 2^32 + 15 */
	assert_int_equal(parse_u32_range("4294967295", 0, UINT32_MAX, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(parse_u32_range("4294967296", 0, UINT32_MAX, &value), -ERANGE);
	assert_int_equal(parse_u32_range("x", 10, 20, &value), -EINVAL);
	assert_int_equal(parse_u32_range("", 0, 20, &value), -EINVAL);
	assert_int_equal(value, UINT32_MAX);
}

static void digits_at_the_start_of_text(void **state)
{
	(void)state;
	const char *text = "7f3a-FFFF r-xp 0042 x";
	uint64_t value = UNTOUCHED;

	assert_int_equal(parse_take_hex(&text, &value), 0);
	assert_int_equal(value, 0x7f3a);
	assert_int_equal(parse_take_hex(&text, &value), -EINVAL);
	assert_int_equal(*text++, '-');
	assert_int_equal(parse_take_hex(&text, &value), 0);
	assert_int_equal(value, 0xffff);
	text += strlen(" r-xp ");
	assert_int_equal(parse_take_u64(&text, &value), 0);
	assert_int_equal(value, 42);
	assert_string_equal(text, " x");
	assert_int_equal(parse_take_u64(&text, &value), -EINVAL);

	text = "18446744073709551616 ";
	assert_int_equal(parse_take_u64(&text, &value), -ERANGE);
	assert_int_equal(*text, '1');
	text = "10000000000000000 ";
	assert_int_equal(parse_take_hex(&text, &value), -ERANGE);
	text = "ffffffffffffffff ";
	assert_int_equal(parse_take_hex(&text, &value), 0);
	assert_true(value == UINT64_MAX);
	text = "";
	assert_int_equal(parse_take_hex(&text, &value), -EINVAL);
	assert_int_equal(parse_take_u64(&text, &value), -EINVAL);
}

static void hexadecimal_numbers(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0", 0, 0},
		{"ff", 0, 255},
		{"FF", 0, 255},
		{"0xfF", 0, 255},
		{"0Xa", 0, 10},
		{"ffffffff81000000", 0, 0xffffffff81000000ull},
		{"0xffffffffffffffff", 0, UINT64_MAX},
		{"0000000000000000000000001", 0, 1},
		{"10000000000000000", -ERANGE, 0},
		{"0x1ffffffffffffffff", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"x1", -EINVAL, 0},
		{"0x0x1", -EINVAL, 0},
		{"fg", -EINVAL, 0},
		{"g", -EINVAL, 0},
		{" ff", -EINVAL, 0},
		{"ff ", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"@", -EINVAL, 0},
		{"`", -EINVAL, 0},
	};

	assert_rows(parse_hex, rows, ARRAY_SIZE(rows));
}

static void sizes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"17B", 0, 17},
		{"64M", 0, 64ull << 20},
		{"64MiB", 0, 64ull << 20},
		{"64MB", 0, 64ull << 20},
		{"64m", 0, 64ull << 20},
		{"1k", 0, 1024},
		{"1kB", 0, 1024},
		{"1KiB", 0, 1024},
		{"1.5K", 0, 1536},
		{"0.5G", 0, 512ull << 20},
		{"2T", 0, 2ull << 40},
		{"2TiB", 0, 2ull << 40},
		{"0.0", 0, 0},
		{"16777215T", 0, 16777215ull << 40},
		{"16777216T", -ERANGE, 0},
		{"16777215.999999999T", 0, (16777215ull << 40) + 1099511626676ull},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551615K", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"1 M", -EINVAL, 0},
		{" 1M", -EINVAL, 0},
		{"-1M", -EINVAL, 0},
		{"1.M", -EINVAL, 0},
		{".5M", -EINVAL, 0},
		{"1.5.5M", -EINVAL, 0},
		{"1MM", -EINVAL, 0},
		{"1X", -EINVAL, 0},
		{"1Mi", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
	};

	assert_rows(parse_size, rows, ARRAY_SIZE(rows));
}

static void percents(void **state)
{
	static const struct row rows[] = {
		{"1", 0, 10000},     {"1%", 0, 10000},
		{"0.5%", 0, 5000},   {"0.0001%", 0, 1},
		{"0", 0, 0},	     {"100%", 0, 1000000},
		{"", -EINVAL, 0},    {"%", -EINVAL, 0},
		{"1 %", -EINVAL, 0}, {"-1%", -EINVAL, 0},
		{"1%%", -EINVAL, 0}, {"nan", -EINVAL, 0},
		{"1e3", -EINVAL, 0}, {"9999999999999999", -ERANGE, 0},
	};

	(void)state;
	assert_rows(parse_percent, rows, ARRAY_SIZE(rows));
}

static void durations(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0", 0, 0},
		{"10", 0, 10 * NS_PER_S},
		{"10s", 0, 10 * NS_PER_S},
		{"0.25", 0, 250 * NS_PER_MS},
		{"1.5h", 0, 5400 * NS_PER_S},
		{"100ms", 0, 100 * NS_PER_MS},
		{"3us", 0, 3000},
		{"7ns", 0, 7},
		{"0.9ns", 0, 0},
		{"0.000000001", 0, 1},
		{"0.0000000019", 0, 1},
		{"15m", 0, 900 * NS_PER_S},
		{"2d", 0, 172800 * NS_PER_S},
		{"1w", 0, 604800 * NS_PER_S},
		{"18446744073s", 0, 18446744073ull * NS_PER_S},
		{"18446744073.709551615", 0, UINT64_MAX},
		{"18446744073.709551616", -ERANGE, 0},
		{"18446744074s", -ERANGE, 0},
		{"30501w", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1M", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{"1h30m", -EINVAL, 0},
		{"abc", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"nan", -EINVAL, 0},
	};

	assert_rows(parse_duration, rows, ARRAY_SIZE(rows));
}

#define NOW (1800000000ull * NS_PER_S + 5)

static int parse_time_at_now(const char *text, uint64_t *ret)
{
	return parse_time(text, NOW, ret);
}

static void times_relative_to_now(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"now", 0, NOW},
		{"now-15m", 0, NOW - 900 * NS_PER_S},
		{"now-1.5s", 0, NOW - 1500 * NS_PER_MS},
		{"now-30", 0, NOW - 30 * NS_PER_S},
		{"now+1s", 0, NOW + NS_PER_S},
		{"now-0s", 0, NOW},
		{"now-3000w", -ERANGE, 0},
		{"now+30000w", -ERANGE, 0},
		{"now-99999999999999999999s", -ERANGE, 0},
		{"now-", -EINVAL, 0},
		{"now+", -EINVAL, 0},
		{"now--1s", -EINVAL, 0},
		{"now 1s", -EINVAL, 0},
		{"now -1s", -EINVAL, 0},
		{"now-abc", -EINVAL, 0},
		{"nowhere", -EINVAL, 0},
		{"Now", -EINVAL, 0},
		{"no", -EINVAL, 0},
	};

	assert_rows(parse_time_at_now, rows, ARRAY_SIZE(rows));
}

static void times_as_unix_seconds(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0", 0, 0},
		{"1750000000", 0, 1750000000ull * NS_PER_S},
		{"1750000000.5", 0, 1750000000500000000ull},
		{"1750000000.123456789", 0, 1750000000123456789ull},
		{"1750000000.1234567899", 0, 1750000000123456789ull},
		{"18446744073.709551615", 0, UINT64_MAX},
		{"18446744074", -ERANGE, 0},
		{"1750000000s", -EINVAL, 0},
		{"1750000000.", -EINVAL, 0},
		{"-5", -EINVAL, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
	};

	assert_rows(parse_time_at_now, rows, ARRAY_SIZE(rows));
}

static void times_as_python_reads_them(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t wall_ns;
	} rows[] = {
#include "unit/golden_rfc3339.inc"
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = UNTOUCHED;

		if (parse_time(rows[i].text, NOW, &value) || value != rows[i].wall_ns)
			fail_msg("'%s': got %" PRIu64 ", wanted %" PRIu64, rows[i].text, value,
				 rows[i].wall_ns);
	}
}

static void times_that_do_not_exist(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"2016-12-31T23:59:60Z", 0, 1483228800ull * NS_PER_S}, /* a leap second */
		{"2024-02-29T00:00:00Z", 0, 1709164800ull * NS_PER_S},
		{"2026-05-01T12:00:00-00:00", 0, 1777636800ull * NS_PER_S},
		{"2023-02-29T00:00:00Z", -EINVAL, 0},
		{"2100-02-29T00:00:00Z", -EINVAL, 0},
		{"2026-06-31T00:00:00Z", -EINVAL, 0},
		{"2026-13-01T00:00:00Z", -EINVAL, 0},
		{"2026-00-01T00:00:00Z", -EINVAL, 0},
		{"2026-01-00T00:00:00Z", -EINVAL, 0},
		{"2026-01-01T24:00:00Z", -EINVAL, 0},
		{"2026-01-01T00:60:00Z", -EINVAL, 0},
		{"2026-01-01T00:00:61Z", -EINVAL, 0},
		{"2026-01-01T00:00:00", -EINVAL, 0},
		{"2026-01-01T00:00:00ZZ", -EINVAL, 0},
		{"2026-01-01T00:00:00 Z", -EINVAL, 0},
		{"2026-01-01T00:00:00+0200", -EINVAL, 0},
		{"2026-01-01T00:00:00+24:00", -EINVAL, 0},
		{"2026-01-01T00:00:00+02:60", -EINVAL, 0},
		{"2026-01-01T00:00:00+02:0", -EINVAL, 0},
		{"2026-01-01T00:00:00+02:000", -EINVAL, 0},
		{"2026-01-01T00:00:00.Z", -EINVAL, 0},
		{"2026-01-01X00:00:00Z", -EINVAL, 0},
		{"2026-01-01T00:00Z", -EINVAL, 0},
		{"2026-1-01T00:00:00Z", -EINVAL, 0},
		{"26-01-01T00:00:00Z", -EINVAL, 0},
		{"2026-01-01", -EINVAL, 0},
		{"2026-01-01T", -EINVAL, 0},
		{"2026-", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{":", -EINVAL, 0},
		{"12:00:00", -EINVAL, 0},
		{"1969-12-31T23:59:59Z", -ERANGE, 0},
		{"1970-01-01T00:00:00+00:01", -ERANGE, 0},
		{"0000-02-29T00:00:00Z", -ERANGE, 0},
		{"9999-12-31T23:59:59Z", -ERANGE, 0},
	};

	assert_rows(parse_time_at_now, rows, ARRAY_SIZE(rows));
}

/* Whatever is cut off or bent in a good text is read or refused, within its bounds (ASan looks on). */
static void damaged_text_is_never_read_past_its_end(void **state)
{
	(void)state;
	static const char *const good[] = {"2026-05-01T12:34:56.789+01:30", "now-15m", "1.5GiB",
					   "0xffffffff81000000", "1750000000.25"};
	uint64_t seed = 7;

	for (int round = 0; round < 20000; round++) {
		const char *model = good[round % (int)ARRAY_SIZE(good)];
		size_t length = strlen(model);
		size_t cut = next_random(&seed) % (length + 1);
		char *text = strndup(model, cut);
		uint64_t value;

		assert_non_null(text);
		if (cut && next_random(&seed) % 2)
			text[next_random(&seed) % cut] = (char)(1 + next_random(&seed) % 255);
		(void)parse_u64(text, &value);
		(void)parse_hex(text, &value);
		(void)parse_size(text, &value);
		(void)parse_duration(text, &value);
		(void)parse_time(text, NOW, &value);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimal_numbers),
		cmocka_unit_test(ranges_include_their_ends),
		cmocka_unit_test(digits_at_the_start_of_text),
		cmocka_unit_test(hexadecimal_numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(percents),
		cmocka_unit_test(durations),
		cmocka_unit_test(times_relative_to_now),
		cmocka_unit_test(times_as_unix_seconds),
		cmocka_unit_test(times_as_python_reads_them),
		cmocka_unit_test(times_that_do_not_exist),
		cmocka_unit_test(damaged_text_is_never_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
