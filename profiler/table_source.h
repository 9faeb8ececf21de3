/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the unwind table of an executable comes from: the cache, or a worker that makes it, from the executable alone
 * or together with its separate debug file.
 *
 * Thread rule: any number of threads.
 */
#ifndef HEARTH_PROFILER_TABLE_SOURCE_H
#define HEARTH_PROFILER_TABLE_SOURCE_H

#include "profiler/table_ledger.h"
#include "symbolizer/symworkers.h"
#include "symbolizer/unwind_cache.h"

struct table_source {
	struct symworkers *workers; /* borrowed */
	struct unwind_cache *cache; /* borrowed; NULL = none */
	int stop_fd;		    /* readable = give up */
};

struct table_outcome {
	struct unwind_file *file; /* a reference; NULL = none */
	bool from_cache;
	uint64_t work_ns; /* wall time of workers */
	struct table_facts facts;
};

/**
 * Get the table of an executable. Takes as long as it takes.
 *
 * Files with few functions in .eh_frame, or none, get a second look together with their debug file: some C libraries
 * leave call frame information to it.
 *
 * @ret: drop `file` with unwind_file_unref(); `facts` are complete
 */
void table_source_get(const struct table_source *s, struct binary *binary,
		      struct table_outcome *ret);

#endif
