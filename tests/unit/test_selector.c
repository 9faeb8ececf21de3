/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/selector.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

static struct selector *parse(const char *text)
{
	struct selector *s = NULL;
	char error[256] = "";
	int err = selector_parse(text, &s, error, sizeof(error));

	if (err)
		print_error("%s: %s\n", text, error);
	assert_int_equal(err, 0);
	return s;
}

static void empty_forms_select_everything(void **state)
{
	static const char *const texts[] = {NULL,    "",   " ",	    "cpu",
					    " cpu ", "{}", "cpu{}", "cpu { }"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct selector *s = parse(texts[i]);

		assert_int_equal(selector_count(s), 0);
		selector_destroy(s);
	}
}

static void matchers_keep_their_order_and_names(void **state)
{
	struct selector *s =
		parse("cpu{comm=\"nginx\", exe != '/bin/a' ,container=~\"web.*\",thread!~`a|b`,}");

	(void)state;
	assert_int_equal(selector_count(s), 4);
	assert_string_equal(selector_label(s, 0), "comm");
	assert_string_equal(selector_label(s, 3), "thread");
	assert_int_equal(selector_match(s, 0, "nginx"), 1);
	assert_int_equal(selector_match(s, 0, "nginx2"), 0);
	assert_int_equal(selector_match(s, 1, "/bin/a"), 0);
	assert_int_equal(selector_match(s, 1, ""), 1);
	assert_int_equal(selector_match(s, 2, "web-1"), 1);
	assert_int_equal(selector_match(s, 2, "my-web-1"), 0);
	assert_int_equal(selector_match(s, 3, "a"), 0);
	assert_int_equal(selector_match(s, 3, "ab"), 1);
	selector_destroy(s);
}

static void alternatives_are_anchored_as_a_whole(void **state)
{
	struct selector *s = parse("{comm=~\"foo|bar\"}");

	(void)state;
	assert_int_equal(selector_match(s, 0, "foo"), 1);
	assert_int_equal(selector_match(s, 0, "bar"), 1);
	assert_int_equal(selector_match(s, 0, "foobar"), 0);
	assert_int_equal(selector_match(s, 0, "bar\n"), 0);
	selector_destroy(s);
}

static void escapes_are_those_of_promql(void **state)
{
	static const struct {
		const char *text;
		const char *value;
	} cases[] = {
		{"{a=\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"}", "\a\b\f\n\r\t\v\\\""},
		{"{a='it\\'s'}", "it's"},
		{"{a=\"it's\"}", "it's"},
		{"{a=`a\\nb`}", "a\\nb"},
		{"{a=\"\\x41\\101\\u00e4\\U0001F600\"}", "AA\xc3\xa4\xf0\x9f\x98\x80"},
		{"{a=\"}\"}", "}"},
		{"{a=\"\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selector *s = parse(cases[i].text);

		assert_int_equal(selector_match(s, 0, cases[i].value), 1);
		selector_destroy(s);
	}
}

static void errors_name_position_and_expectation(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} cases[] = {
		{"cpu{", "position 5: expected a label name"},
		{"cpu{comm", "position 9: expected '=', '!='"},
		{"cpu{comm=", "position 10: expected a quoted string"},
		{"cpu{comm=nginx}", "position 10: expected a quoted string"},
		{"cpu{comm=\"x}", "position 10: the string that begins here does not end"},
		{"cpu{comm=\"x\"", "position 13: expected ',' or '}'"},
		{"cpu{comm=\"x\"} y", "position 15: expected the end"},
		{"cpu{,}", "position 5: expected a label name"},
		{"cpu{1a=\"x\"}", "position 5: expected a label name"},
		{"cpu{comm==\"x\"}", "position 10: expected a quoted string"},
		{"memory{}", "position 1: unknown profile type 'memory'"},
		{"}", "position 1: expected a profile type"},
		{"{a=\"\\q\"}", "position 6: unknown escape"},
		{"{a=\"\\x0\"}", "position 8: expected 2 digits"},
		{"{a=\"\\x00\"}", "names no character"},
		{"{a=\"\\ud800\"}", "names no character"},
		{"{a=~\"(\"}", "position 5: bad regular expression at its character 2"},
		{"{a=~\"(*LIMIT_MATCH=999999999)a\"}", "may not begin with '(*'"},
		{"{a=\"x\ny\"}", "does not end"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selector *s = NULL;
		char error[256] = "";

		assert_int_equal(selector_parse(cases[i].text, &s, error, sizeof(error)), -EINVAL);
		assert_null(s);
		if (!strstr(error, cases[i].part))
			fail_msg("'%s' gave '%s', not '%s'", cases[i].text, error, cases[i].part);
	}
}

static void limits_on_length_and_count_hold(void **state)
{
	struct selector *s = NULL;
	char error[256];
	char *text = malloc(2 * SELECTOR_BYTES_MAX);
	size_t at = 0;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', SELECTOR_BYTES_MAX + 1);
	text[SELECTOR_BYTES_MAX + 1] = '\0';
	assert_int_equal(selector_parse(text, &s, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "longer than"));

	text[at++] = '{';
	for (int i = 0; i < SELECTOR_MATCHERS_MAX + 1; i++, at += 5)
		memcpy(text + at, "a=\"\",", 5);
	memcpy(text + at, "}", 2);
	assert_int_equal(selector_parse(text, &s, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "more than 32 matchers"));
	free(text);
}

static void an_exploding_pattern_is_stopped(void **state)
{
	struct selector *s = parse("{comm=~\"(a|aa|a+)+b\"}");
	char value[64] = "";

	(void)state;
	memset(value, 'a', 40);
	memcpy(value + 40, "cb", 2);
	assert_int_equal(selector_match(s, 0, value), -E2BIG);
	assert_int_equal(selector_match(s, 0, "aab"), 1);
	selector_destroy(s);
}

static void values_of_any_bytes_are_matched(void **state)
{
	struct selector *s = parse("{comm=~\".*end\",comm!~\".*end\"}");

	(void)state;
	assert_int_equal(selector_match(s, 0, "\xff\xfe"), 0);
	assert_int_equal(selector_match(s, 1, "\xff\xfe"), 1);
	selector_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_forms_select_everything),
		cmocka_unit_test(matchers_keep_their_order_and_names),
		cmocka_unit_test(alternatives_are_anchored_as_a_whole),
		cmocka_unit_test(escapes_are_those_of_promql),
		cmocka_unit_test(errors_name_position_and_expectation),
		cmocka_unit_test(limits_on_length_and_count_hold),
		cmocka_unit_test(an_exploding_pattern_is_stopped),
		cmocka_unit_test(values_of_any_bytes_are_matched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
