/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"

#define NAME_MAX_BYTES 64
#define SUFFIX	       ".otlp.gz"

struct batch {
	uint64_t wall_ns;
	uint64_t number; /* counts up while the process runs; found files come first */
	uint64_t bytes;
	uint32_t serial; /* in the name */
};

struct spool {
	int dir_fd;
	uint64_t limit_bytes;
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct batch *batches; /* oldest first */
	size_t count, capacity;
	uint64_t bytes;
	uint64_t next_number;
	uint32_t next_serial;
	uint64_t dropped;
};

static void name_of(const struct batch *b, char *name)
{
	(void)snprintf(name, NAME_MAX_BYTES, "%020" PRIu64 "-%08" PRIx32 SUFFIX, b->wall_ns,
		       b->serial); /* fits */
}

static void forget(struct spool *s, size_t index)
{
	s->bytes -= s->batches[index].bytes;
	memmove(s->batches + index, s->batches + index + 1,
		(--s->count - index) * sizeof(*s->batches));
}

static void unlink_at(struct spool *s, size_t index)
{
	char name[NAME_MAX_BYTES];

	name_of(&s->batches[index], name);
	(void)unlinkat(s->dir_fd, name, 0); /* found again at the next start, and sent again */
	forget(s, index);
}

static int compare(const void *left, const void *right)
{
	const struct batch *a = left, *b = right;

	if (a->wall_ns != b->wall_ns)
		return a->wall_ns < b->wall_ns ? -1 : 1;
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

/* Notes a file of ours; what was being written when somebody died goes. */
static int look_at(struct spool *s, const char *name)
{
	struct batch b = {0};
	char same[NAME_MAX_BYTES];
	const char *at = name;
	uint64_t serial;
	struct stat status;

	if (!strncmp(name, ".new", 4)) {
		(void)unlinkat(s->dir_fd, name, 0); /* tried again at the next start */
		return 0;
	}
	if (parse_take_u64(&at, &b.wall_ns) || *at++ != '-' || parse_take_hex(&at, &serial) ||
	    serial > UINT32_MAX)
		return 0;
	b.serial = (uint32_t)serial;
	name_of(&b, same);
	if (strcmp(name, same) != 0 || fstatat(s->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(status.st_mode))
		return 0;
	if (array_reserve((void **)&s->batches, &s->capacity, s->count + 1, sizeof(*s->batches)))
		return -ENOMEM;
	b.bytes = (uint64_t)status.st_size;
	s->bytes += b.bytes;
	s->batches[s->count++] = b;
	if (b.serial >= s->next_serial)
		s->next_serial = b.serial + 1;
	return 0;
}

static int find_files(struct spool *s)
{
	auto_close int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int err = 0;

	if (!dir)
		return -errno;
	(void)take_fd(fd); /* closedir() closes it */
	for (struct dirent *entry; !err && (entry = readdir(dir));)
		err = look_at(s, entry->d_name);
	(void)closedir(dir); /* only read from */
	if (s->count)
		qsort(s->batches, s->count, sizeof(*s->batches), compare);
	for (size_t i = 0; i < s->count; i++)
		s->batches[i].number = ++s->next_number;
	return err;
}

static void make_room(struct spool *s, uint64_t bytes)
{
	while (s->count && s->bytes + bytes > s->limit_bytes) {
		unlink_at(s, 0);
		s->dropped++;
	}
}

DEFINE_CLEANUP(spool_close, struct spool *)

int spool_open(const char *directory, uint64_t limit_bytes, struct spool **ret)
{
	CLEANUP(spool_closep) struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	(void)pthread_mutex_init(&s->lock, NULL); /* cannot fail with default attributes */
	s->limit_bytes = limit_bytes;
	s->dir_fd = -1;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return -errno;
	s->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0 || faccessat(s->dir_fd, ".", W_OK | X_OK, AT_EACCESS))
		return -errno;

	int err = find_files(s);

	if (err)
		return err;
	make_room(s, 0);
	*ret = take_ptr(s);
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	if (s->dir_fd >= 0)
		(void)close(s->dir_fd); /* a directory */
	free(s->batches);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t count = write(fd, bytes, length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -EIO;
		bytes += count;
		length -= (size_t)count;
	}
	return 0;
}

static int write_file(const struct spool *s, const char *name, const void *bytes, size_t length)
{
	static const char temporary[] = ".new";
	auto_close int fd =
		openat(s->dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;

	int err = write_all(fd, bytes, length);

	if (!err && renameat(s->dir_fd, temporary, s->dir_fd, name))
		err = -errno;
	if (err)
		(void)unlinkat(s->dir_fd, temporary, 0); /* overwritten next time otherwise */
	return err;
}

static int put(struct spool *s, uint64_t wall_ns, const void *bytes, size_t length)
{
	struct batch b = {.wall_ns = wall_ns, .bytes = length, .serial = s->next_serial};
	char name[NAME_MAX_BYTES];

	if (length > s->limit_bytes)
		return -EFBIG;
	make_room(s, length);
	if (array_reserve((void **)&s->batches, &s->capacity, s->count + 1, sizeof(*s->batches)))
		return -ENOMEM;
	name_of(&b, name);

	int err = write_file(s, name, bytes, length);

	if (err)
		return err;
	s->next_serial++;
	b.number = ++s->next_number;
	s->batches[s->count++] = b;
	s->bytes += length;
	return 0;
}

int spool_put(struct spool *s, uint64_t wall_ns, const void *bytes, size_t length)
{
	(void)pthread_mutex_lock(&s->lock);

	int err = put(s, wall_ns, bytes, length);

	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

static int read_first(const struct spool *s, struct buffer *out)
{
	char name[NAME_MAX_BYTES];

	name_of(&s->batches[0], name);

	auto_close int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *to = fd >= 0 ? buffer_reserve(out, s->batches[0].bytes) : NULL;

	if (fd < 0)
		return -errno;
	if (!to)
		return out->error;

	ssize_t count = read(fd, to, s->batches[0].bytes);

	if (count < 0)
		return -errno;
	if ((uint64_t)count != s->batches[0].bytes)
		return -EIO;
	out->length += (size_t)count;
	return 0;
}

int spool_oldest(struct spool *s, uint64_t *ret_number, struct buffer *out)
{
	int err = -ENOENT;

	(void)pthread_mutex_lock(&s->lock);
	if (s->count) {
		*ret_number = s->batches[0].number;
		err = read_first(s, out);
		if (err && err != -ENOMEM) {
			unlink_at(s, 0);
			s->dropped++;
			err = err == -ENOENT ? -EIO : err;
		}
	}
	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

void spool_remove(struct spool *s, uint64_t number)
{
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->count; i++)
		if (s->batches[i].number == number) {
			unlink_at(s, i);
			break;
		}
	(void)pthread_mutex_unlock(&s->lock);
}

void spool_stats(struct spool *s, struct spool_stats *ret)
{
	(void)pthread_mutex_lock(&s->lock);
	*ret = (struct spool_stats){
		.files = s->count,
		.bytes = s->bytes,
		.limit_bytes = s->limit_bytes,
		.dropped = s->dropped,
		.oldest_wall_ns = s->count ? s->batches[0].wall_ns : 0,
	};
	(void)pthread_mutex_unlock(&s->lock);
}
