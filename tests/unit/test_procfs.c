/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/check.h"

static int parse(const char *line, char *copy, struct procfs_mapping *ret)
{
	strcpy(copy, line);
	return procfs_parse_mapping(copy, ret);
}

static void lines_of_maps(void **state)
{
	char copy[256];
	struct procfs_mapping m;

	(void)state;
	assert_int_equal(
		parse("7f12a0000000-7f12a0021000 r-xp 00026000 fe:01 262173                     "
		      "/usr/lib/x86_64-linux-gnu/libc.so.6",
		      copy, &m),
		0);
	assert_int_equal(m.start, 0x7f12a0000000);
	assert_int_equal(m.end, 0x7f12a0021000);
	assert_int_equal(m.offset, 0x26000);
	assert_int_equal(m.device_major, 0xfe);
	assert_int_equal(m.device_minor, 1);
	assert_int_equal(m.inode, 262173);
	assert_true(m.executable);
	assert_string_equal(m.path, "/usr/lib/x86_64-linux-gnu/libc.so.6");

	assert_int_equal(parse("00400000-00401000 rw-p 00000000 00:00 0 ", copy, &m), 0);
	assert_false(m.executable);
	assert_string_equal(m.path, "");
	assert_int_equal(parse("00400000-00401000 rwxp 00000000 00:00 0", copy, &m), 0);
	assert_string_equal(m.path, "");
	assert_int_equal(parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
			       copy, &m),
			 0);
	assert_int_equal(m.start, 0xffffffffff600000);
	assert_string_equal(m.path, "[vsyscall]");
}

static void odd_paths(void **state)
{
	char copy[256];
	struct procfs_mapping m;

	(void)state;
	assert_int_equal(
		parse("1000-2000 r-xp 0 08:01 5 /tmp/my prog (v 2)  x (deleted)", copy, &m), 0);
	assert_string_equal(m.path, "/tmp/my prog (v 2)  x");
	assert_int_equal(parse("1000-2000 r-xp 0 08:01 5 /tmp/a\\012b\\134", copy, &m), 0);
	assert_string_equal(m.path, "/tmp/a\nb\\134");
	assert_int_equal(parse("1000-2000 r-xp 0 08:01 5 /memfd:jit (deleted)", copy, &m), 0);
	assert_string_equal(m.path, "/memfd:jit");
}

static void nonsense_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"1000",
		"1000-2000",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0",
		"1000-2000 r-xp 0 08:01",
		"1000-2000 r-xp 0 08:01 x",
		"1000-2000 r-xp 0 0801 5 /x",
		"2000-1000 r-xp 0 08:01 5 /x",
		"1000-1000 r-xp 0 08:01 5 /x",
		"-1000-2000 r-xp 0 08:01 5 /x",
		"zz-2000 r-xp 0 08:01 5 /x",
		"1000-2000 rx 0 08:01 5 /x",
		"11111111111111111-22222222222222222 r-xp 0 08:01 5 /x",
		"1000-2000 r-xp 0 08:01 99999999999999999999999 /x",
	};
	char copy[256];
	struct procfs_mapping m;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], copy, &m), -EBADMSG);
}

static int parse_stat(const char *text, struct procfs_stat *ret)
{
	char copy[512];

	strcpy(copy, text);
	return procfs_parse_stat(copy, ret);
}

static void stat_with_a_hostile_name(void **state)
{
	struct procfs_stat s;

	(void)state;
	assert_int_equal(
		parse_stat(
			"42 (a) R 7 (b)) S 17 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 12345 1 2\n",
			&s),
		0);
	assert_int_equal(s.parent, 17);
	assert_int_equal(s.thread_count, 9);
	assert_int_equal(s.start_ticks, 12345);
	assert_false(s.is_kernel_thread);
	assert_int_equal(
		parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0", &s),
		0);
	assert_true(s.is_kernel_thread);

	assert_int_equal(parse_stat("", &s), -EBADMSG);
	assert_int_equal(parse_stat("42 (x)", &s), -EBADMSG);
	assert_int_equal(parse_stat("42 (x) S 17 42", &s), -EBADMSG);
	assert_int_equal(parse_stat("42 (x) S x 42 42 0 -1 0 1 2 3 4 5 6 7 8 20 0 9 0 1 1 2", &s),
			 -EBADMSG);
}

static void we_can_read_ourselves(void **state)
{
	struct procfs_stat s;
	char self[4096] = {0};
	char *exe;

	(void)state;
	assert_int_equal(procfs_read_stat(getpid(), &s), 0);
	assert_int_equal(s.parent, getppid());
	assert_true(s.start_ticks > 0);
	assert_int_equal(procfs_read_exe(getpid(), &exe), 0);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_string_equal(exe, self);
	free(exe);
}

struct search {
	uint64_t addr;
	char path[512];
	int seen;
};

static int look_for(const struct procfs_mapping *m, void *arg)
{
	struct search *s = arg;

	if (m->executable && s->addr >= m->start && s->addr < m->end) {
		(void)snprintf(s->path, sizeof(s->path), "%s", m->path);
		return 7;
	}
	s->seen++;
	return 0;
}

static void our_own_code_is_in_our_maps(void **state)
{
	struct search s = {.addr = (uint64_t)(uintptr_t)&look_for};

	(void)state;
	assert_int_equal(procfs_read_maps(getpid(), look_for, &s), 7);
	assert_non_null(strstr(s.path, "test_procfs"));
}

static void a_process_that_is_not_there(void **state)
{
	struct procfs_stat s;
	char *exe;
	char text[16];

	(void)state;
	assert_int_equal(procfs_read_stat(INT32_MAX, &s), -ENOENT);
	assert_int_equal(procfs_read_exe(INT32_MAX, &exe), -ENOENT);
	assert_int_equal(procfs_read_maps(INT32_MAX, look_for, NULL), -ENOENT);
	assert_int_equal(procfs_read_text(getpid(), "status", text, sizeof(text)), -EFBIG);
}

static int note_self(pid_t pid, void *arg)
{
	*(bool *)arg |= pid == getpid();
	return 0;
}

static void all_processes_are_listed(void **state)
{
	bool found = false;

	(void)state;
	assert_int_equal(procfs_for_each(note_self, &found), 0);
	assert_true(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_maps),
		cmocka_unit_test(odd_paths),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(stat_with_a_hostile_name),
		cmocka_unit_test(we_can_read_ourselves),
		cmocka_unit_test(our_own_code_is_in_our_maps),
		cmocka_unit_test(a_process_that_is_not_there),
		cmocka_unit_test(all_processes_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
