/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "unit/check.h"

FAIL_ALLOCATIONS_SOFTLY();

static void pieces_add_up(void **state)
{
	(void)state;
	auto_buffer b = BUFFER_INIT;

	buffer_puts(&b, "sample");
	buffer_putc(&b, ':');
	buffer_append(&b, "\0\xff", 2);
	buffer_append(&b, NULL, 0);
	buffer_put_u64(&b, 99);
	buffer_printf(&b, "%s=%d;", "x", -7);
	assert_int_equal(b.error, 0);
	assert_int_equal(b.length, 16);
	assert_memory_equal(b.bytes,
			    "sample:\0\xff"
			    "99x=-7;",
			    16);
	assert_string_equal(buffer_terminate(&b) + 9, "99x=-7;");
	assert_int_equal(b.length, 16);
}

static void numbers_print_as_printf_does(void **state)
{
	(void)state;
	uint64_t seed = 1;
	char wanted[32];

	for (int i = 0; i < 2000; i++) {
		auto_buffer b = BUFFER_INIT;
		uint64_t value = i < 3 ? (uint64_t)(i - 1) : next_random(&seed) >> (i % 64);

		(void)snprintf(wanted, sizeof(wanted), "%" PRIu64, value);
		buffer_put_u64(&b, value);
		assert_string_equal(buffer_terminate(&b), wanted);
	}
}

static void any_length_of_formatted_text_fits(void **state)
{
	(void)state;
	char *text = calloc(1, 70001);

	assert_non_null(text);
	for (size_t length = 0; length < 70000; length += 1 + length / 3) {
		auto_buffer b = BUFFER_INIT;

		memset(text, 'a' + (int)(length % 26), length);
		text[length] = '\0';
		buffer_printf(&b, "<%s>", text);
		assert_int_equal(b.length, length + 2);
		assert_int_equal(b.bytes[length + 1], '>');
	}
	free(text);
}

static void limit_is_reached_but_not_passed(void **state)
{
	(void)state;

	/* Each way to fill ten bytes fits into a limit of ten, one more byte does not. */
	for (int way = 0; way < 4; way++) {
		auto_buffer b = BUFFER_INIT;

		b.limit = 10;
		if (way == 0)
			buffer_puts(&b, "0123456789");
		if (way == 1)
			buffer_printf(&b, "%s", "0123456789");
		if (way == 2)
			for (int i = 0; i < 10; i++)
				buffer_putc(&b, (char)('0' + i));
		if (way == 3)
			buffer_put_u64(&b, 1123456789);
		assert_int_equal(b.error, 0);
		assert_int_equal(b.length, 10);
		assert_non_null(buffer_terminate(&b));

		buffer_putc(&b, 'x');
		assert_int_equal(b.error, -EFBIG);
		assert_int_equal(b.length, 10);
		assert_memory_equal(b.bytes + 1, "123456789", 9);
	}
}

static void failure_is_sticky_until_cleared(void **state)
{
	(void)state;
	auto_buffer b = BUFFER_INIT;

	buffer_puts(&b, "kept");
	assert_null(buffer_reserve(&b, SIZE_MAX / 2));
	assert_int_equal(b.error, -ENOMEM);
	buffer_puts(&b, "lost");
	buffer_printf(&b, "%d", 1);
	assert_null(buffer_terminate(&b));
	assert_null(buffer_steal(&b, NULL));
	assert_int_equal(b.length, 4);
	assert_memory_equal(b.bytes, "kept", 4);

	buffer_clear(&b);
	buffer_puts(&b, "again");
	assert_string_equal(buffer_terminate(&b), "again");
}

static void size_arithmetic_does_not_wrap(void **state)
{
	(void)state;
	static const size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4, SIZE_MAX / 2};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		auto_buffer b = BUFFER_INIT;

		buffer_puts(&b, "four");
		assert_null(buffer_reserve(&b, lengths[i]));
		assert_int_equal(b.error, -ENOMEM);
	}
}

static void reserving_nothing_is_no_failure(void **state)
{
	(void)state;
	auto_buffer b = BUFFER_INIT;

	assert_non_null(buffer_reserve(&b, 0));
	assert_int_equal(b.error, 0);
	assert_int_equal(b.length, 0);
}

static void reserved_room_is_used_by_adding_to_length(void **state)
{
	(void)state;
	auto_buffer b = BUFFER_INIT;

	buffer_puts(&b, "ab");
	memcpy(buffer_reserve(&b, 1000), "cd", 2);
	b.length += 2;
	assert_string_equal(buffer_terminate(&b), "abcd");
}

static void stealing_hands_over_and_empties(void **state)
{
	(void)state;
	auto_buffer b = BUFFER_INIT;
	size_t length;

	b.limit = 100;
	buffer_puts(&b, "content");

	char *stolen = buffer_steal(&b, &length);

	assert_string_equal(stolen, "content");
	assert_int_equal(length, 7);
	assert_null(b.bytes);
	assert_int_equal(b.length, 0);
	assert_int_equal(b.limit, 100);
	free(stolen);

	stolen = buffer_steal(&b, &length); /* of an empty buffer: an empty string */
	assert_string_equal(stolen, "");
	assert_int_equal(length, 0);
	free(stolen);
	buffer_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_add_up),
		cmocka_unit_test(numbers_print_as_printf_does),
		cmocka_unit_test(any_length_of_formatted_text_fits),
		cmocka_unit_test(limit_is_reached_but_not_passed),
		cmocka_unit_test(failure_is_sticky_until_cleared),
		cmocka_unit_test(size_arithmetic_does_not_wrap),
		cmocka_unit_test(reserving_nothing_is_no_failure),
		cmocka_unit_test(reserved_room_is_used_by_adding_to_length),
		cmocka_unit_test(stealing_hands_over_and_empties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
