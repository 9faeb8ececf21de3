/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the embedded store: a directory of segments in four tiers.
 *
 *	history/lock				held by the one process that uses the directory
 *	history/10s-20260501T120000Z-00.db	every sample with its time, a file per hour
 *	history/5m-20260501T000000Z-00.db	sums of 5 minutes, a file per day
 *	history/1h-...  history/1d-...		sums of an hour and of a day, a file per 30 and 360 days
 *	history/NAME.damaged			set aside: could not be read
 *
 * A file holds only samples of its own span, and starts anew (-01, -02, ...) when it or its dictionary grows large,
 * so that there is always something to let go of. The sums of a slot are made from the tier below when the slot
 * has passed; both stay, until the budget takes the finer one first.
 *
 * Locks, in this order: append_lock or merge_lock (who writes), segment lock (who reads that segment), lock
 * (catalog and figures). Nothing waits for the disk with `lock` held, but for letting go of files.
 */
#ifndef HEARTH_SERVER_STORE_SQLITE_INTERNAL_H
#define HEARTH_SERVER_STORE_SQLITE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "server/store/segment_reader.h"
#include "server/store/segment_writer.h"
#include "server/store/store.h"

enum tier {
	TIER_DETAIL,
	TIER_5M,
	TIER_1H,
	TIER_1D,
	TIER_COUNT,
};

struct tier_rule {
	const char *name;
	uint64_t slot_ns; /* what one row of the tier sums up; detail: 0 */
	uint64_t file_ns; /* span of a file */
	uint32_t parts;	  /* of a slot, over which a sum is spread where its times are asked for */
};

extern const struct tier_rule tier_rules[TIER_COUNT];

#define SQLITE_NEW_SUFFIX	   ".new" /* of a file being sealed, behind the name it will have */
#define SQLITE_SEAL_OVERHEAD_BYTES (128u << 10)

#define SQLITE_READERS_MAX	   16 /* a range of 30 days touches a dozen files */
#define SQLITE_READER_BYTES_MAX	   (32u << 20)

/** A segment in the catalog. */
struct segment {
	/* Immutable: */
	enum tier tier;
	uint64_t start_ns; /* of its span */
	uint32_t serial;   /* among the files of its span */
	char *path;	   /* owned */

	/* Guarded by the store's lock: */
	uint32_t references; /* the catalog's and those of scans */
	bool gone;	     /* no longer in the catalog */
	uint64_t bytes;
	struct segment_row *rows; /* owned; in the order of their start */
	size_t row_count, row_capacity;
	uint32_t hidden_count; /* rows whose window is still in the queue */
	bool sealed;	       /* it gets no more windows, and was written anew or is being */
	uint64_t used;	       /* when a scan used it last, in scans */
	size_t reader_bytes;

	/* Guarded by its own lock: */
	pthread_mutex_t reader_lock;
	struct segment_reader *reader; /* NULL while nobody reads it */
	uint32_t readings;	       /* scans that are in the middle of it */
};

struct segment_list {
	struct segment **items; /* by start and serial */
	size_t count, capacity;
};

/** What a tier is written with. */
struct tier_writer {
	struct store_sqlite *store;
	enum tier tier;
	struct segment_writer *writer; /* NULL = none is open; guarded by the tier's writer lock */
	struct segment
		*segment; /* what it writes, a reference; changed with the store's lock held */
};

/** A file that could not be read, renamed. */
struct set_aside {
	char *path; /* owned */
	uint64_t bytes;
};

struct store_sqlite {
	struct store base;
	/* Immutable: */
	char *directory;
	int lock_fd;
	uint64_t limit_bytes;
	uint64_t retention_ns;
	uint64_t segment_bytes; /* a file ends when it has grown to this */

	pthread_mutex_t append_lock; /* writers[TIER_DETAIL], the queue's tail */
	pthread_mutex_t merge_lock;  /* the other writers */
	struct tier_writer writers[TIER_COUNT];

	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct segment_list tiers[TIER_COUNT];
	struct set_aside *aside;
	size_t aside_count, aside_capacity;
	uint64_t foreign_bytes;	 /* files of other versions of Hearth, left alone */
	uint64_t promised_bytes; /* room that writes under way may take */
	uint64_t scans;
	struct window **pending; /* taken but not written yet, oldest first; a reference each */
	size_t pending_count, pending_capacity;
	size_t pending_bytes;
	bool writing_first;	     /* the first of them is being written */
	uint64_t pending_written_ns; /* the first of them is written up to here */
	struct store_stats stats;
	uint64_t summed_ns[TIER_COUNT]; /* sums of the tier are made, or being made, up to here */
	uint64_t appended_ns;		/* monotonic: when the last window was taken */
	uint64_t newest_ns;		/* end of the newest window taken */
	bool failing;			/* the last write failed */
	bool write_behind;		/* immutable: the background thread writes what was taken */
	bool uses_given_time; /* immutable: time passes as windows say, not by the clock */

	pthread_t thread;
	pthread_cond_t wake; /* with lock */
	bool has_thread;
	bool stopping; /* guarded by lock */
};

/* sqlite_append.c */

/** Write the part of a window that lies in a tier's file of @span. With the lock of the tier's writer held. */
int sqlite_write(struct store_sqlite *s, enum tier tier, const struct window *w,
		 const struct segment_span *span);

/** Close a tier's writer. With the lock of the tier's writer held. */
void sqlite_close_writer(struct store_sqlite *s, enum tier tier);

/** Write what is in the queue. Returns 0; -errno. */
int sqlite_write_pending(struct store_sqlite *s);

/** See store_append(). */
int sqlite_append(struct store *store, struct window *w);

/* sqlite_scan.c */

/** See store_scan(). */
int sqlite_scan(struct store *store, const struct store_scan *scan, store_visit_fn visit,
		void *arg);

/** Close what was read the longest time ago until at most so many segments are open. Takes locks. */
void sqlite_close_readers(struct store_sqlite *s, size_t most, size_t most_bytes);

/* sqlite_merge.c */

/** Up to where the tiers have sums, as found on disk. With the lock held. */
void sqlite_merge_init(struct store_sqlite *s);

/**
 * Add a late window to the sums that were made without it.
 *
 * @summed_ns: up to where each tier had sums when the window came
 *
 * Returns 0; -errno of writing.
 */
int sqlite_merge_late(struct store_sqlite *s, const struct window *w,
		      const uint64_t summed_ns[TIER_COUNT]);

/** Make the sums of all slots that have passed. Returns 0; -errno of the first failure. */
int sqlite_merge(struct store_sqlite *s);

/** Everything before this moment is on disk and not expected to change. With the lock held. */
uint64_t sqlite_settled_ns(const struct store_sqlite *s);

/* sqlite_seal.c */

/** Seal what has passed. Returns 0; -ENOSPC or -ECANCELED if not everything could be. */
int sqlite_seal(struct store_sqlite *s);

#endif
