/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables on disk: DIR/<key>.v<format>.unw, where the key names the executable's build id and everything else
 * that the content depends on (filecache.h). What could not be made is kept too, with its reason, so that it is not
 * tried again until the file changes.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_CACHE_H
#define HEARTH_SYMBOLIZER_UNWIND_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbolizer/binary.h"
#include "symbolizer/filecache.h"
#include "symbolizer/unwind_file.h"

#define UNWIND_CACHE_DEFAULT_BYTES (256ull << 20)
#define UNWIND_REASON_BYTES	   160

struct unwind_cache;

/** Why there is no table. */
struct unwind_failure {
	bool failed; /* false: the file has no call frame information, which is no failure */
	char reason[UNWIND_REASON_BYTES]; /* one line for a person */
};

/**
 * Use a directory as cache; it is made (mode 0700) if its parent exists.
 *
 * @limit_bytes: 0 = UNWIND_CACHE_DEFAULT_BYTES
 * @ret: on success owned by the caller, free with unwind_cache_destroy()
 *
 * Returns 0; -ENOMEM; -errno of making, opening or writing to the directory.
 */
int unwind_cache_create(const char *dir, uint64_t limit_bytes, struct unwind_cache **ret);

/** Free; NULL allowed. The files stay. */
void unwind_cache_destroy(struct unwind_cache *c);

/**
 * The name under which the table of an executable is kept.
 *
 * @debug_fd: of the separate debug file that it is made with; -1 = none
 * @name: at least FILECACHE_NAME_MAX bytes
 */
void unwind_cache_name(const struct binary *b, int debug_fd, char *name);

/**
 * Open what is kept under a name, and mark it as used. Everything in it is checked; what is damaged is removed.
 *
 * @ret: on success a reference, drop with unwind_file_unref(); NULL if it is known that there is no table
 * @ret_failure: filled in then
 *
 * Returns 0; -ENOENT if nothing is known; -EBADMSG if it was damaged; -EIO; -ENOMEM.
 */
int unwind_cache_open(struct unwind_cache *c, const char *name, struct unwind_file **ret,
		      struct unwind_failure *ret_failure);

/** Store a copy of a table. @fd: borrowed; its position is not used. Returns as filecache_store() does. */
int unwind_cache_store(struct unwind_cache *c, const char *name, int fd);

/** Store that there is no table. Returns as filecache_store() does. */
int unwind_cache_store_failure(struct unwind_cache *c, const char *name,
			       const struct unwind_failure *failure);

#endif
