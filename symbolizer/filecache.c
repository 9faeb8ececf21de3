/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "symbolizer/filecache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/array.h"
#include "base/cleanup.h"

#define SUFFIX_MAX	8
#define TEMPORARY_AGE_S 600 /* a temporary file this old belongs to nobody any more */

struct filecache {
	int dir_fd;
	uint64_t limit_bytes;
	char suffix[SUFFIX_MAX]; /* of the files that are ours */
	pthread_mutex_t lock;	 /* one store at a time */
};

/* A file in the directory, while old ones are looked for. */
struct kept {
	char name[FILECACHE_NAME_MAX];
	uint64_t bytes;
	struct timespec used;
};

DEFINE_CLEANUP(filecache_destroy, struct filecache *)

int filecache_create(const char *dir, const char *suffix, uint64_t limit_bytes,
		     struct filecache **ret)
{
	CLEANUP(filecache_destroyp) struct filecache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->dir_fd = -1;
	c->limit_bytes = limit_bytes;
	snprintf(c->suffix, sizeof(c->suffix), "%s", suffix);
	(void)pthread_mutex_init(&c->lock, NULL); /* cannot fail with default attributes */

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	c->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir_fd < 0 || faccessat(c->dir_fd, ".", W_OK | X_OK, AT_EACCESS))
		return -errno;
	*ret = take_ptr(c);
	return 0;
}

void filecache_destroy(struct filecache *c)
{
	if (!c)
		return;
	if (c->dir_fd >= 0)
		(void)close(c->dir_fd); /* a directory */
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Identity of an open file, for the hash. */
struct identity {
	uint64_t device, inode, size, seconds, nanoseconds;
};

static struct identity identify(int fd)
{
	struct identity id = {0};
	struct stat status;

	if (fd >= 0 && !fstat(fd, &status)) {
		id.device = status.st_dev;
		id.inode = status.st_ino;
		id.size = (uint64_t)status.st_size;
		id.seconds = (uint64_t)status.st_mtim.tv_sec;
		id.nanoseconds = (uint64_t)status.st_mtim.tv_nsec;
	}
	return id;
}

uint64_t filecache_identity(const struct binary *b, const int *fds, size_t count)
{
	struct identity parts[FILECACHE_FDS_MAX + 1] = {identify(binary_fd(b))};

	for (size_t i = 0; i < count && i < FILECACHE_FDS_MAX; i++)
		parts[i + 1] = identify(fds[i]);
	/* The same build in another place is the same; without a build id nobody knows. */
	if (binary_has_build_id(b))
		parts[0] = (struct identity){.size = parts[0].size};
	return XXH3_64bits(parts, (count + 1) * sizeof(parts[0]));
}

int filecache_open(struct filecache *c, const char *name)
{
	int fd = openat(c->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EIO;
	return fd;
}

void filecache_touch(int fd)
{
	(void)futimens(fd, NULL); /* else it only looks older than it is */
}

void filecache_remove(struct filecache *c, const char *name)
{
	(void)unlinkat(c->dir_fd, name, 0); /* it may be gone */
}

static int copy(int from, int to)
{
	struct stat status;
	off_t at = 0;

	if (fstat(from, &status))
		return -errno;
	while (at < status.st_size) {
		ssize_t count = sendfile(to, from, &at, (size_t)(status.st_size - at));

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -EIO;
	}
	return 0;
}

static int compare_used(const void *left, const void *right)
{
	const struct timespec *a = &((const struct kept *)left)->used;
	const struct timespec *b = &((const struct kept *)right)->used;

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

/* Notes a file of ours; removes what was left behind by somebody who died while writing. */
static int look_at(struct filecache *c, const char *name, struct kept *ret)
{
	struct stat status;
	struct timespec now;
	size_t length = strlen(name), suffix = strlen(c->suffix);

	if (length >= FILECACHE_NAME_MAX ||
	    fstatat(c->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
		return -ENOENT;
	if (!strncmp(name, ".new-", 5)) {
		(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
		if (now.tv_sec - status.st_mtim.tv_sec > TEMPORARY_AGE_S)
			(void)unlinkat(c->dir_fd, name, 0); /* next time, then */
		return -ENOENT;
	}
	if (length <= suffix || strcmp(name + length - suffix, c->suffix) != 0)
		return -ENOENT;
	memcpy(ret->name, name, length + 1);
	ret->bytes = (uint64_t)status.st_blocks * 512;
	ret->used = status.st_mtim;
	return 0;
}

static int list(struct filecache *c, struct kept **ret_files, size_t *ret_count,
		uint64_t *ret_bytes)
{
	auto_close int fd = openat(c->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct kept *files = NULL;
	size_t count = 0, capacity = 0;
	int err = 0;

	if (!dir)
		return -errno;
	(void)take_fd(fd); /* closedir() closes it */
	*ret_bytes = 0;
	for (struct dirent *entry; !err && (entry = readdir(dir));) {
		err = array_reserve((void **)&files, &capacity, count + 1, sizeof(*files));
		if (err || look_at(c, entry->d_name, &files[count]))
			continue;
		*ret_bytes += files[count++].bytes;
	}
	(void)closedir(dir); /* only read from */
	if (err) {
		free(files);
		return err;
	}
	*ret_files = files;
	*ret_count = count;
	return 0;
}

/* Removes what was used longest ago until @room more bytes fit. A file still mapped lives on until unmapped. */
static void make_room(struct filecache *c, uint64_t room)
{
	auto_free struct kept *files = NULL;
	size_t count = 0;
	uint64_t bytes = 0;

	if (list(c, &files, &count, &bytes) || bytes + room <= c->limit_bytes)
		return;
	qsort(files, count, sizeof(*files), compare_used);
	for (size_t i = 0; i < count && bytes + room > c->limit_bytes; i++)
		if (!unlinkat(c->dir_fd, files[i].name, 0))
			bytes -= files[i].bytes;
}

static int store(struct filecache *c, const char *name, int fd)
{
	struct stat status;
	char temporary[64];

	if (fstat(fd, &status))
		return -errno;
	if ((uint64_t)status.st_size > c->limit_bytes)
		return -EFBIG;
	make_room(c, (uint64_t)status.st_size);
	snprintf(temporary, sizeof(temporary), ".new-%d-%lx", getpid(),
		 (unsigned long)pthread_self());

	auto_close int out =
		openat(c->dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (out < 0)
		return -errno;

	int err = copy(fd, out);

	if (!err && renameat(c->dir_fd, temporary, c->dir_fd, name))
		err = -errno;
	if (err)
		(void)unlinkat(c->dir_fd, temporary, 0); /* it goes with old age otherwise */
	return err;
}

int filecache_store(struct filecache *c, const char *name, int fd)
{
	(void)pthread_mutex_lock(&c->lock); /* a valid mutex */

	int err = store(c, name, fd);

	(void)pthread_mutex_unlock(&c->lock);
	return err;
}
