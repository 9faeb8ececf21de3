// SPDX-License-Identifier: Apache-2.0
#include "server/query/packages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/check.h"

static char dir[] = "/tmp/hearth-packages-XXXXXX";

static void write_list(const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_lists(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_list("libc6:amd64.list",
		   "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n/usr/share/doc/libc6\n");
	write_list("bash.list", "/.\n/bin/bash\n/usr/bin/bashbug");
	write_list("empty.list", "");
	write_list("tool.md5sums", "/usr/bin/tool\n");
	(void)snprintf(path, sizeof(path), "%s/fifo.list", dir);
	return mkfifo(path, 0600);
}

static int remove_lists(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "exec rm -rf '%s'", dir);

	char *argv[] = {(char *)"sh", (char *)"-c", command, NULL};
	pid_t pid = fork();

	if (!pid) {
		(void)execv("/bin/sh", argv);
		_exit(1);
	}
	return 0;
}

static void files_are_found_with_and_without_usr(void **state)
{
	(void)state;
	struct package_query q[] = {
		{.path = "/usr/lib/x86_64-linux-gnu/libc.so.6"},
		{.path = "/bin/bash"},
		{.path = "/usr/bin/bash"},
		{.path = "/usr/bin/bashbug"},
		{.path = "/usr/bin/tool"},
		{.path = NULL, .name = "x"},
		{.path = "/bin/bas"},
		{.path = ""},
	};

	assert_int_equal(packages_find(dir, q, 8), 0);
	assert_string_equal(q[0].name, "libc6");
	assert_string_equal(q[1].name, "bash");
	assert_string_equal(q[2].name, "bash");
	assert_string_equal(q[3].name, "bash");
	for (int i = 4; i < 8; i++)
		assert_string_equal(q[i].name, "");
}

static void without_dpkg_there_are_no_packages(void **state)
{
	(void)state;
	struct package_query q = {.path = "/bin/bash", .name = "stale"};

	assert_int_equal(packages_find("/nonexistent", &q, 1), 0);
	assert_string_equal(q.name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_with_and_without_usr),
		cmocka_unit_test(without_dpkg_there_are_no_packages),
	};

	return cmocka_run_group_tests(tests, make_lists, remove_lists);
}
