/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/spool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/fleet/push.h"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/hearth-spool-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static struct spool *open_spool(uint64_t limit_bytes)
{
	struct spool *s = NULL;

	assert_int_equal(spool_open(directory, limit_bytes, &s), 0);
	return s;
}

/* The oldest batch must be @text; it is removed. */
static void expect(struct spool *s, const char *text)
{
	auto_buffer b = BUFFER_INIT;
	uint64_t number;

	assert_int_equal(spool_oldest(s, &number, &b), 0);
	assert_int_equal(b.length, strlen(text));
	assert_memory_equal(b.bytes, text, b.length);
	spool_remove(s, number);
}

static void put(struct spool *s, uint64_t wall_ns, const char *text)
{
	assert_int_equal(spool_put(s, wall_ns, text, strlen(text)), 0);
}

static void batches_outlive_the_process_in_their_order(void **state)
{
	struct spool *s = open_spool(1000);
	struct spool_stats stats;
	auto_buffer b = BUFFER_INIT;
	uint64_t number;

	(void)state;
	put(s, 300, "c");
	put(s, 300, "d"); /* of the same moment */
	put(s, 400, "e");
	spool_close(s);
	s = open_spool(1000);
	spool_stats(s, &stats);
	assert_int_equal(stats.files, 3);
	assert_int_equal(stats.bytes, 3);
	assert_int_equal(stats.oldest_wall_ns, 300);
	put(s, 500, "f");
	expect(s, "c");
	expect(s, "d");
	expect(s, "e");
	expect(s, "f");
	assert_int_equal(spool_oldest(s, &number, &b), -ENOENT);
	spool_close(s);
}

static void the_budget_is_kept_and_the_oldest_goes(void **state)
{
	struct spool *s = open_spool(10);
	struct spool_stats stats;

	(void)state;
	put(s, 1, "aaaa");
	put(s, 2, "bbbb");
	put(s, 3, "cccc");
	spool_stats(s, &stats);
	assert_int_equal(stats.bytes, 8);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(spool_put(s, 4, "01234567890", 11), -EFBIG);
	spool_close(s);
	s = open_spool(4); /* smaller now */
	expect(s, "cccc");
	spool_close(s);
}

static void a_batch_that_was_removed_meanwhile_stays_gone(void **state)
{
	struct spool *s = open_spool(8);
	auto_buffer b = BUFFER_INIT;
	uint64_t number;

	(void)state;
	put(s, 1, "aaaa");
	assert_int_equal(spool_oldest(s, &number, &b), 0);
	put(s, 2, "bbbbbbbb"); /* makes room */
	spool_remove(s, number);
	expect(s, "bbbbbbbb");
	spool_close(s);
}

static void what_is_no_batch_is_left_alone(void **state)
{
	char path[128];
	struct spool_stats stats;

	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"notes.txt", "12-34.otlp.gz", ".new"};

		(void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		fclose(fopen(path, "w"));
	}

	struct spool *s = open_spool(100);

	spool_stats(s, &stats);
	assert_int_equal(stats.files, 0);
	assert_int_equal(access(path, F_OK), -1); /* half a file of a process that died */
	(void)snprintf(path, sizeof(path), "%s/notes.txt", directory);
	assert_int_equal(access(path, F_OK), 0);
	spool_close(s);
}

static void waits_double_and_are_spread(void **state)
{
	(void)state;
	assert_in_range(push_backoff_ns(1, 0, 0), NS_PER_S / 2, NS_PER_S / 2);
	assert_in_range(push_backoff_ns(1, 0, UINT32_MAX), NS_PER_S, NS_PER_S);
	assert_in_range(push_backoff_ns(4, 0, 0), 4 * NS_PER_S, 4 * NS_PER_S);
	assert_in_range(push_backoff_ns(1000, 0, UINT32_MAX), 60 * NS_PER_S, 60 * NS_PER_S);
	assert_in_range(push_backoff_ns(1, 30, 12345), 30 * NS_PER_S, 31 * NS_PER_S);
	assert_in_range(push_backoff_ns(1, UINT64_MAX, 0), 3600 * NS_PER_S, 3601 * NS_PER_S);
}

static void urls_are_checked(void **state)
{
	(void)state;
	assert_int_equal(push_check_url("https://user:pw@hub:7979/base"), 0);
	assert_int_equal(push_check_url("http://[::1]:80"), 0);
	assert_int_equal(push_check_url("hub:7979"), -EINVAL);
	assert_int_equal(push_check_url("file:///etc/passwd"), -EINVAL);
	assert_int_equal(push_check_url("http://"), -EINVAL);
	assert_int_equal(push_check_url("http://h/?a=b"), -EINVAL);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(batches_outlive_the_process_in_their_order),
		IN_DIRECTORY(the_budget_is_kept_and_the_oldest_goes),
		IN_DIRECTORY(a_batch_that_was_removed_meanwhile_stays_gone),
		IN_DIRECTORY(what_is_no_batch_is_left_alone),
		cmocka_unit_test(waits_double_and_are_spread),
		cmocka_unit_test(urls_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
