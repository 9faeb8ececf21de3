/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"

#define NEW_FILE_MODE 0666

/* What a file made with open(2) gets; mkostemp() makes it private. */
static void apply_umask(int fd)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	(void)fchmod(fd, NEW_FILE_MODE & ~mask); /* a file system without modes is none of ours */
}

/* "dir/name" -> "dir/.name.XXXXXX", made by mkostemp. */
static int make_temporary(struct output *o)
{
	auto_buffer name = BUFFER_INIT;
	const char *slash = strrchr(o->path, '/');
	size_t directory = slash ? (size_t)(slash - o->path) + 1 : 0;

	buffer_append(&name, o->path, directory);
	buffer_printf(&name, ".%s.XXXXXX", o->path + directory);
	o->temporary = buffer_steal(&name, NULL);
	if (!o->temporary)
		return -ENOMEM;

	o->fd = mkostemp(o->temporary, O_CLOEXEC);
	if (o->fd >= 0) {
		apply_umask(o->fd);
		return 0;
	}

	int err = -errno;

	free(take_ptr(o->temporary));
	return err;
}

static int open_path(const char *path, struct output *o)
{
	struct stat st;
	bool there = !stat(path, &st);

	if (!there && errno != ENOENT)
		return -errno;
	if (there && S_ISDIR(st.st_mode))
		return -EISDIR;

	/* A link is replaced at its end; one that points nowhere is replaced itself. */
	o->path = there ? realpath(path, NULL) : strdup(path);
	if (!o->path)
		return -errno;
	if (!there || S_ISREG(st.st_mode))
		return make_temporary(o);

	o->fd = open(path, O_WRONLY | O_CLOEXEC);
	return o->fd < 0 ? -errno : 0;
}

int output_open(const char *path, struct output *ret)
{
	struct output o = OUTPUT_INIT;
	int err = 0;

	if (!strcmp(path, "-")) {
		o.path = strdup(path);
		o.fd = STDOUT_FILENO;
		err = o.path ? 0 : -ENOMEM;
	} else if (!*path) {
		err = -ENOENT;
	} else {
		err = open_path(path, &o);
	}

	if (err) {
		free(o.path);
		return err;
	}
	*ret = o;
	return 0;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

/* Close, and free what belongs to the output. */
static int finish(struct output *o)
{
	int err = 0;

	if (o->fd > STDERR_FILENO && close(o->fd))
		err = -errno; /* NFS and full disks speak up here */
	free(o->path);
	free(o->temporary);
	*o = OUTPUT_INIT;
	return err;
}

int output_commit(struct output *o, const void *bytes, size_t length)
{
	int err = write_all(o->fd, bytes, length);

	if (!err && o->temporary && rename(o->temporary, o->path))
		err = -errno;
	if (err) {
		output_abandon(o);
		return err;
	}
	return finish(o);
}

void output_abandon(struct output *o)
{
	if (o->fd < 0)
		return;
	if (o->temporary)
		(void)unlink(o->temporary); /* nothing to be done about it */
	(void)finish(o);		    /* what was written does not count */
}
