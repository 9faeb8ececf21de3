/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker processes as their parent sees them (symworker.h says what they do).
 *
 * One process of our own binary is started once and kept: it has a single thread, has been linked and initialized,
 * has its system call filter ready, and touches no foreign file. It forks a worker for each job, in a fraction of the
 * time that starting a program takes; the worker goes into its cage before it gets the job, and ends with it, so that
 * no hostile file ever meets the work on another one. Workers are children of this process, not of the one that
 * forks them: it can wait for them and knows how they ended. Nothing here forks a process that has threads.
 *
 * Thread rule: any thread may start workers; each worker has one owner. All of them die with the thread that started
 * the first one; if the process that forks them dies, the next start makes another.
 */
#ifndef HEARTH_SYMBOLIZER_SYMWORKERS_H
#define HEARTH_SYMBOLIZER_SYMWORKERS_H

#include <stdint.h>
#include <sys/types.h>

#include "symbolizer/sandbox.h"

struct symworkers;
struct symworker_message;

/** A running worker. */
struct symworker {
	pid_t pid;
	int socket; /* SOCK_SEQPACKET, to it */
};

/** How a job ended. */
enum symjob_end {
	SYMJOB_DONE,	/* the worker did what it could; see the report */
	SYMJOB_CRASHED, /* it died; see the signal */
	SYMJOB_TIMEOUT,
	SYMJOB_STOPPED, /* by the caller */
	SYMJOB_FAILED,	/* it could not be started; see the error */
};

/** What is done while a worker works. */
struct symworker_watch {
	uint64_t deadline_ns; /* monotonic: then it is killed */
	uint64_t
		patience_ns; /* monotonic: from then on at the lowest priority; 0 = leave it as it is */
	int stop_fd;	     /* readable = give up; -1 = none */
	/** A message of at least SYMWORKER_HEAD_BYTES. Returns 1 at the end of the job, 0 to go on, -errno for nonsense. */
	int (*take)(void *arg, struct symworker_message *message, size_t length);
	void *arg;
};

/**
 * Start the process that forks, without waiting for it.
 *
 * @path: executable that runs symworker_main(); copied; NULL = /proc/self/exe
 * @ret: owned by the caller, free with symworkers_destroy()
 *
 * Returns 0; -ENOMEM. What else goes wrong is reported by symworkers_start(), which tries again.
 */
int symworkers_create(const char *path, struct symworkers **ret);

/** End the process that forks, and its workers; NULL allowed. */
void symworkers_destroy(struct symworkers *w);

/**
 * Start a worker, which waits for its job.
 *
 * @ret: to be ended with symworker_watch()
 *
 * Returns 0; -errno; -EPROTO, -ETIMEDOUT if the process that forks does not answer.
 */
int symworkers_start(struct symworkers *w, const struct sandbox_limits *limits,
		     struct symworker *ret);

/**
 * Give a worker its job.
 *
 * @kind: SYMWORKER_JOB or SYMWORKER_TABLE
 * @fds: SYMWORKER_FILE_COUNT of them by enum symworker_file, -1 = not there; borrowed
 *
 * Returns 0; -errno if it is gone: symworker_abandon() it.
 */
int symworker_send_job(const struct symworker *worker, uint32_t kind, const int *fds);

/**
 * Serve a worker until its job is done or it has to go, then end it and close its socket.
 *
 * @ret_signal: for SYMJOB_CRASHED what killed it; 0 = it ended by itself
 *
 * Returns SYMJOB_DONE, _CRASHED, _TIMEOUT (also for too much CPU time) or _STOPPED.
 */
enum symjob_end symworker_watch(struct symworker *worker, const struct symworker_watch *watch,
				int *ret_signal);

/** End a worker that cannot be given its job. Returns and fills in what symworker_watch() does for one that died. */
enum symjob_end symworker_abandon(struct symworker *worker, int *ret_signal);

#endif
