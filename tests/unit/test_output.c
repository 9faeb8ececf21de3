/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/check.h"

static int enter_directory(void **state)
{
	char *path = strdup("/tmp/hearth-output-XXXXXX");

	assert_non_null(path);
	assert_non_null(mkdtemp(path));
	*state = path;
	return chdir(path);
}

static unsigned int count_files(void)
{
	DIR *dir = opendir(".");
	unsigned int count = 0;

	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	(void)closedir(dir);
	return count;
}

static int leave_directory(void **state)
{
	DIR *dir = opendir(".");

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (unlink(entry->d_name) && errno == EISDIR)
			(void)rmdir(entry->d_name);
	if (dir)
		(void)closedir(dir);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

static void assert_content(const char *path, const char *wanted)
{
	char text[64] = "";
	auto_fclose FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, file), strlen(wanted));
	assert_string_equal(text, wanted);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void a_file_appears_when_it_is_complete(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;
	struct stat st;

	(void)umask(027);
	assert_int_equal(output_open("new", &o), 0);
	assert_int_equal(access("new", F_OK), -1);
	assert_int_equal(output_commit(&o, "content", 7), 0);
	assert_int_equal(o.fd, -1);
	assert_content("new", "content");
	assert_int_equal(count_files(), 1);
	assert_int_equal(stat("new", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void an_abandoned_file_leaves_nothing(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;

	output_abandon(&o);
	assert_int_equal(output_open("new", &o), 0);
	output_abandon(&o);
	output_abandon(&o);
	assert_int_equal(count_files(), 0);
}

static void the_old_file_stays_until_the_new_one_is_complete(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;

	write_file("profile", "old");
	assert_int_equal(output_open("./profile", &o), 0);
	assert_content("profile", "old");
	output_abandon(&o);
	assert_content("profile", "old");
	assert_int_equal(output_open("./profile", &o), 0);
	assert_int_equal(output_commit(&o, "new", 3), 0);
	assert_content("profile", "new");
	assert_int_equal(count_files(), 1);
}

static void a_link_is_followed(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;
	struct stat st;

	write_file("target", "old");
	assert_int_equal(symlink("target", "link"), 0);
	assert_int_equal(output_open("link", &o), 0);
	assert_int_equal(output_commit(&o, "new", 3), 0);
	assert_content("target", "new");
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void places_that_cannot_be_written_are_refused_at_once(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;

	assert_int_equal(output_open("", &o), -ENOENT);
	assert_int_equal(output_open("missing/file", &o), -ENOENT);
	assert_int_equal(output_open(".", &o), -EISDIR);
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(output_open("dir/", &o), -EISDIR);
	write_file("file", "");
	assert_int_equal(output_open("file/below", &o), -ENOTDIR);
	assert_int_equal(output_open("/proc/nothing-here", &o), -ENOENT);
	assert_int_equal(o.fd, -1);
	assert_int_equal(count_files(), 2);
}

static void what_is_no_file_is_written_in_place(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;
	struct stat st;

	assert_int_equal(output_open("/dev/null", &o), 0);
	assert_int_equal(output_commit(&o, "gone", 4), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));

	assert_int_equal(output_open("/dev/full", &o), 0);
	assert_int_equal(output_commit(&o, "x", 1), -ENOSPC);
	assert_int_equal(o.fd, -1);
}

static void stdout_is_not_closed(void **state)
{
	(void)state;
	struct output o = OUTPUT_INIT;

	assert_int_equal(output_open("-", &o), 0);
	assert_int_equal(output_commit(&o, "", 0), 0);
	assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
	assert_int_equal(count_files(), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, enter_directory, leave_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_appears_when_it_is_complete),
		TEST(an_abandoned_file_leaves_nothing),
		TEST(the_old_file_stays_until_the_new_one_is_complete),
		TEST(a_link_is_followed),
		TEST(places_that_cannot_be_written_are_refused_at_once),
		TEST(what_is_no_file_is_written_in_place),
		TEST(stdout_is_not_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
