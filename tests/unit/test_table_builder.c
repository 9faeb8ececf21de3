/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables made in child processes: of good files, of files without call frame information, and in time.
 */
#include "profiler/table_builder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/check.h"
#include "unit/worker_main.h"

#define WAIT_NS (60 * NS_PER_S)

static const struct table_builder_options in_memory;

static struct binary *open_binary(int fd)
{
	struct binary *b;

	assert_true(fd >= 0);
	assert_int_equal(binary_open(fd, "/test", 0, &b), 0);
	return b;
}

/* Nothing but an ELF header: a file with a build id made of its hash, and without call frame information. */
static struct binary *bare_binary(void)
{
	unsigned char header[64];
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("bare", MFD_CLOEXEC);

	assert_int_equal(read(self, header, sizeof(header)), sizeof(header));
	close(self);
	memset(header + 32, 0, 16); /* e_phoff, e_shoff */
	memset(header + 56, 0, 2);  /* e_phnum */
	memset(header + 60, 0, 4);  /* e_shnum, e_shstrndx */
	assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
	return open_binary(fd);
}

static struct table_done next_table(struct table_builder *t)
{
	struct table_done done;

	assert_true(table_builder_wait(t, clock_now_ns() + WAIT_NS));
	assert_true(table_builder_take(t, &done));
	return done;
}

static void each_wish_is_answered_once(void **state)
{
	struct table_builder *t;
	struct table_builder_stats stats;
	struct table_done done;
	struct binary *self = open_binary(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	struct binary *bare = bare_binary();

	(void)state;
	assert_int_equal(table_builder_create(&in_memory, &t), 0);
	assert_false(table_builder_take(t, &done));
	assert_int_equal(table_builder_want(t, self, 3), 0);
	assert_int_equal(table_builder_want(t, bare, 5), 0);
	binary_unref(self);
	binary_unref(bare);

	for (unsigned int seen = 0; seen != 3;) {
		done = next_table(t);
		assert_true(done.exe == 3 || done.exe == 5);
		assert_true(done.exe == 3 ? !!done.file : !done.file);
		seen |= done.exe == 3 ? 1 : 2;
		unwind_file_unref(done.file);
	}

	assert_false(table_builder_take(t, &done));
	assert_false(table_builder_wait(t, clock_now_ns()));
	table_builder_stats(t, &stats);
	assert_int_equal(stats.built, 1);
	assert_int_equal(stats.built + stats.without + stats.failed, 2);
	assert_true(stats.build_ns > 0);
	table_builder_destroy(t);
}

static void destroying_leaves_no_child_and_nothing_wished(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct table_builder *t;
		struct binary *self = open_binary(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));

		assert_int_equal(table_builder_create(&in_memory, &t), 0);
		for (uint32_t i = 0; i < 10; i++)
			assert_int_equal(table_builder_want(t, self, i), 0);
		binary_unref(self);
		(void)nanosleep(&(struct timespec){.tv_nsec = round * 300000L},
				NULL); /* ends at different moments of the work */
		table_builder_destroy(t);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there are no children */
	}
	table_builder_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wish_is_answered_once),
		cmocka_unit_test(destroying_leaves_no_child_and_nothing_wished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
