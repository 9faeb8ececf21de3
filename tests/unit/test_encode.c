/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders on hostile names, and the small pieces they and the server are made of.
 */
#include "server/encode/encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/utf8.h"
#include "server/encode/gzip.h"
#include "server/encode/json.h"
#include "server/http/host_check.h"
#include "server/http/json_list.h"
#include "server/http/server.h"
#include "tests/unit/window_fixture.h"

static struct symbolizer *const symbolizer = (struct symbolizer *)&fixture_got;

static struct profile *hostile_profile(struct fixture *f)
{
	static const char *const labels[] = {"comm", NULL};
	struct profile_options options = {.labels = labels};
	struct profile *p = NULL;

	fixture_init(f, 0, 10 * NS_PER_S);
	uint32_t a = fixture_labels(f, "comm=a;b\n\xff");
	fixture_samples(f, 0, fixture_stack(f, "main;lib:outer<in"), a, 2);
	fixture_samples(f, 0, fixture_stack(f, "main;k:read;j:</script>"), a, 3);
	assert_int_equal(profile_create(&options, &p), 0);
	assert_int_equal(profile_add_window(p, &f->w, NULL), 0);
	assert_int_equal(profile_symbolize(p, symbolizer, 0), 0);
	return p;
}

static void folded_lines_stay_lines(void **state)
{
	struct fixture f;
	struct profile *p = hostile_profile(&f);
	struct encode_options options = {0};
	auto_buffer out = BUFFER_INIT;

	(void)state;
	assert_int_equal(encode_folded(p, &options, &out), 0);
	assert_string_equal(buffer_terminate(&out),
			    "a:b \xef\xbf\xbd;main;outer;in_[i] 2\n"
			    "a:b \xef\xbf\xbd;main;read_[k];</script>_[j] 3\n");
	profile_destroy(p);
	fixture_release(&f);
}

static void names_cannot_end_a_script_element(void **state)
{
	struct fixture f;
	struct profile *p = hostile_profile(&f);
	struct encode_options options = {.query = "</script>\xe2\x80\xa8"};
	auto_buffer out = BUFFER_INIT;

	(void)state;
	assert_int_equal(encode_flamegraph(p, &options, &out), 0);
	assert_null(strstr(buffer_terminate(&out), "</script>"));
	assert_null(strstr(out.bytes, "\xe2\x80\xa8"));
	assert_non_null(strstr(out.bytes, "\\u003c/script>\\u2028"));
	profile_destroy(p);
	fixture_release(&f);
}

static void a_limit_on_the_output_is_an_error_in_every_format(void **state)
{
	static int (*const encoders[])(const struct profile *, const struct encode_options *,
				       struct buffer *) = {encode_pprof, encode_folded, encode_top,
							   encode_flamegraph, encode_speedscope};
	struct fixture f;
	struct profile *p = hostile_profile(&f);
	struct encode_options options = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		auto_buffer out = BUFFER_INIT;

		out.limit = 40;
		assert_int_equal(encoders[i](p, &options, &out), -EFBIG);
	}
	profile_destroy(p);
	fixture_release(&f);
}

static void json_strings_are_escaped(void **state)
{
	auto_buffer out = BUFFER_INIT;

	(void)state;
	json_put_string(&out, "a\"b\\c\n\x01\x7f<\xc3\xa4\xf0\x9f\x98\x80\xff\xed\xa0\x80");
	assert_string_equal(buffer_terminate(&out),
			    "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\\u003c\xc3\xa4\xf0\x9f\x98\x80"
			    "\\ufffd\\ufffd\\ufffd\\ufffd\"");
	buffer_clear(&out);
	buffer_putc(&out, '{');
	json_put_seconds(&out, "a", 1500000000);
	json_put_seconds(&out, "b", 3 * NS_PER_S);
	json_put_seconds(&out, "c", 1);
	assert_string_equal(buffer_terminate(&out), "{\"a\":1.5,\"b\":3,\"c\":0.000000001");
}

static void utf8_is_what_unicode_says(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{"a", 1},
		{"\xc3\xa4", 2},
		{"\xe2\x82\xac", 3},
		{"\xf4\x8f\xbf\xbf", 4},
		{"\x80", 0},
		{"\xc0\x80", 0},
		{"\xe0\x80\x80", 0},
		{"\xed\xa0\x80", 0},
		{"\xf0\x80\x80\x80", 0},
		{"\xf4\x90\x80\x80", 0},
		{"\xe2\x82", 0},
		{"\xf8\x88\x80\x80\x80", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(utf8_length((const unsigned char *)cases[i].bytes, SIZE_MAX),
				 cases[i].length);
}

static void gzip_comes_back_whole(void **state)
{
	char text[200000];
	auto_buffer packed = BUFFER_INIT;
	auto_buffer plain = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * i >> 7);
	assert_int_equal(gzip_append(&packed, text, sizeof(text), 5), 0);
	assert_int_equal(gunzip_append(&plain, packed.bytes, packed.length, sizeof(text)), 0);
	assert_memory_equal(plain.bytes, text, sizeof(text));
	assert_int_equal(gunzip_append(&plain, packed.bytes, packed.length - 1, sizeof(text)),
			 -EBADMSG);
	assert_int_equal(gunzip_append(&plain, packed.bytes, packed.length, 10), -EBADMSG);
}

static void a_json_list_is_strings_or_nothing(void **state)
{
	static const char *const bad[] = {"",	       "x",	      "[",
					  "[1]",       "[\"a\"",      "[\"a\",]",
					  "[\"a\"] x", "[\"\\q\"]",   "[\"\\ud800\"]",
					  "[\"\n\"]",  "[libc.so.6]", "[\"a\" \"b\"]"};
	char **list = NULL;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(json_list_parse(bad[i], 10, &list, &count), -EINVAL);
	assert_int_equal(json_list_parse("[\"a\",\"b\"]", 1, &list, &count), -EINVAL);
	assert_int_equal(
		json_list_parse(" [ \"a\\n\\u00e4\\ud83d\\ude00\" , \"\" ] ", 10, &list, &count),
		0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0], "a\n\xc3\xa4\xf0\x9f\x98\x80");
	assert_string_equal(list[1], "");
	free(list[0]);
	free(list[1]);
	free(list);
}

static void only_local_names_are_local(void **state)
{
	(void)state;
	assert_true(host_is_local("localhost:7979", NULL));
	assert_true(host_is_local("[::1]:7979", NULL));
	assert_true(host_is_local("127.0.0.2:7979", "127.0.0.2"));
	assert_false(host_is_local("127.0.0.2", "127.0.0.1"));
	assert_false(host_is_local("localhost.evil", NULL));
	assert_false(host_is_local("evil:localhost", NULL));
	assert_false(host_is_local("[::1", NULL));
	assert_false(host_is_local("", NULL));
}

static void listen_addresses_know_whether_others_reach_them(void **state)
{
	struct listen_address a;

	(void)state;
	assert_int_equal(listen_address_parse("127.0.0.1:7979", &a), 0);
	assert_true(a.loopback && a.port == 7979);
	assert_int_equal(listen_address_parse("[::1]:0", &a), 0);
	assert_true(a.loopback);
	assert_string_equal(a.host, "::1");
	assert_int_equal(listen_address_parse("0.0.0.0:80", &a), 0);
	assert_false(a.loopback);
	assert_int_equal(listen_address_parse(":80", &a), 0);
	assert_false(a.loopback);
	assert_int_equal(listen_address_parse("::1:80", &a), -EINVAL);
	assert_int_equal(listen_address_parse("127.0.0.1", &a), -EINVAL);
	assert_int_equal(listen_address_parse("127.0.0.1:65536", &a), -EINVAL);
	assert_int_equal(listen_address_parse("[::1:80", &a), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_lines_stay_lines),
		cmocka_unit_test(names_cannot_end_a_script_element),
		cmocka_unit_test(a_limit_on_the_output_is_an_error_in_every_format),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(utf8_is_what_unicode_says),
		cmocka_unit_test(gzip_comes_back_whole),
		cmocka_unit_test(a_json_list_is_strings_or_nothing),
		cmocka_unit_test(only_local_names_are_local),
		cmocka_unit_test(listen_addresses_know_whether_others_reach_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
