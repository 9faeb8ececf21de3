// SPDX-License-Identifier: Apache-2.0
#include "server/balance/accounting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/check.h"

static char root[] = "/tmp/hearth-accounting-XXXXXX";

static void write_file(const char *below, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", root, below);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void make_group(const char *below, const char *file, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", root, below);
	assert_true(!mkdir(path, 0700) || *below == '.');
	(void)snprintf(path, sizeof(path), "%s/%s", below, file);
	write_file(path, text);
}

static void read_tree(struct accounting_source *s, struct accounting *a)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/stat", root);
	write_file("stat", "cpu  100 200 300 400 500 600 700 800 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
	assert_int_equal(accounting_open(root, path, s), 0);
	assert_int_equal(accounting_read(s, a), 0);
	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		assert_int_equal(a->cpu_ns[i], (uint64_t)(i + 1) * 100 *
						       (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)));
}

static uint64_t usage(const struct accounting *a, const char *path)
{
	uint32_t i = accounting_find(a, path);

	assert_int_not_equal(i, ACCOUNTING_NO_PARENT);
	assert_string_equal(a->groups[i].path, path);
	return a->groups[i].usage_ns;
}

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/hearth-accounting-XXXXXX");
	return !mkdtemp(root);
}

static int remove_root(void **state)
{
	static const char *const files[] = {"stat",
					    "cpu.stat",
					    "cpuacct.usage",
					    "a/cpu.stat",
					    "a/b/cpu.stat",
					    "a/cpuacct.usage",
					    "a/b/cpuacct.usage",
					    "ab/cpu.stat",
					    "a/b",
					    "a",
					    "ab",
					    "bad/other",
					    "bad",
					    ""};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[256];

		(void)snprintf(path, sizeof(path), "%s/%s", root, files[i]);
		(void)remove(path); /* some are not there */
	}
	return 0;
}

static void version_2_is_read_as_a_tree(void **state)
{
	(void)state;
	struct accounting_source s;
	struct accounting a;

	make_group(".", "cpu.stat", "usage_usec 1000\nuser_usec 1\n");
	make_group("a", "cpu.stat", "usage_usec 600\n");
	make_group("a/b", "cpu.stat", "usage_usec 500\n");
	make_group("ab", "cpu.stat", "usage_usec 7\n");
	make_group("bad", "other", "");
	read_tree(&s, &a);
	assert_int_equal(s.hierarchy, ACCOUNT_UNIFIED);
	assert_int_equal(a.group_count, 4); /* one that cannot be read is left out */
	assert_int_equal(usage(&a, "/"), 1000000);
	assert_int_equal(usage(&a, "/a"), 600000);
	assert_int_equal(usage(&a, "/a/b"), 500000);
	assert_int_equal(usage(&a, "/ab"), 7000);
	assert_string_equal(a.groups[a.groups[accounting_find(&a, "/a/b")].parent].path, "/a");
	assert_string_equal(a.groups[accounting_find(&a, "/a/b/c/d")].path, "/a/b");
	assert_string_equal(a.groups[accounting_find(&a, "/abc")].path, "/");
	assert_string_equal(a.groups[accounting_find(&a, "/ab/x")].path, "/ab");
	accounting_release(&a);
	accounting_close(&s);
}

static void version_1_is_read_in_nanoseconds(void **state)
{
	(void)state;
	struct accounting_source s;
	struct accounting a;

	make_group(".", "cpuacct.usage", "123456789\n");
	make_group("a", "cpuacct.usage", "1000\n");
	read_tree(&s, &a);
	assert_int_equal(s.hierarchy, ACCOUNT_CPUACCT);
	assert_int_equal(usage(&a, "/"), 123456789);
	assert_int_equal(usage(&a, "/a"), 1000);
	accounting_release(&a);
	accounting_close(&s);
}

static void this_machine_has_both(void **state)
{
	(void)state;
	struct accounting_source s;
	struct accounting a;

	assert_int_equal(accounting_open(NULL, NULL, &s), 0);
	assert_int_equal(accounting_read(&s, &a), 0);
	assert_true(a.cpu_ns[ACCOUNT_USER] > 0);
	assert_int_not_equal(s.hierarchy, ACCOUNT_NO_HIERARCHY);
	assert_true(a.group_count >= 1);
	assert_true(usage(&a, "/") > 0);
	accounting_release(&a);
	accounting_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(version_2_is_read_as_a_tree, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(version_1_is_read_in_nanoseconds, make_root,
						remove_root),
		cmocka_unit_test(this_machine_has_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
