/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches on disk until they are sent: a directory of files, oldest first, within a byte budget.
 *
 *	spool/00000001762000000000000000-00000001.otlp.gz	start of the window in ns, a number
 *
 * Written under another name and renamed, so that a file is whole or not there; what was left by a process that died is
 * found again. When the budget is reached the oldest goes, and is counted.
 *
 * Thread rule: any thread may call everything but open and close.
 */
#ifndef HEARTH_SERVER_FLEET_SPOOL_H
#define HEARTH_SERVER_FLEET_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct spool;

struct spool_stats {
	uint64_t files, bytes; /* now */
	uint64_t limit_bytes;
	uint64_t dropped;	 /* batches that made room, since open */
	uint64_t oldest_wall_ns; /* 0 = empty */
};

/**
 * Use a directory, made if it is not there.
 *
 * @ret: on success owned by the caller, free with spool_close()
 *
 * Returns 0; -errno of making or reading it; -ENOMEM.
 */
int spool_open(const char *directory, uint64_t limit_bytes, struct spool **ret);

/** Free; NULL allowed. The files stay. */
void spool_close(struct spool *s);

/** Keep a batch. Returns 0; -EFBIG if it alone exceeds the budget; -errno of writing; -ENOMEM. */
int spool_put(struct spool *s, uint64_t wall_ns, const void *bytes, size_t length);

/**
 * Read the oldest batch; it stays until spool_remove().
 *
 * @ret_number: names it
 * @out: appended to
 *
 * Returns 0; -ENOENT if there is none; -errno of reading, after which it is gone.
 */
int spool_oldest(struct spool *s, uint64_t *ret_number, struct buffer *out);

/** Remove a batch that was sent. One that made room meanwhile is gone already. */
void spool_remove(struct spool *s, uint64_t number);

/** Figures as of now. */
void spool_stats(struct spool *s, struct spool_stats *ret);

#endif
