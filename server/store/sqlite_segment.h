/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of the catalog by itself: its name, its size, and what its file says that it holds.
 *
 * Thread rule: one owner, until it is in the catalog.
 */
#ifndef HEARTH_SERVER_STORE_SQLITE_SEGMENT_H
#define HEARTH_SERVER_STORE_SQLITE_SEGMENT_H

#include "server/store/sqlite_internal.h"

#define SQLITE_SEGMENT_SUFFIX ".db"

/** What a file takes of the disk; 0 if it is not there. */
uint64_t sqlite_file_bytes(const char *path);

/** Make a segment with one reference; its file is not looked at. Returns 0; -ENOMEM. */
int sqlite_segment_new(struct store_sqlite *s, enum tier tier, uint64_t start_ns, uint32_t serial,
		       struct segment **ret);

/** Free, whatever references there are. */
void sqlite_segment_free(struct segment *segment);

/** Read from a file what the segment holds. Returns as segment_reader_open(). */
int sqlite_segment_load(struct segment *segment, const char *path);

#endif
