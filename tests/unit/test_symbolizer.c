/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which binaries get their names. */
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/check.h"
#include "unit/worker_main.h"

#define LIBJVM	    "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so" /* takes seconds */
#define PATIENCE_NS (120 * NS_PER_S)

static struct binary *open_binary(const char *path)
{
	struct binary *b;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s is missing: make deps", path);
	assert_int_equal(binary_open(fd, path, 0, &b), 0);
	return b;
}

static struct symbolizer *make(void)
{
	const struct symbolizer_options options = {.worker_count = 1};
	struct symbolizer *s;

	assert_int_equal(symbolizer_create(&options, &s), 0);
	return s;
}

/* State of a binary, without asking for it more than it was. */
static enum symbol_state state_of(struct symbolizer *s, struct binary *b)
{
	struct symfile *symbols;
	enum symbol_state state = symbolizer_get(s, b, 1, &symbols);

	symfile_unref(symbols);
	return state;
}

static void wait_for_names(struct symbolizer *s, struct binary *b)
{
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS;

	while (state_of(s, b) == SYMBOLS_PENDING) {
		assert_true(clock_now_ns() < end_ns);
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static void all_names_come_before_the_lines_of_any(void **state)
{
	struct symbolizer *s = make();
	struct binary *large = open_binary(LIBJVM), *small = open_binary("/proc/self/exe");

	(void)state;
	assert_int_equal(symbolizer_want(s, large), 0);
	assert_int_equal(symbolizer_want(s, small), 0);
	wait_for_names(s, small);
	assert_int_equal(state_of(s, large), SYMBOLS_QUICK);
	symbolizer_destroy(s);
	binary_unref(small);
	binary_unref(large);
}

static void lines_come_in_the_order_of_samples(void **state)
{
	struct symbolizer *s = make();
	struct binary *large = open_binary(LIBJVM), *small = open_binary("/proc/self/exe");
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS;

	(void)state;
	assert_int_equal(symbolizer_want(s, large), 0);
	assert_int_equal(symbolizer_want(s, small), 0);
	symbolizer_heat(s, large, 10);
	symbolizer_heat(s, small, 1000);
	while (state_of(s, small) != SYMBOLS_FULL) {
		assert_int_not_equal(state_of(s, large), SYMBOLS_FULL);
		assert_true(clock_now_ns() < end_ns);
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	symbolizer_destroy(s);
	binary_unref(small);
	binary_unref(large);
}

static void who_waits_gets_everything_while_names_are_being_made(void **state)
{
	struct symbolizer *s = make();
	struct binary *b = open_binary("/proc/self/exe");
	struct symfile *symbols;

	(void)state;
	assert_int_equal(symbolizer_want(s, b), 0);
	assert_int_equal(symbolizer_get(s, b, clock_now_ns() + PATIENCE_NS, &symbols),
			 SYMBOLS_FULL);
	assert_true(symfile_row_count(symbols) > 0);
	symfile_unref(symbols);
	symbolizer_destroy(s);
	binary_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_names_come_before_the_lines_of_any),
		cmocka_unit_test(lines_come_in_the_order_of_samples),
		cmocka_unit_test(who_waits_gets_everything_while_names_are_being_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
