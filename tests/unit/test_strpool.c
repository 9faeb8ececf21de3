/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strpool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/check.h"

static void id_zero_is_the_empty_string(void **state)
{
	(void)state;
	struct strpool p = {0};
	uint32_t id = 99;

	assert_string_equal(strpool_get(&p, 0), "");
	assert_int_equal(strpool_count(&p), 1);
	assert_int_equal(strpool_add(&p, "", &id), 0);
	assert_int_equal(id, 0);
	id = 99;
	assert_int_equal(strpool_add(&p, NULL, &id), 0);
	assert_int_equal(id, 0);
	id = 99;
	assert_int_equal(strpool_add_bytes(&p, NULL, 0, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(strpool_count(&p), 1);
	assert_int_equal(strpool_bytes(&p), 0);
	strpool_release(&p);
	strpool_release(NULL);
}

static void equal_strings_share_an_id_and_ids_count_up(void **state)
{
	(void)state;
	struct strpool p = {0};
	char text[32];

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 20000; i++) {
			uint32_t id;

			(void)snprintf(text, sizeof(text), "function_%u", i);
			assert_int_equal(strpool_add(&p, text, &id), 0);
			assert_int_equal(id, i + 1);
		}
		assert_int_equal(strpool_count(&p), 20001);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "function_%u", i);
		assert_string_equal(strpool_get(&p, i + 1), text);
	}
	strpool_release(&p);
}

static void texts_never_move(void **state)
{
	(void)state;
	struct strpool p = {0};
	const char *first[100];
	char text[32];
	uint32_t id;

	for (uint32_t i = 0; i < 50000; i++) {
		(void)snprintf(text, sizeof(text), "name %u", i);
		assert_int_equal(strpool_add(&p, text, &id), 0);
		if (i < 100)
			first[i] = strpool_get(&p, id);
	}
	for (uint32_t i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "name %u", i);
		assert_ptr_equal(strpool_get(&p, i + 1), first[i]);
		assert_string_equal(first[i], text);
	}
	strpool_release(&p);
}

static void prefixes_are_different_strings(void **state)
{
	(void)state;
	struct strpool p = {0};
	const char *text = "abcdefgh";
	uint32_t id;

	for (size_t length = 8; length > 0; length--) {
		assert_int_equal(strpool_add_bytes(&p, text, length, &id), 0);
		assert_int_equal(id, 9 - length);
		assert_int_equal(strlen(strpool_get(&p, id)), length);
	}
	assert_int_equal(strpool_add(&p, "abc", &id), 0);
	assert_int_equal(id, 6);
	strpool_release(&p);
}

static void bytes_behind_a_nul_are_not_read_as_text(void **state)
{
	(void)state;
	struct strpool p = {0};
	uint32_t plain;
	uint32_t cut;

	assert_int_equal(strpool_add(&p, "ab", &plain), 0);
	assert_int_equal(strpool_add_bytes(&p, "ab\0cdefghijklmnop", 17, &cut), 0);
	assert_int_equal(cut, plain);
	assert_int_equal(strpool_add_bytes(&p, "\0x", 2, &cut), 0);
	assert_int_equal(cut, 0);
	strpool_release(&p);
}

static void long_strings_get_room_of_their_own(void **state)
{
	(void)state;
	struct strpool p = {0};
	static const size_t lengths[] = {16382, 16383, 16384, 16385, 1000000};
	uint32_t id;

	for (size_t i = 0; i < 5; i++) {
		char *text = malloc(lengths[i] + 1);

		assert_non_null(text);
		memset(text, 'a' + (int)i, lengths[i]);
		text[lengths[i]] = '\0';
		assert_int_equal(strpool_add(&p, text, &id), 0);
		assert_int_equal(strpool_add(&p, "short", &id), 0);
		assert_int_equal(id, 2);
		assert_int_equal(strpool_add(&p, text, &id), 0);
		assert_int_equal(id, i ? i + 2 : 1);
		assert_string_equal(strpool_get(&p, id), text);
		free(text);
	}
	assert_true(strpool_bytes(&p) > 1000000 + 4 * 16384);
	strpool_release(&p);
}

static void an_unknown_id_reads_empty(void **state)
{
	(void)state;
	struct strpool p = {0};
	uint32_t id;

	assert_int_equal(strpool_add(&p, "x", &id), 0);
	assert_string_equal(strpool_get(&p, 2), "");
	assert_string_equal(strpool_get(&p, UINT32_MAX), "");
	strpool_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(id_zero_is_the_empty_string),
		cmocka_unit_test(equal_strings_share_an_id_and_ids_count_up),
		cmocka_unit_test(texts_never_move),
		cmocka_unit_test(prefixes_are_different_strings),
		cmocka_unit_test(bytes_behind_a_nul_are_not_read_as_text),
		cmocka_unit_test(long_strings_get_room_of_their_own),
		cmocka_unit_test(an_unknown_id_reads_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
