/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symcache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "symbolizer/symfile_format.h"

#define SUFFIX ".sym"

/* A struct symcache is nothing but a struct filecache whose files are symbol files. */
static struct filecache *files_of(struct symcache *c)
{
	return (struct filecache *)c;
}

int symcache_create(const char *dir, uint64_t limit_bytes, struct symcache **ret)
{
	struct filecache *files;
	int err = filecache_create(dir, SUFFIX, limit_bytes ? limit_bytes : SYMCACHE_DEFAULT_BYTES,
				   &files);

	if (!err)
		*ret = (struct symcache *)files;
	return err;
}

void symcache_destroy(struct symcache *c)
{
	filecache_destroy(files_of(c));
}

void symcache_name(const struct binary *b, const struct debugfiles *files, char *name)
{
	const int fds[] = {files->debug_fd, files->alt_fd, files->dwp_fd};
	char text[BUILD_ID_HEX_MAX];

	snprintf(name, SYMCACHE_NAME_MAX, "%s-%016" PRIx64 ".v%u" SUFFIX,
		 build_id_format(binary_build_id(b), text),
		 filecache_identity(b, fds, ARRAY_SIZE(fds)), SYMFILE_VERSION);
}

int symcache_open(struct symcache *c, const char *name, struct symfile **ret)
{
	auto_close int fd = filecache_open(files_of(c), name);

	if (fd < 0)
		return fd;

	int err = symfile_open(fd, ret);

	if (err == -EBADMSG)
		filecache_remove(files_of(c), name); /* it will be made again */
	else if (!err)
		filecache_touch(fd);
	return err;
}

int symcache_store(struct symcache *c, const char *name, int fd)
{
	return filecache_store(files_of(c), name, fd);
}
