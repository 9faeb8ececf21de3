/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the code that a process's runtime makes while it runs, from what the runtime writes about it:
 *
 *	/tmp/perf-PID.map	as the process sees it: below its own root, with the pid that it has itself
 *	jit-PID.dump		a jitdump, which its writer maps executable so that it can be found
 *
 * Both are files of strangers: opened without following a link in the last place or waiting, taken only if they are regular
 * files of the process's own user or root, and read in bounded steps as they grow. Files stay open while their process
 * lives, so that its last samples have names too.
 *
 * Invariants: all processes together hold at most JIT_BYTES_MAX and JIT_PROCESSES_MAX open files; what is refused is counted.
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_JIT_NAMES_H
#define HEARTH_PROFILER_JIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/mapping.h"
#include "symbolizer/jitmap.h"

#define JIT_BYTES_MAX	  (32u << 20)
#define JIT_PROCESSES_MAX 128u
#define JIT_CHECK_NS	  (100ull * 1000 * 1000) /* how often a file is looked at for more */

/** Sums over all processes. */
struct jit_account {
	uint64_t files;	  /* open now */
	uint64_t bytes;	  /* held now */
	uint64_t ranges;  /* read since the start */
	uint64_t refused; /* files that were not taken, and ranges beyond the limits */
};

struct jit_names;

/** Whose names. */
struct jit_process {
	pid_t pid;
	const struct address_space *space; /* borrowed for the call */
};

/**
 * Name an address; looks for the files, or for more in them, if that may help.
 *
 * @names: of the process; made when it is NULL, free with jit_names_destroy()
 * @time_ns: of the sample, monotonic
 *
 * Returns what was found, borrowed until the next call; NULL = unknown.
 */
const struct jitmap_range *jit_names_find(struct jit_names **names, struct jit_account *account,
					  const struct jit_process *process, uint64_t addr,
					  uint64_t time_ns);

/** Name of a range that was found; borrowed like it. */
const char *jit_names_text(const struct jit_names *names, const struct jitmap_range *range);

/** Read what was written meanwhile, at most every JIT_CHECK_NS. NULL allowed. Returns whether addresses may have other names now. */
bool jit_names_refresh(struct jit_names *names);

/** Free; NULL allowed. */
void jit_names_destroy(struct jit_names *names);

#endif
