/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is either an unwind file, as unwind_file.h has it, or says why there is none:
 *
 *	char magic[8] "HRTHNOU" | u32 version | u32 failed | char reason[160], ended by NUL | u64 checksum (XXH3 of the rest)
 */
#include "symbolizer/unwind_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define SUFFIX	      ".unw"
#define FAILURE_MAGIC "HRTHNOU"

struct failure_file {
	char magic[8];
	uint32_t version; /* UNWIND_FILE_VERSION: another builder may succeed */
	uint32_t failed;
	char reason[UNWIND_REASON_BYTES];
	uint64_t checksum;
};

_Static_assert(sizeof(struct failure_file) == 16 + UNWIND_REASON_BYTES + 8, "no hidden padding");

/* A struct unwind_cache is nothing but a struct filecache whose files are of these two kinds. */
static struct filecache *files_of(struct unwind_cache *c)
{
	return (struct filecache *)c;
}

int unwind_cache_create(const char *dir, uint64_t limit_bytes, struct unwind_cache **ret)
{
	struct filecache *files;
	int error = filecache_create(
		dir, SUFFIX, limit_bytes ? limit_bytes : UNWIND_CACHE_DEFAULT_BYTES, &files);

	if (!error)
		*ret = (struct unwind_cache *)files;
	return error;
}

void unwind_cache_destroy(struct unwind_cache *c)
{
	filecache_destroy(files_of(c));
}

void unwind_cache_name(const struct binary *b, int debug_fd, char *name)
{
	char text[BUILD_ID_HEX_MAX];

	snprintf(name, FILECACHE_NAME_MAX, "%s-%016" PRIx64 ".v%u" SUFFIX,
		 build_id_format(binary_build_id(b), text), filecache_identity(b, &debug_fd, 1),
		 UNWIND_FILE_VERSION);
}

static uint64_t checksum_of(const struct failure_file *f)
{
	return hash_bytes(f, offsetof(struct failure_file, checksum));
}

/* Returns whether the file says that there is no table. */
static bool read_failure(int fd, struct unwind_failure *ret)
{
	struct failure_file f;

	if (pread(fd, &f, sizeof(f), 0) != (ssize_t)sizeof(f) ||
	    memcmp(f.magic, FAILURE_MAGIC, sizeof(f.magic)) || f.version != UNWIND_FILE_VERSION ||
	    f.checksum != checksum_of(&f) || !memchr(f.reason, 0, sizeof(f.reason)))
		return false;
	ret->failed = f.failed != 0;
	memcpy(ret->reason, f.reason, sizeof(ret->reason));
	return true;
}

int unwind_cache_open(struct unwind_cache *c, const char *name, struct unwind_file **ret,
		      struct unwind_failure *ret_failure)
{
	auto_close int fd = filecache_open(files_of(c), name);
	struct unwind_file *file = NULL;

	if (fd < 0)
		return fd;

	int error = unwind_file_open(fd, &file);

	if (error == -EBADMSG && read_failure(fd, ret_failure))
		error = 0;
	if (error == -EBADMSG)
		filecache_remove(files_of(c), name); /* it will be made again */
	if (error)
		return error;
	filecache_touch(fd);
	*ret = file;
	return 0;
}

int unwind_cache_store(struct unwind_cache *c, const char *name, int fd)
{
	return filecache_store(files_of(c), name, fd);
}

int unwind_cache_store_failure(struct unwind_cache *c, const char *name,
			       const struct unwind_failure *failure)
{
	auto_close int fd = memfd_create("hearth-unwind", MFD_CLOEXEC);
	struct failure_file f = {
		.magic = FAILURE_MAGIC,
		.version = UNWIND_FILE_VERSION,
		.failed = failure->failed,
	};

	if (fd < 0)
		return -errno;
	snprintf(f.reason, sizeof(f.reason), "%s", failure->reason);
	f.checksum = checksum_of(&f);
	if (write(fd, &f, sizeof(f)) != (ssize_t)sizeof(f))
		return -EIO;
	return filecache_store(files_of(c), name, fd);
}
