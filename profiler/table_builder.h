/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets unwind tables in the background: from the cache on disk, or made by a worker process (symworkers.h), because
 * files are foreign, may be damaged and may be truncated while they are read. Whatever happens to a worker, the
 * executable then counts as one without a table, and is not tried again until its file changes.
 *
 * Thread rule: one owner calls everything but table_builder_facts(); the work runs on threads of its own.
 */
#ifndef HEARTH_PROFILER_TABLE_BUILDER_H
#define HEARTH_PROFILER_TABLE_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/table_ledger.h"
#include "symbolizer/binary.h"
#include "symbolizer/symworkers.h"
#include "symbolizer/unwind_file.h"

struct table_builder;

struct table_builder_options {
	struct symworkers *workers; /* borrowed; NULL = its own */
	const char *
		cache_dir; /* where tables are kept; NULL, or one that cannot be used = in memory only */
	uint64_t cache_limit_bytes; /* 0 = UNWIND_CACHE_DEFAULT_BYTES */
};

/** A table that is done. */
struct table_done {
	uint32_t exe;		  /* number given with the wish */
	struct unwind_file *file; /* a reference, the taker's; NULL = there is none */
};

struct table_builder_stats {
	uint64_t built;	     /* by workers */
	uint64_t from_cache; /* tables, and failures */
	uint64_t without;    /* executables without call frame information */
	uint64_t
		failed; /* workers that crashed or hit a limit, now or when it was noted in the cache */
	uint64_t build_ns; /* wall time of all workers */
};

/** Start the threads. @ret: owned by the caller, free with table_builder_destroy(). Returns 0; -ENOMEM; -errno. */
int table_builder_create(const struct table_builder_options *options, struct table_builder **ret);

/** Stop the threads and free everything; NULL allowed. */
void table_builder_destroy(struct table_builder *t);

/** Wish for the table of @binary, which has a file. Keeps a reference until it is done. Returns 0; -ENOMEM. */
int table_builder_want(struct table_builder *t, struct binary *binary, uint32_t exe);

/** Take a table that is done. Returns whether there was one. */
bool table_builder_take(struct table_builder *t, struct table_done *ret);

/** Wait until a table is done, at most until @deadline_ns (monotonic). Returns whether one is. */
bool table_builder_wait(struct table_builder *t, uint64_t deadline_ns);

/** What is known about the table of an executable: see table_ledger_get(). Any thread. */
int table_builder_facts(struct table_builder *t, const struct build_id *id,
			struct table_facts *ret);

/** Counters. */
void table_builder_stats(struct table_builder *t, struct table_builder_stats *ret);

#endif
