/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables on disk: what comes back, what is refused and removed, and what goes when there are too many.
 */
#include "symbolizer/unwind_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolizer/unwind_table.h"
#include "unit/check.h"

struct fixture {
	char dir[64];
	struct unwind_cache *cache;
	int table_fd; /* memfd with a table */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct unwind_file *file;

	strcpy(f->dir, "/tmp/hearth-unwind-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(unwind_cache_create(f->dir, 0, &f->cache), 0);
	assert_int_equal(unwind_table_build(self, -1, &file), 0);
	f->table_fd = memfd_create("table", MFD_CLOEXEC);
	assert_int_equal(unwind_file_write(file, 1234, f->table_fd), 0);
	unwind_file_unref(file);
	close(self);
	*state = f;
	return 0;
}

static size_t count_files(const struct fixture *f)
{
	DIR *dir = opendir(f->dir);
	size_t count = 0;

	for (struct dirent *e; (e = readdir(dir));)
		count += e->d_name[0] != '.';
	closedir(dir);
	return count;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	DIR *dir = opendir(f->dir);

	for (struct dirent *e; (e = readdir(dir));)
		(void)unlinkat(dirfd(dir), e->d_name, 0); /* "." and ".." are refused */
	closedir(dir);
	assert_int_equal(rmdir(f->dir), 0);
	unwind_cache_destroy(f->cache);
	close(f->table_fd);
	free(f);
	return 0;
}

static void a_table_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct unwind_file *file = NULL;
	struct unwind_failure failure;
	struct stat status;
	size_t size;

	assert_int_equal(unwind_cache_open(f->cache, "a.unw", &file, &failure), -ENOENT);
	assert_int_equal(unwind_cache_store(f->cache, "a.unw", f->table_fd), 0);
	assert_int_equal(unwind_cache_open(f->cache, "a.unw", &file, &failure), 0);
	assert_non_null(file);
	assert_int_equal(unwind_file_header(file)->build_us, 1234);

	const void *bytes = unwind_file_bytes(file, &size);
	assert_int_equal(fstat(f->table_fd, &status), 0);
	assert_int_equal(size, status.st_size);
	char *original = mmap(NULL, size, PROT_READ, MAP_PRIVATE, f->table_fd, 0);
	assert_memory_equal(bytes, original, size);
	munmap(original, size);
	unwind_file_unref(file);
}

static void a_failure_comes_back_with_its_reason(void **state)
{
	struct fixture *f = *state;
	const struct unwind_failure stored = {.failed = true, .reason = "it crashed the worker"};
	struct unwind_failure failure = {0};
	struct unwind_file *file = (void *)1;

	assert_int_equal(unwind_cache_store_failure(f->cache, "b.unw", &stored), 0);
	assert_int_equal(unwind_cache_open(f->cache, "b.unw", &file, &failure), 0);
	assert_null(file);
	assert_true(failure.failed);
	assert_string_equal(failure.reason, stored.reason);
}

/* Writes @size bytes at @offset of a file of the cache. */
static void damage(const struct fixture *f, const char *name, off_t offset, const void *bytes,
		   size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, offset), (ssize_t)size);
	close(fd);
}

static void every_damaged_byte_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct unwind_file *file;
	struct unwind_failure failure;
	struct stat status;
	uint64_t random = 1;

	assert_int_equal(fstat(f->table_fd, &status), 0);
	for (int i = 0; i < 300; i++) {
		off_t at = i < 56 ? i : (off_t)(next_random(&random) % (uint64_t)status.st_size);
		unsigned char byte;

		assert_int_equal(unwind_cache_store(f->cache, "c.unw", f->table_fd), 0);
		assert_int_equal(pread(f->table_fd, &byte, 1, at), 1);
		byte ^= (unsigned char)(1u << next_random(&random) % 8);
		damage(f, "c.unw", at, &byte, 1);
		assert_int_equal(unwind_cache_open(f->cache, "c.unw", &file, &failure), -EBADMSG);
		assert_int_equal(unwind_cache_open(f->cache, "c.unw", &file, &failure), -ENOENT);
	}
}

static void a_cut_file_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct unwind_file *file;
	struct unwind_failure failure;
	struct stat status;
	char path[128];

	snprintf(path, sizeof(path), "%s/d.unw", f->dir);
	assert_int_equal(fstat(f->table_fd, &status), 0);
	for (off_t length = 0; length < status.st_size; length += 1 + length) {
		assert_int_equal(unwind_cache_store(f->cache, "d.unw", f->table_fd), 0);
		assert_int_equal(truncate(path, length), 0);
		assert_int_equal(unwind_cache_open(f->cache, "d.unw", &file, &failure), -EBADMSG);
	}
	/* A failure as well, and one without the end of its reason. */
	const struct unwind_failure stored = {.reason = "none"};
	assert_int_equal(unwind_cache_store_failure(f->cache, "d.unw", &stored), 0);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(unwind_cache_open(f->cache, "d.unw", &file, &failure), -EBADMSG);
	assert_int_equal(unwind_cache_store_failure(f->cache, "d.unw", &stored), 0);
	damage(f, "d.unw", 40, "x", 1);
	assert_int_equal(unwind_cache_open(f->cache, "d.unw", &file, &failure), -EBADMSG);
}

static void what_was_used_longest_ago_goes(void **state)
{
	struct fixture *f = *state;
	struct unwind_cache *small;
	struct unwind_file *file = NULL;
	struct unwind_failure failure;
	struct stat status;
	char name[32];

	assert_int_equal(fstat(f->table_fd, &status), 0);
	uint64_t one = ((uint64_t)status.st_size + 4095) / 4096 * 4096;
	assert_int_equal(unwind_cache_create(f->dir, 4 * one + one / 2, &small), 0);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%d.unw", i);
		assert_int_equal(unwind_cache_store(small, name, f->table_fd), 0);
		usleep(20000); /* the times of files are as coarse as the kernel's tick */
	}
	assert_int_equal(unwind_cache_open(small, "0.unw", &file, &failure), 0); /* used again */
	usleep(20000);
	assert_int_equal(unwind_cache_store(small, "4.unw", f->table_fd), 0);
	unwind_file_unref(file);
	assert_int_equal(count_files(f), 4);
	assert_int_equal(unwind_cache_open(small, "1.unw", &file, &failure), -ENOENT);
	assert_int_equal(unwind_cache_open(small, "0.unw", &file, &failure), 0);
	unwind_file_unref(file);
	unwind_cache_destroy(small);

	assert_int_equal(unwind_cache_create(f->dir, one / 2, &small), 0);
	assert_int_equal(unwind_cache_store(small, "5.unw", f->table_fd), -EFBIG);
	unwind_cache_destroy(small);
}

/* A copy of this program at @path; without its build id's name if @nameless. */
static struct binary *copy_self(const char *path, bool nameless)
{
	char command[512];
	struct binary *b;

	snprintf(command, sizeof(command), "objcopy %s /proc/%d/exe %s && chmod 700 %s",
		 nameless ? "-R .note.gnu.build-id" : "", getpid(), path, path);
	assert_int_equal(system(command), 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(binary_open(fd, path, 0, &b), 0);
	return b;
}

static void names_follow_what_a_table_depends_on(void **state)
{
	struct fixture *f = *state;
	char path[128], name[FILECACHE_NAME_MAX], other[FILECACHE_NAME_MAX];
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct binary *b;

	/* With a build id: the same wherever it lies, another with a debug file. */
	snprintf(path, sizeof(path), "%s/one", f->dir);
	b = copy_self(path, false);
	assert_true(binary_has_build_id(b));
	unwind_cache_name(b, -1, name);
	unwind_cache_name(b, f->table_fd, other);
	assert_string_not_equal(name, other);
	binary_unref(b);
	snprintf(path, sizeof(path), "%s/two", f->dir);
	b = copy_self(path, false);
	unwind_cache_name(b, -1, other);
	assert_string_equal(name, other);
	binary_unref(b);

	/* Without one: a file that was written again is another. */
	snprintf(path, sizeof(path), "%s/three", f->dir);
	b = copy_self(path, true);
	assert_false(binary_has_build_id(b));
	unwind_cache_name(b, -1, name);
	unwind_cache_name(b, -1, other);
	assert_string_equal(name, other);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	unwind_cache_name(b, -1, other);
	assert_string_not_equal(name, other);
	binary_unref(b);
}

static void a_directory_that_cannot_be_used_is_refused(void **state)
{
	struct unwind_cache *c;

	(void)state;
	assert_int_equal(unwind_cache_create("/nowhere/at/all", 0, &c), -ENOENT);
	assert_int_equal(unwind_cache_create("/proc/self/exe", 0, &c), -ENOTDIR);
	unwind_cache_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_table_comes_back_as_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failure_comes_back_with_its_reason, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_damaged_byte_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_file_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_used_longest_ago_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_follow_what_a_table_depends_on, set_up,
						tear_down),
		cmocka_unit_test(a_directory_that_cannot_be_used_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
