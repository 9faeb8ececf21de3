/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the unwind table of an executable in a worker (symworkers.h), and outlives whatever happens in there.
 *
 * Thread rule: any number of jobs at a time, each on its own thread.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_JOB_H
#define HEARTH_SYMBOLIZER_UNWIND_JOB_H

#include <stdint.h>

#include "symbolizer/symworkers.h"
#include "symbolizer/unwind_cache.h"
#include "symbolizer/unwind_file.h"

#define UNWIND_JOB_MEMORY_BYTES (1ull << 30)
#define UNWIND_JOB_FILE_BYTES	(256ull << 20)
#define UNWIND_JOB_CPU_SECONDS	10

struct unwind_job {
	struct symworkers *workers; /* borrowed */
	int elf_fd;		    /* borrowed, and so are the next two */
	int debug_fd;		    /* its separate debug file; -1 = none */
	int stop_fd;		    /* readable = give up; -1 = none */
	uint64_t timeout_ns;	    /* wall clock */
	uint64_t patience_ns;	    /* after which it goes on at the lowest priority */
};

struct unwind_job_result {
	enum symjob_end end;
	int error; /* SYMJOB_DONE: 0, or what unwind_table_build() says; SYMJOB_FAILED: why it was not started */
	int signal;		  /* SYMJOB_CRASHED: what killed it; 0 = it ended by itself */
	struct unwind_file *file; /* a reference; NULL = none */
	int fd;			  /* memfd with that file, owned by the caller; -1 = none */
};

/** Run a job to its end. @ret: release `file`, close `fd`. */
void unwind_job_run(const struct unwind_job *job, struct unwind_job_result *ret);

/**
 * Say why a result has no file.
 *
 * Returns whether that will be so again for the same file: then it need not be tried again.
 */
bool unwind_job_explain(const struct unwind_job_result *result, struct unwind_failure *ret);

#endif
