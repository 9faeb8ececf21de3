/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbol files on disk: DIR/<key>.v<format>.sym, where the key names the binary's build id and everything else that
 * the content depends on. Kept as filecache.h says.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SYMBOLIZER_SYMCACHE_H
#define HEARTH_SYMBOLIZER_SYMCACHE_H

#include "symbolizer/binary.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/filecache.h"
#include "symbolizer/symfile.h"

#define SYMCACHE_NAME_MAX      FILECACHE_NAME_MAX
#define SYMCACHE_DEFAULT_BYTES (512ull << 20)

struct symcache;

/**
 * Use a directory as cache; it is made (mode 0700) if its parent exists.
 *
 * @limit_bytes: 0 = SYMCACHE_DEFAULT_BYTES
 * @ret: on success owned by the caller, free with symcache_destroy()
 *
 * Returns 0; -ENOMEM; -errno of making, opening or writing to the directory.
 */
int symcache_create(const char *dir, uint64_t limit_bytes, struct symcache **ret);

/** Free; NULL allowed. The files stay. */
void symcache_destroy(struct symcache *c);

/**
 * The name under which a binary's symbol file is kept: made of its build id, its size, and the identities (device,
 * inode, size, modification time) of the debug files it is made with; of a binary without build id also its own.
 *
 * @name: at least SYMCACHE_NAME_MAX bytes
 */
void symcache_name(const struct binary *b, const struct debugfiles *files, char *name);

/**
 * Open a file and mark it as used. A damaged one is removed.
 *
 * @ret: on success a reference, drop with symfile_unref()
 *
 * Returns 0; -ENOENT if there is none; -EBADMSG if it was damaged; -EIO; -ENOMEM.
 */
int symcache_open(struct symcache *c, const char *name, struct symfile **ret);

/**
 * Store a copy of a symbol file, then remove old files beyond the limit.
 *
 * @fd: the file, borrowed; its position is not used
 *
 * Returns 0; -EFBIG if it alone exceeds the limit; -errno of writing: nothing is stored.
 */
int symcache_store(struct symcache *c, const char *name, int fd);

#endif
