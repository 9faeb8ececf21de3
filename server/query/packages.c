// SPDX-License-Identifier: Apache-2.0
#include "server/query/packages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/idmap.h"

#define LISTS_MAX      65536u
#define LIST_BYTES_MAX (256ull << 20) /* of all lists together */

struct search {
	struct package_query *queries;
	size_t count;
	struct idmap by_path; /* hash of the path without /usr -> query */
	uint64_t bytes;
};

static const char *without_usr(const char *path, size_t *length)
{
	if (*length > 5 && !memcmp(path, "/usr/", 5)) {
		*length -= 4;
		return path + 4;
	}
	return path;
}

static void look_up_line(struct search *s, const char *line, size_t length, const char *package)
{
	const char *path = without_usr(line, &length);

	for (struct idmap_probe p = idmap_find(&s->by_path, hash_bytes(path, length)); p.found;
	     idmap_next(&s->by_path, &p)) {
		struct package_query *q = &s->queries[p.id];
		size_t wanted_length = strlen(q->path);
		const char *wanted = without_usr(q->path, &wanted_length);

		if (wanted_length == length && !memcmp(wanted, path, length) && !q->name[0])
			(void)snprintf(q->name, sizeof(q->name), "%s",
				       package); /* names are short */
	}
}

/* NAME[:ARCHITECTURE].list, one path a line. */
static void search_list(struct search *s, int dir_fd, const char *file)
{
	auto_close int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char package[PACKAGE_NAME_MAX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		return;

	size_t size = (size_t)st.st_size;
	char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	s->bytes += size;
	if (text == MAP_FAILED)
		return;
	(void)snprintf(package, sizeof(package), "%.*s", (int)strcspn(file, ":"), file);
	if (!strchr(file, ':'))
		package[strlen(package) - strlen(".list")] = '\0';
	for (const char *at = text, *end = text + size; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (!stop)
			stop = end;
		look_up_line(s, at, (size_t)(stop - at), package);
		at = stop + 1;
	}
	(void)munmap(text, size); /* was mapped right above */
}

static bool is_list(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && length < PACKAGE_NAME_MAX && !strcmp(name + length - 5, ".list");
}

static int search_all(struct search *s, const char *info_dir)
{
	DIR *dir = opendir(info_dir);
	struct dirent *entry;
	size_t lists = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) && s->bytes <= LIST_BYTES_MAX && lists <= LISTS_MAX) {
		if (!is_list(entry->d_name))
			continue;
		search_list(s, dirfd(dir), entry->d_name);
		lists++;
	}
	(void)closedir(dir); /* only read from */
	return s->bytes > LIST_BYTES_MAX || lists > LISTS_MAX ? -EFBIG : 0;
}

int packages_find(const char *info_dir, struct package_query *queries, size_t count)
{
	struct search s = {.queries = queries, .count = count};
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		queries[i].name[0] = '\0';
		if (!queries[i].path)
			continue;

		size_t length = strlen(queries[i].path);
		const char *path = without_usr(queries[i].path, &length);

		err = idmap_insert(&s.by_path, hash_bytes(path, length), (uint32_t)i);
	}
	if (!err && s.by_path.count)
		err = search_all(&s, info_dir);
	idmap_release(&s.by_path);
	return err;
}
