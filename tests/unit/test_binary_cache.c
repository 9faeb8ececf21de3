/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/binary_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/procfs.h"
#include "unit/check.h"

#define NOBODY INT32_MAX /* no process has this pid */

static struct binary_cache *cache;
static uint64_t now_ns = 1000 * NS_PER_S;

/* This test's own executable mapping, as /proc/self/maps has it. */
struct own_code {
	struct mapping_place place;
	struct mapped_file file;
	char path[512];
};

static int find_own_code(const struct procfs_mapping *m, void *arg)
{
	struct own_code *c = arg;
	uint64_t here = (uint64_t)(uintptr_t)&find_own_code;

	if (!m->executable || here < m->start || here >= m->end)
		return 0;
	c->place = (struct mapping_place){.pid = getpid(), .start = m->start, .end = m->end};
	c->file = (struct mapped_file){.device_major = m->device_major,
				       .device_minor = m->device_minor,
				       .inode = m->inode};
	(void)snprintf(c->path, sizeof(c->path), "%s", m->path);
	c->file.path = c->path;
	return 1;
}

static void own(struct own_code *c)
{
	assert_int_equal(procfs_read_maps(getpid(), find_own_code, c), 1);
}

static int set_up(void **state)
{
	(void)state;
	return binary_cache_create(NULL, &cache);
}

static int tear_down(void **state)
{
	(void)state;
	binary_cache_destroy(cache);
	return 0;
}

static struct binary *get(const struct mapping_place *place, const struct mapped_file *file)
{
	struct binary *b = NULL;

	assert_int_equal(binary_cache_get(cache, place, file, now_ns, &b), 0);
	assert_non_null(b);
	return b;
}

/* The reference of the caller is dropped: the cache holds its own. */
static enum binary_kind kind_of(const char *path)
{
	const struct mapping_place place = {.pid = getpid(), .start = 0x1000, .end = 0x2000};
	const struct mapped_file file = {.path = path};
	struct binary *b = get(&place, &file);
	enum binary_kind kind = binary_kind(b);

	binary_unref(b);
	return kind;
}

static void memory_without_a_file(void **state)
{
	(void)state;
	assert_int_equal(kind_of("//anon"), BINARY_ANON);
	assert_int_equal(kind_of(""), BINARY_ANON);
	assert_int_equal(kind_of("[heap]"), BINARY_ANON);
	assert_int_equal(kind_of("anon_inode:[perf_event]"), BINARY_ANON);
	assert_int_equal(kind_of("[vdso]"), BINARY_VDSO);
	assert_int_equal(binary_cache_count(cache), 0);
}

static void a_file_is_opened_once(void **state)
{
	struct own_code c = {0};

	(void)state;
	own(&c);
	struct binary *first = get(&c.place, &c.file), *second = get(&c.place, &c.file);
	assert_ptr_equal(first, second);
	assert_int_equal(binary_kind(first), BINARY_ELF);
	assert_string_equal(binary_path(first), c.path);

	/* The same, known by its build id: no process is needed any more. */
	struct mapped_file by_id = {.path = "/elsewhere", .build_id = *binary_build_id(first)};
	const struct mapping_place nowhere = {.pid = NOBODY, .start = 1, .end = 2};
	struct binary *third = get(&nowhere, &by_id);
	assert_ptr_equal(third, first);
	binary_unref(first);
	binary_unref(second);
	binary_unref(third);
}

static void a_process_that_is_gone_leaves_its_path(void **state)
{
	struct own_code c = {0};

	(void)state;
	own(&c);
	c.place.pid = NOBODY;
	struct binary *b = get(&c.place, &c.file); /* the inode agrees */
	assert_int_equal(binary_kind(b), BINARY_ELF);
	binary_unref(b);
}

static void another_file_at_the_path_is_not_taken(void **state)
{
	struct own_code c = {0};

	(void)state;
	own(&c);
	c.place.pid = NOBODY;
	c.file.inode++;
	struct binary *b = get(&c.place, &c.file);
	assert_int_equal(binary_kind(b), BINARY_UNKNOWN);
	assert_string_equal(binary_path(b), c.path);
	binary_unref(b);

	/* By build id: ours is not this one. */
	struct mapped_file other = {.path = c.path,
				    .build_id = {.length = 20, .bytes = "not ours"}};
	b = get(&c.place, &other);
	assert_int_equal(binary_kind(b), BINARY_UNKNOWN);
	binary_unref(b);
	assert_int_equal(binary_cache_failures(cache), 2);
}

static void what_could_not_be_opened_is_tried_again(void **state)
{
	struct own_code c = {0};

	(void)state;
	own(&c);
	struct mapping_place right = c.place;
	struct binary *known = get(&right, &c.file);
	struct mapped_file by_id = {.path = c.path, .build_id = *binary_build_id(known)};
	binary_unref(known);

	/* A fresh cache, and a time when neither the process nor the path is there. */
	binary_cache_destroy(cache);
	assert_int_equal(binary_cache_create(NULL, &cache), 0);
	const struct mapping_place nowhere = {.pid = NOBODY, .start = 1, .end = 2};
	by_id.path = "/nonexistent";
	struct binary *b = get(&nowhere, &by_id);
	assert_int_equal(binary_kind(b), BINARY_UNKNOWN);
	binary_unref(b);
	b = get(&right, &by_id); /* too early */
	assert_int_equal(binary_kind(b), BINARY_UNKNOWN);
	binary_unref(b);
	now_ns += 6 * NS_PER_S;
	b = get(&right, &by_id); /* through /proc/PID/map_files */
	assert_int_equal(binary_kind(b), BINARY_ELF);
	binary_unref(b);
}

/* A memory file is mapped and has no path; what it holds decides. */
static void memory_files_and_other_formats(void **state)
{
	static const char text[] = "MZ this is a PE file, say";
	int fd = memfd_create("jit", MFD_CLOEXEC);
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(fstat(fd, &st), 0);
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	const struct mapping_place place = {.pid = getpid(),
					    .start = (uint64_t)(uintptr_t)memory,
					    .end = (uint64_t)(uintptr_t)memory + 4096};
	const struct mapped_file file = {.path = "/memfd:jit", .inode = st.st_ino};

	struct binary *b = get(&place, &file);
	assert_int_equal(binary_kind(b), BINARY_ANON);
	assert_string_equal(binary_path(b), "/memfd:jit");
	binary_unref(b);
	assert_int_equal(munmap(memory, 4096), 0);
	(void)close(fd);
}

/* What lies at a path may be no file: opening it must neither wait nor have an effect. */
static void a_pipe_at_the_path_is_left_alone(void **state)
{
	char path[] = "/tmp/hearth-test-XXXXXX", fifo[64];
	const struct mapping_place place = {.pid = getpid(), .start = 1, .end = 2};

	(void)state;
	assert_non_null(mkdtemp(path));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	const struct mapped_file file = {.path = fifo, .inode = 1};
	struct binary *b = get(&place, &file);
	assert_int_equal(binary_kind(b), BINARY_UNKNOWN);
	binary_unref(b);
	(void)unlink(fifo);
	(void)rmdir(path);
}

static void the_cache_is_bounded(void **state)
{
	const struct mapping_place place = {.pid = NOBODY, .start = 1, .end = 2};
	char path[64];

	(void)state;
	for (unsigned int i = 0; i < BINARY_CACHE_MAX + 50; i++) {
		(void)snprintf(path, sizeof(path), "/nonexistent/%u", i);
		const struct mapped_file file = {.path = path, .inode = i + 1};

		binary_unref(get(&place, &file));
	}
	assert_int_equal(binary_cache_count(cache), BINARY_CACHE_MAX);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_without_a_file),
		TEST(a_file_is_opened_once),
		TEST(a_process_that_is_gone_leaves_its_path),
		TEST(another_file_at_the_path_is_not_taken),
		TEST(what_could_not_be_opened_is_tried_again),
		TEST(memory_files_and_other_formats),
		TEST(a_pipe_at_the_path_is_left_alone),
		TEST(the_cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
