// SPDX-License-Identifier: Apache-2.0
/*
 * Cgroups by id and by path.
 *
 * An id of the version 2 hierarchy is a kernfs node id, which is also the file handle of the cgroup's directory
 * (FILEID_KERNFS, include/linux/exportfs.h): open_by_handle_at(2) turns it into the directory without a walk.
 */
#include "profiler/cgroup_labels.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "profiler/procfs.h"

#define FILEID_KERNFS_TYPE 0xfe
#define CGROUP2_MAGIC	   0x63677270 /* CGROUP2_SUPER_MAGIC, linux/magic.h */
#define V2_ROOT_ID	   1u
#define PROC_CGROUP_BYTES  8192u

static const char *const v2_mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static int open_v2_mount(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(v2_mounts); i++) {
		auto_close int fd = open(v2_mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct statfs fs;

		if (fd >= 0 && !fstatfs(fd, &fs) && (unsigned long)fs.f_type == CGROUP2_MAGIC)
			return take_fd(fd);
	}
	return -1;
}

void cgroup_cache_init(struct cgroup_cache *c)
{
	*c = (struct cgroup_cache){.v2_mount = open_v2_mount()};
}

static void forget_all(struct cgroup_cache *c)
{
	for (size_t i = 0; i < c->count; i++)
		cgroup_labels_unref(c->labels[i]);
	c->count = 0;
	idmap_clear(&c->by_path);
	idmap_clear(&c->by_v2_id);
}

void cgroup_cache_release(struct cgroup_cache *c)
{
	if (!c)
		return;
	forget_all(c);
	free(c->labels);
	free(c->v2_ids);
	idmap_release(&c->by_path);
	idmap_release(&c->by_v2_id);
	if (c->v2_mount >= 0)
		(void)close(c->v2_mount); /* a directory */
	c->v2_mount = -1;
}

/* Path of a cgroup below the version 2 root. Returns 0; -ENOENT if it is gone. */
static int path_of_v2_id(const struct cgroup_cache *c, uint64_t id, char path[static PATH_MAX])
{
	union {
		struct file_handle handle;
		unsigned char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
	} name = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS_TYPE}};
	char link[64], base[64], target[PATH_MAX];

	memcpy(name.bytes + sizeof(struct file_handle), &id, sizeof(id));
	auto_close int fd =
		open_by_handle_at(c->v2_mount, &name.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;

	/* Both links are read, so that it does not matter where the hierarchy is mounted. */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", c->v2_mount);
	ssize_t base_length = readlink(link, base, sizeof(base));
	if (length < 0 || base_length < 0 || base_length > length ||
	    memcmp(target, base, (size_t)base_length))
		return -ENOENT;
	target[length] = '\0';
	const char *below = length > base_length ? target + base_length : "/";
	memcpy(path, below, strlen(below) + 1); /* target fits, so that its end does */
	return 0;
}

/* What the container and the service are called; a name that there is no memory for is unknown. */
static void add_names(struct cgroup_labels *l)
{
	static const char suffix[] = ".service";
	size_t length = l->unit ? strlen(l->unit) : 0;
	bool is_service = length > sizeof(suffix) - 1 &&
			  !strcmp(l->unit + length - (sizeof(suffix) - 1), suffix);

	if (l->container_id)
		container_names_find(NULL, l->container_id, &l->names);
	if (l->names.service || l->names.container)
		l->service = strdup(l->names.service ? l->names.service : l->names.container);
	else if (!l->container_id && is_service)
		l->service = strndup(l->unit, length - (sizeof(suffix) - 1));
}

static int add(struct cgroup_cache *c, const char *path, uint64_t v2_id, struct cgroup_labels **ret)
{
	CLEANUP(cgroup_labels_unrefp) struct cgroup_labels *l = NULL;

	if (c->count >= CGROUP_CACHE_MAX)
		forget_all(c); /* those in use stay with their processes */
	if (cgroup_labels_parse(path, &l))
		return -ENOMEM;
	add_names(l);
	if (array_reserve((void **)&c->labels, &c->label_capacity, c->count + 1,
			  sizeof(c->labels[0])) ||
	    array_reserve((void **)&c->v2_ids, &c->v2_id_capacity, c->count + 1,
			  sizeof(c->v2_ids[0])))
		return -ENOMEM;
	if (v2_id ? idmap_insert(&c->by_v2_id, v2_id, (uint32_t)c->count)
		  : idmap_insert(&c->by_path, hash_bytes(path, strlen(path)), (uint32_t)c->count))
		return -ENOMEM;

	c->v2_ids[c->count] = v2_id;
	c->labels[c->count++] = cgroup_labels_ref(l);
	*ret = take_ptr(l);
	return 0;
}

static int get_by_v2_id(struct cgroup_cache *c, uint64_t id, struct cgroup_labels **ret)
{
	for (struct idmap_probe p = idmap_find(&c->by_v2_id, id); p.found;
	     idmap_next(&c->by_v2_id, &p)) {
		if (c->v2_ids[p.id] == id) {
			*ret = cgroup_labels_ref(c->labels[p.id]);
			return 0;
		}
	}

	char path[PATH_MAX];
	int error = path_of_v2_id(c, id, path);
	return error ? error : add(c, path, id, ret);
}

static int get_by_path(struct cgroup_cache *c, const char *path, struct cgroup_labels **ret)
{
	uint64_t hash = hash_bytes(path, strlen(path));

	for (struct idmap_probe p = idmap_find(&c->by_path, hash); p.found;
	     idmap_next(&c->by_path, &p)) {
		if (!strcmp(c->labels[p.id]->path, path)) {
			*ret = cgroup_labels_ref(c->labels[p.id]);
			return 0;
		}
	}
	return add(c, path, 0, ret);
}

int cgroup_cache_get(struct cgroup_cache *c, uint64_t v2_id, pid_t pid, struct cgroup_labels **ret)
{
	if (v2_id > V2_ROOT_ID && c->v2_mount >= 0 && !get_by_v2_id(c, v2_id, ret))
		return 0;

	char text[PROC_CGROUP_BYTES];
	if (procfs_read_text(pid, "cgroup", text, sizeof(text)))
		return -ENOENT;
	return get_by_path(c, cgroup_choose_path(text), ret);
}
