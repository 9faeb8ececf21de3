/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables made by workers: of good files, of files without call frame information, and in time; and kept.
 */
#include "profiler/table_builder.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

/* --- what is kept --------------------------------------------------------------------------------- */

struct kept {
	char dir[64];
	struct table_builder_options options;
};

static int make_dir(void **state)
{
	struct kept *k = calloc(1, sizeof(*k));

	strcpy(k->dir, "/tmp/hearth-tables-XXXXXX");
	assert_non_null(mkdtemp(k->dir));
	k->options.cache_dir = k->dir;
	*state = k;
	return 0;
}

static int remove_dir(void **state)
{
	struct kept *k = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", k->dir);
	assert_int_equal(system(command), 0);
	free(k);
	return 0;
}

/* Get one table with a builder of its own. Returns what is known of it afterwards. */
static struct table_facts get(const struct kept *k, struct binary *b,
			      struct table_builder_stats *ret_stats)
{
	struct table_builder *t;
	struct table_facts facts;

	assert_int_equal(table_builder_create(&k->options, &t), 0);
	assert_int_equal(table_builder_facts(t, binary_build_id(b), &facts), -ENOENT);
	assert_int_equal(table_builder_want(t, b, 1), 0);

	struct table_done done = next_table(t);
	assert_int_equal(table_builder_facts(t, binary_build_id(b), &facts), 0);
	assert_true((facts.state == TABLE_READY) == !!done.file);
	unwind_file_unref(done.file);
	table_builder_stats(t, ret_stats);
	table_builder_destroy(t);
	return facts;
}

static void tables_outlive_their_builder(void **state)
{
	struct binary *self = open_binary(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	struct table_builder_stats stats;
	struct table_facts first = get(*state, self, &stats);

	assert_int_equal(first.state, TABLE_READY);
	assert_false(first.from_cache);
	assert_true(first.row_count > 1000 && first.rule_count > 10 && first.build_ns > 0);
	assert_true(first.bytes > 4ull * first.row_count);
	assert_int_equal(first.sources, UNWIND_SOURCE_EH_FRAME);
	assert_string_equal(first.reason, "");
	assert_int_equal(stats.built, 1);
	assert_int_equal(stats.from_cache, 0);

	struct table_facts second = get(*state, self, &stats);
	assert_true(second.from_cache);
	assert_int_equal(stats.built, 0);
	assert_int_equal(stats.from_cache, 1);
	assert_int_equal(stats.build_ns, 0); /* no worker was at work */
	assert_int_equal(second.row_count, first.row_count);
	assert_int_equal(second.build_ns, first.build_ns);
	binary_unref(self);
}

/* 8 GiB of code, says its only segment. */
static struct binary *boastful_binary(int extra_bytes)
{
	const Elf64_Ehdr head = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(head),
		.e_ehsize = sizeof(head),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	const Elf64_Phdr segment = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 64, .p_memsz = 8ull << 30};
	int fd = memfd_create("boastful", MFD_CLOEXEC);

	assert_int_equal(write(fd, &head, sizeof(head)), sizeof(head));
	assert_int_equal(write(fd, &segment, sizeof(segment)), sizeof(segment));
	assert_int_equal(ftruncate(fd, 4096 + extra_bytes), 0);
	return open_binary(fd);
}

static void a_failure_is_not_tried_again_until_the_file_changes(void **state)
{
	struct binary *b = boastful_binary(0);
	struct table_builder_stats stats;
	struct table_facts facts = get(*state, b, &stats);

	assert_int_equal(facts.state, TABLE_FAILED);
	assert_non_null(strstr(facts.reason, "2 GiB of code"));
	assert_int_equal(stats.failed, 1);
	assert_int_equal(stats.from_cache, 0);

	facts = get(*state, b, &stats);
	assert_int_equal(facts.state, TABLE_FAILED);
	assert_non_null(strstr(facts.reason, "2 GiB of code"));
	assert_int_equal(stats.from_cache, 1);
	assert_int_equal(stats.build_ns, 0);
	binary_unref(b);

	b = boastful_binary(1);
	facts = get(*state, b, &stats);
	assert_int_equal(facts.state, TABLE_FAILED);
	assert_int_equal(stats.from_cache, 0);
	binary_unref(b);
}

static void the_debug_file_helps_where_the_file_says_nothing(void **state)
{
	const struct kept *k = *state;
	struct table_builder_stats stats;
	char command[1024], path[128];

	snprintf(
		command, sizeof(command),
		"cd %s && mkdir bin && cd bin &&"
		" echo 'int f(int *p){return *p+1;} void _start(void){int i=1;f(&i);for(;;);}' > m.c &&"
		" gcc -g -O0 -fno-asynchronous-unwind-tables -fno-unwind-tables -nostdlib -static -o m m.c &&"
		" objcopy --only-keep-debug m m.debug && strip -g m && objcopy --add-gnu-debuglink=m.debug m",
		k->dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/bin/m", k->dir);
	for (int round = 0; round < 2; round++) {
		struct binary *b;

		assert_int_equal(binary_open(open(path, O_RDONLY | O_CLOEXEC), path, 0, &b), 0);
		struct table_facts facts = get(k, b, &stats);
		assert_int_equal(facts.state, TABLE_READY);
		assert_int_equal(facts.sources, UNWIND_SOURCE_DEBUG_FILE);
		assert_true(facts.row_count >= 4);
		assert_int_equal(facts.from_cache, round);
		binary_unref(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wish_is_answered_once),
		cmocka_unit_test(destroying_leaves_no_child_and_nothing_wished),
		cmocka_unit_test_setup_teardown(tables_outlive_their_builder, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_failure_is_not_tried_again_until_the_file_changes,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(the_debug_file_helps_where_the_file_says_nothing,
						make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
