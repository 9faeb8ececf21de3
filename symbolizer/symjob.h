/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the symbol files of a binary in a worker (symworkers.h), and outlives whatever happens in there.
 *
 * Thread rule: any number of jobs at a time, each on its own thread.
 */
#ifndef HEARTH_SYMBOLIZER_SYMJOB_H
#define HEARTH_SYMBOLIZER_SYMJOB_H

#include <stdbool.h>
#include <stdint.h>

#include "symbolizer/binary.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/symbuild.h"
#include "symbolizer/symfile.h"
#include "symbolizer/symworkers.h"

#define SYMJOB_MEMORY_BYTES (960ull << 20)

struct symjob_result {
	enum symjob_end end;
	int error;	 /* SYMJOB_FAILED: -errno */
	int signal;	 /* SYMJOB_CRASHED: what killed it; 0 = it ended by itself */
	bool quick_done; /* the report of the quick file is there */
	struct symbuild_report quick_report;
	struct symbuild_report report; /* SYMJOB_DONE */
	struct symfile *quick;	       /* a reference; NULL = none */
	struct symfile *full;	       /* idem */
	int full_fd; /* memfd with the full file, owned by the caller; -1 = none */
};

struct symjob {
	struct binary *binary;		/* borrowed */
	const struct debugfiles *files; /* borrowed */
	struct symworkers *workers;	/* borrowed */
	uint32_t cpu_seconds;		/* CPU time the worker may use */
	uint64_t
		timeout_ns; /* wall clock, for all of it: on a busy machine CPU time takes its while */
	bool background;
	bool quick_only; /* the quick file counts as the full one: it is `full` in the result */
	int stop_fd;	 /* readable = give up; -1 = none */
	/** Told as soon as the quick file is there; takes over that reference; NULL allowed. */
	void (*on_quick)(void *context, struct symfile *quick,
			 const struct symbuild_report *report);
	void *context;
};

/** Run a job to its end. @ret: release `quick` and `full`, close `full_fd`. */
void symjob_run(const struct symjob *job, struct symjob_result *ret);

#endif
