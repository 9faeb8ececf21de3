/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups found by path and by id, against the cgroups that this process really is in.
 */
#include "profiler/cgroup_labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/check.h"

static struct cgroup_cache cache;

static int set_up(void **state)
{
	(void)state;
	cgroup_cache_init(&cache);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cgroup_cache_release(&cache);
	return 0;
}

static void the_path_is_that_of_proc(void **state)
{
	char text[8192] = "";
	FILE *f = fopen("/proc/self/cgroup", "r");
	struct cgroup_labels *l;

	(void)state;
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_int_equal(cgroup_cache_get(&cache, 0, getpid(), &l), 0);
	assert_string_equal(l->path, cgroup_choose_path(text));
	cgroup_labels_unref(l);
}

static void equal_cgroups_are_one_object(void **state)
{
	struct cgroup_labels *first, *second;

	(void)state;
	assert_int_equal(cgroup_cache_get(&cache, 0, getpid(), &first), 0);
	assert_int_equal(cgroup_cache_get(&cache, 0, getpid(), &second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(cache.count, 1);
	cgroup_labels_unref(first);
	cgroup_labels_unref(second);
}

static void a_process_that_is_gone_is_not_there(void **state)
{
	struct cgroup_labels *l;
	pid_t gone = fork();

	(void)state;
	if (!gone)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	assert_int_equal(cgroup_cache_get(&cache, 0, gone, &l), -ENOENT);
	/* An id that nothing has is no better. */
	assert_int_equal(cgroup_cache_get(&cache, UINT64_MAX, gone, &l), -ENOENT);
	assert_int_equal(cache.count, 0);
}

/* The id of a cgroup is the inode number of its directory. */
static void an_id_is_enough_when_the_process_is_gone(void **state)
{
	static const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	char directory[128];
	struct stat status;
	bool made = false;
	struct cgroup_labels *l;

	(void)state;
	assert_true(cache.v2_mount >= 0); /* needs a mounted version 2 hierarchy */
	for (size_t i = 0; i < 2 && !made; i++) {
		(void)snprintf(directory, sizeof(directory), "%s/hearth-test-%d.service", mounts[i],
			       getpid());
		made = !mkdir(directory, 0755) &&
		       !fstatat(cache.v2_mount, strrchr(directory, '/') + 1, &status, 0);
	}
	assert_true(made); /* needs root and a writable hierarchy */
	int error = cgroup_cache_get(&cache, status.st_ino, 1 << 30, &l);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(error, 0);
	assert_string_equal(l->path, strrchr(directory, '/'));
	assert_string_equal(l->unit, strrchr(directory, '/') + 1);
	cgroup_labels_unref(l);

	/* Remembered: it answers although the cgroup is gone by now. */
	assert_int_equal(cgroup_cache_get(&cache, status.st_ino, 1 << 30, &l), 0);
	cgroup_labels_unref(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_path_is_that_of_proc, set_up, tear_down),
		cmocka_unit_test_setup_teardown(equal_cgroups_are_one_object, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_process_that_is_gone_is_not_there, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_id_is_enough_when_the_process_is_gone, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
