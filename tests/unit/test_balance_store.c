// SPDX-License-Identifier: Apache-2.0
#include "server/store/balance_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "unit/check.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/hearth-rows-%d.sqlite", (int)getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static int append(const char *text, void *arg)
{
	buffer_printf(arg, "%s ", text);
	return 0;
}

static void expect(struct balance_store *s, uint64_t from_ns, uint64_t to_ns, const char *texts)
{
	auto_buffer found = BUFFER_INIT;

	assert_int_equal(balance_store_scan(s, from_ns, to_ns, append, &found), 0);
	assert_string_equal(buffer_terminate(&found), texts);
}

static void rows_come_back_by_time_also_after_closing(void **state)
{
	(void)state;
	struct balance_store *s;

	assert_int_equal(balance_store_open(path, 1 << 20, &s), 0);
	assert_int_equal(balance_store_put(s, 20, 30, "b"), 0);
	assert_int_equal(balance_store_put(s, 10, 20, "a"), 0);
	assert_int_equal(balance_store_put(s, 30, 40, "c"), 0);
	balance_store_close(s);
	assert_int_equal(balance_store_open(path, 1 << 20, &s), 0);
	expect(s, 0, UINT64_MAX, "a b c ");
	expect(s, 15, 25, "a b ");
	expect(s, 20, 30, "b ");
	expect(s, 40, 50, "");

	/* A row takes the place of those within its time. */
	assert_int_equal(balance_store_put(s, 10, 30, "ab"), 0);
	expect(s, 0, 100, "ab c ");
	balance_store_close(s);
}

static int stop(const char *text, void *arg)
{
	(void)text;
	++*(int *)arg;
	return -42;
}

static void a_visitor_ends_the_scan(void **state)
{
	(void)state;
	struct balance_store *s;
	int calls = 0;

	assert_int_equal(balance_store_open(NULL, 1 << 20, &s), 0);
	assert_int_equal(balance_store_put(s, 1, 2, "a"), 0);
	assert_int_equal(balance_store_put(s, 2, 3, "b"), 0);
	assert_int_equal(balance_store_scan(s, 0, 9, stop, &calls), -42);
	assert_int_equal(calls, 1);
	expect(s, 0, 9, "a b ");
	balance_store_close(s);
}

static int count(const char *text, void *arg)
{
	(void)text;
	++*(int *)arg;
	return 0;
}

static void the_oldest_rows_go_beyond_the_limit(void **state)
{
	(void)state;
	struct balance_store *s;
	char text[4001];
	struct stat st;
	int rows = 0;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(balance_store_open(path, 1 << 20, &s), 0);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(balance_store_put(s, i, i + 1, text), 0);
	assert_int_equal(balance_store_scan(s, 0, 2000, count, &rows), 0);
	assert_true(rows > 100 && rows < 270);
	rows = 0;
	assert_int_equal(balance_store_scan(s, 999, 1000, count, &rows), 0);
	assert_int_equal(rows, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= (1 << 20) + (128 << 10));
	balance_store_close(s);
}

static void a_file_that_is_none_is_replaced(void **state)
{
	(void)state;
	FILE *f = fopen(path, "w");
	struct balance_store *s;

	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		assert_true(fputs("this is no database ", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(balance_store_open(path, 1 << 20, &s), 0);
	expect(s, 0, UINT64_MAX, "");
	balance_store_close(s);
	assert_true(balance_store_open("/nonexistent/rows", 1 << 20, &s) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rows_come_back_by_time_also_after_closing, remove_path),
		cmocka_unit_test(a_visitor_ends_the_scan),
		cmocka_unit_test_teardown(the_oldest_rows_go_beyond_the_limit, remove_path),
		cmocka_unit_test_teardown(a_file_that_is_none_is_replaced, remove_path),
	};

	return cmocka_run_group_tests(tests, make_path, NULL);
}
