/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of files that can be made again, such as symbol files and unwind tables. Written under another name and
 * renamed, so that a file is whole or not there. Kept below a number of bytes by removing what was used longest ago; a
 * file's modification time is when it was used last. A file that is removed lives on for those who have it mapped.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SYMBOLIZER_FILECACHE_H
#define HEARTH_SYMBOLIZER_FILECACHE_H

#include <stddef.h>
#include <stdint.h>

#include "symbolizer/binary.h"

#define FILECACHE_NAME_MAX 224
#define FILECACHE_FDS_MAX  3

struct filecache;

/**
 * Use a directory as cache; it is made (mode 0700) if its parent exists.
 *
 * @suffix: of all names, such as ".sym"; other files in the directory are left alone
 * @limit_bytes: of disk space
 * @ret: on success owned by the caller, free with filecache_destroy()
 *
 * Returns 0; -ENOMEM; -errno of making, opening or writing to the directory.
 */
int filecache_create(const char *dir, const char *suffix, uint64_t limit_bytes,
		     struct filecache **ret);

/** Free; NULL allowed. The files stay. */
void filecache_destroy(struct filecache *c);

/**
 * A number for what a file made of a binary depends on beside its build id: the binary's size, of one without build id
 * also its identity (device, inode, modification time), and the identities of further files.
 *
 * @fds: @count descriptors, at most FILECACHE_FDS_MAX; -1 = there is no such file
 */
uint64_t filecache_identity(const struct binary *b, const int *fds, size_t count);

/** Open a file for reading. Returns a descriptor, owned by the caller; -ENOENT if there is none; -EIO. */
int filecache_open(struct filecache *c, const char *name);

/** Mark an open file as used now. */
void filecache_touch(int fd);

/** Remove a file, if it is there. */
void filecache_remove(struct filecache *c, const char *name);

/**
 * Store a copy of a file, then remove old files beyond the limit.
 *
 * @name: shorter than FILECACHE_NAME_MAX, with the suffix
 * @fd: the file, borrowed; its position is not used
 *
 * Returns 0; -EFBIG if it alone exceeds the limit; -errno of writing: nothing is stored.
 */
int filecache_store(struct filecache *c, const char *name, int fd);

#endif
