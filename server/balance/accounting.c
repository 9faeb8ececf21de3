// SPDX-License-Identifier: Apache-2.0
#include "server/balance/accounting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"

#define CGROUP2_MAGIC 0x63677270 /* CGROUP2_SUPER_MAGIC, linux/magic.h */

const char *account_hierarchy_name(enum account_hierarchy h)
{
	static const char *const names[] = {"none", "cgroup v1 cpuacct", "cgroup v2"};

	return names[h];
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Version 1 where it is mounted: in a mixed setup it is the one that accounts. */
static void open_hierarchy(const char *root, struct accounting_source *s)
{
	static const char *const v1[] = {"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"};
	struct statfs fs;

	for (size_t i = 0; !root && i < ARRAY_SIZE(v1) && s->root_fd < 0; i++)
		s->root_fd = open_directory(v1[i]);
	if (s->root_fd < 0)
		s->root_fd = open_directory(root ? root : "/sys/fs/cgroup");
	if (s->root_fd < 0)
		return;
	if (!faccessat(s->root_fd, "cpuacct.usage", R_OK, 0))
		s->hierarchy = ACCOUNT_CPUACCT;
	else if (root || (!fstatfs(s->root_fd, &fs) && (unsigned long)fs.f_type == CGROUP2_MAGIC))
		s->hierarchy = ACCOUNT_UNIFIED;
}

int accounting_open(const char *root, const char *stat_path, struct accounting_source *ret)
{
	struct accounting_source s = {.root_fd = -1};

	s.stat_fd = open(stat_path ? stat_path : "/proc/stat", O_RDONLY | O_CLOEXEC);
	if (s.stat_fd < 0)
		return -errno;
	open_hierarchy(root, &s);
	*ret = s;
	return 0;
}

void accounting_close(struct accounting_source *s)
{
	if (!s)
		return;
	if (s->root_fd >= 0)
		(void)close(s->root_fd); /* only read from */
	if (s->stat_fd >= 0)
		(void)close(s->stat_fd); /* likewise */
	s->root_fd = s->stat_fd = -1;
}

void accounting_release(struct accounting *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->group_count; i++)
		free(a->groups[i].path);
	free(a->groups);
	*a = (struct accounting){0};
}

/* "cpu  USER NICE SYSTEM ...", in ticks of USER_HZ. */
static int read_stat(int fd, struct accounting *a)
{
	char text[512];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);

	if (length < 0)
		return -errno;
	text[length] = '\0';
	if (strncmp(text, "cpu ", 4) != 0)
		return -EBADMSG;

	const char *at = text + 4;

	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++) {
		uint64_t ticks;

		at += strspn(at, " ");
		if (parse_take_u64(&at, &ticks))
			return -EBADMSG;
		a->cpu_ns[i] = ticks * tick_ns;
	}
	return 0;
}

/* Usage of the cgroup whose directory @fd is. */
static int read_usage(enum account_hierarchy h, int fd, uint64_t *ret_ns)
{
	const char *name = h == ACCOUNT_CPUACCT ? "cpuacct.usage" : "cpu.stat";
	auto_close int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
	uint64_t value;

	if (length < 0)
		return -errno;
	text[length] = '\0';

	const char *at = text;

	if (h == ACCOUNT_UNIFIED) {
		at = strstr(text, "usage_usec ");
		if (!at)
			return -EBADMSG;
		at += strlen("usage_usec ");
	}
	if (parse_take_u64(&at, &value))
		return -EBADMSG;
	*ret_ns = h == ACCOUNT_UNIFIED ? value * NS_PER_US : value;
	return 0;
}

static int add_group(const struct accounting_source *s, struct accounting *a, int fd,
		     uint32_t parent, const char *path)
{
	struct account_group g = {.parent = parent};

	if (read_usage(s->hierarchy, fd, &g.usage_ns))
		return -ENOENT; /* gone meanwhile */
	if (array_reserve((void **)&a->groups, &a->group_capacity, a->group_count + 1,
			  sizeof(a->groups[0])))
		return -ENOMEM;
	g.path = strdup(path);
	if (!g.path)
		return -ENOMEM;
	a->groups[a->group_count++] = g;
	return 0;
}

/* The cgroups right below one. A directory with two links has none, which saves reading it. */
static int add_children(const struct accounting_source *s, struct accounting *a, uint32_t parent)
{
	const char *path = a->groups[parent].path;
	auto_close int fd =
		openat(s->root_fd, path[1] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	struct dirent *entry;
	int err = 0;

	if (fd < 0 || fstat(fd, &st) || st.st_nlink == 2)
		return 0;

	DIR *dir = fdopendir(fd);

	if (!dir)
		return -ENOMEM;
	(void)take_fd(fd);
	while (!err && a->group_count < ACCOUNTING_GROUPS_MAX && (entry = readdir(dir))) {
		char below[ACCOUNTING_PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		path = a->groups[parent].path; /* the array may have moved */
		if (snprintf(below, sizeof(below), "%s/%s", path[1] ? path : "", entry->d_name) >=
		    (int)sizeof(below))
			continue;

		auto_close int child =
			openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		err = child < 0 ? 0 : add_group(s, a, child, parent, below);
		if (err == -ENOENT)
			err = 0;
	}
	(void)closedir(dir); /* only read from */
	return err;
}

int accounting_read(const struct accounting_source *s, struct accounting *ret)
{
	struct accounting a = {0};
	int err = read_stat(s->stat_fd, &a);

	if (!err && s->hierarchy != ACCOUNT_NO_HIERARCHY) {
		err = add_group(s, &a, s->root_fd, ACCOUNTING_NO_PARENT, "/");
		if (err == -ENOENT)
			err = 0;
		for (size_t i = 0; !err && i < a.group_count; i++)
			err = add_children(s, &a, (uint32_t)i);
	}
	a.wall_ns = clock_wall_now_ns();
	if (err) {
		accounting_release(&a);
		return err;
	}
	*ret = a;
	return 0;
}

/* Whether @above is @path or a directory above it. */
static bool contains(const char *above, const char *path)
{
	size_t length = strlen(above);

	if (length == 1)
		return true; /* the root */
	return !strncmp(above, path, length) && (path[length] == '/' || !path[length]);
}

uint32_t accounting_find(const struct accounting *a, const char *path)
{
	uint32_t found = ACCOUNTING_NO_PARENT;
	size_t longest = 0;

	for (size_t i = 0; i < a->group_count; i++) {
		size_t length = strlen(a->groups[i].path);

		if (length > longest && contains(a->groups[i].path, path)) {
			found = (uint32_t)i;
			longest = length;
		}
	}
	return found;
}
