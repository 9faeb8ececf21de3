/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that must not hold an HTTP thread: queries, which take a while, and requests that wait for a moment in
 * the future. A few worker threads do it; both queues are bounded.
 *
 * The owner of a job suspends its connection before it submits, and gets the job back exactly once: through `run`
 * when it is due, or through `give_up` when the client has gone or the scheduler stops.
 *
 * Thread rule: any thread may submit; create, stop and destroy by one.
 */
#ifndef HEARTH_SERVER_HTTP_SCHEDULER_H
#define HEARTH_SERVER_HTTP_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

struct scheduler;

/** Embedded in what is scheduled. */
struct job {
	uint64_t due_ns; /* monotonic; 0 = as soon as possible */
	int fd;		 /* connection that is watched for its end while the job waits; -1 = none */
	struct job *next;
};

enum give_up_reason {
	GIVE_UP_GONE,	  /* the client closed its connection */
	GIVE_UP_STOPPING, /* the server stops */
};

struct scheduler_options {
	unsigned int workers;	  /* threads; 0 = 2 */
	unsigned int ready_limit; /* jobs that queue for a worker; 0 = 64 */
	unsigned int wait_limit;  /* jobs that wait for their time; 0 = 64 */
	void (*run)(struct job *job, void *arg);
	void (*give_up)(struct job *job, enum give_up_reason reason, void *arg);
	void *arg;
};

/** Start the workers. @ret: owned by the caller, free with scheduler_destroy(). Returns 0; -ENOMEM; -EAGAIN. */
int scheduler_create(const struct scheduler_options *options, struct scheduler **ret);

/**
 * Take a job.
 *
 * Returns 0; -EBUSY if too many are ready; -EAGAIN if too many wait; -ESHUTDOWN after stop. On failure the job
 * stays the caller's.
 */
int scheduler_submit(struct scheduler *s, struct job *job);

/** Whether the client of a job closed its connection; false for a job without one. */
bool scheduler_has_gone(const struct job *job);

/** Give up all that is queued, let what runs finish, and end the workers. */
void scheduler_stop(struct scheduler *s);

/** Stop and free; NULL allowed. */
void scheduler_destroy(struct scheduler *s);

/** Jobs that wait for their time now. */
unsigned int scheduler_waiting(struct scheduler *s);

/** Jobs that are queued or run now. */
unsigned int scheduler_active(struct scheduler *s);

#endif
