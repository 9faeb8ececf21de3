/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog of segments and the budget that holds for them. What is in memory is what is in the directory.
 *
 * Thread rule: any thread; the lock is the store's.
 */
#ifndef HEARTH_SERVER_STORE_SQLITE_CATALOG_H
#define HEARTH_SERVER_STORE_SQLITE_CATALOG_H

#include "server/store/sqlite_internal.h"

/** Read the directory. Returns 0; -errno. */
int sqlite_catalog_load(struct store_sqlite *s);

/** Free the catalog; files stay. */
void sqlite_catalog_release(struct store_sqlite *s);

/**
 * The segment that a tier writes at a moment: the newest of its span, or one more if that is too large.
 *
 * @fresh: true = not one that is there
 * @ret: on success a reference, drop with sqlite_segment_unref()
 *
 * Returns 0; -ENOMEM. Takes the lock.
 */
int sqlite_catalog_take(struct store_sqlite *s, enum tier tier, uint64_t time_ns, bool fresh,
			struct segment **ret);

/** Look how large a segment's file has become and give back what was promised for that. Takes the lock. */
void sqlite_catalog_settle(struct store_sqlite *s, struct segment *segment,
			   uint64_t promised_bytes);

/**
 * Note a block that was written. Takes the lock.
 *
 * @row: hidden as long as its window is still in the queue
 */
void sqlite_catalog_add_row(struct store_sqlite *s, struct segment *segment,
			    const struct segment_row *row);

/** Show all hidden rows. With the lock held. */
void sqlite_catalog_show_rows(struct store_sqlite *s);

/**
 * Put another file with the same content in a segment's place, as a segment of its own.
 *
 * @segment: who has a reference goes on with the old file, if its reader is open
 *
 * Returns 0; -ENOENT if the segment was let go of meanwhile; -errno of reading or renaming the file; -ENOMEM. Takes
 * the lock.
 */
int sqlite_catalog_replace(struct store_sqlite *s, struct segment *segment, const char *new_path);

/** Set a segment aside because of an error of reading it. Takes the lock. */
void sqlite_catalog_set_aside(struct store_sqlite *s, struct segment *segment, int err);

/** Remove a segment from the catalog and its file from the disk. With the lock held. */
void sqlite_catalog_drop(struct store_sqlite *s, enum tier tier, size_t index);

/** Drop a reference. Takes the lock. */
void sqlite_segment_unref(struct store_sqlite *s, struct segment *segment);

/** Bytes of all files. With the lock held. */
uint64_t sqlite_catalog_bytes(const struct store_sqlite *s);

/**
 * Make room for a write and promise it.
 *
 * Returns 0; -ENOSPC if everything that may be let go of is not enough. Takes the lock.
 */
int sqlite_budget_reserve(struct store_sqlite *s, uint64_t bytes);

/** Let go of what is older than the retention. Takes the lock. */
void sqlite_budget_expire(struct store_sqlite *s);

#endif
