/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes unwind tables in the background, one at a time, each in a child process: files are foreign, may be damaged
 * and may be truncated while they are read. A child has limits on memory, time and output; whatever happens to it,
 * the executable then counts as one without a table.
 *
 * Thread rule: one owner calls everything but table_builder_facts(); the work runs on a thread of its own.
 */
#ifndef HEARTH_PROFILER_TABLE_BUILDER_H
#define HEARTH_PROFILER_TABLE_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/table_ledger.h"
#include "symbolizer/binary.h"
#include "symbolizer/unwind_file.h"

struct table_builder;

/** A table that is done. */
struct table_done {
	uint32_t exe;		  /* number given with the wish */
	struct unwind_file *file; /* a reference, the taker's; NULL = there is none */
};

struct table_builder_stats {
	uint64_t built;
	uint64_t without;  /* executables without call frame information */
	uint64_t failed;   /* children that crashed or hit a limit */
	uint64_t build_ns; /* wall time of all children */
};

/** What is known about the table of an executable: see table_ledger_get(). Any thread. */
int table_builder_facts(struct table_builder *t, const struct build_id *id,
			struct table_facts *ret);

/** Start the thread. @ret: owned by the caller, free with table_builder_destroy(). Returns 0; -ENOMEM; -errno. */
int table_builder_create(struct table_builder **ret);

/** Stop the thread and free everything; NULL allowed. */
void table_builder_destroy(struct table_builder *t);

/** Wish for the table of @binary, which has a file. Keeps a reference until it is done. Returns 0; -ENOMEM. */
int table_builder_want(struct table_builder *t, struct binary *binary, uint32_t exe);

/** Take a table that is done. Returns whether there was one. */
bool table_builder_take(struct table_builder *t, struct table_done *ret);

/** Wait until a table is done, at most until @deadline_ns (monotonic). Returns whether one is. */
bool table_builder_wait(struct table_builder *t, uint64_t deadline_ns);

/** Counters. */
void table_builder_stats(struct table_builder *t, struct table_builder_stats *ret);

#endif
