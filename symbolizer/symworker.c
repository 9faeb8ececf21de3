/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symworker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "symbolizer/fdpass.h"
#include "symbolizer/unwind_table.h"

/* A job as received. */
struct job {
	uint32_t kind;		       /* SYMWORKER_JOB or SYMWORKER_TABLE */
	int fds[SYMWORKER_FILE_COUNT]; /* -1 = not there */
};

static int receive_job(struct job *job)
{
	struct symworker_message message;
	int fds[FDPASS_MAX];
	size_t fd_count, next = 0;
	ssize_t count =
		fdpass_receive(SYMWORKER_SOCKET_FD, &message, sizeof(message), fds, &fd_count);

	if (count < 0)
		return (int)count;
	if (count < (ssize_t)SYMWORKER_HEAD_BYTES ||
	    (message.kind != SYMWORKER_JOB && message.kind != SYMWORKER_TABLE))
		return -EBADMSG;
	job->kind = message.kind;
	for (size_t i = 0; i < SYMWORKER_FILE_COUNT; i++) {
		bool passed = message.files & (1u << i);

		if (passed && next == fd_count)
			return -EBADMSG;
		job->fds[i] = passed ? fds[next++] : -1;
	}
	return 0;
}

/* Asks the parent for a .dwo file. */
static int request_split(void *context, const char *directory, const char *name, uint64_t dwo_id)
{
	struct symworker_message message;
	size_t directory_bytes = directory ? strlen(directory) + 1 : 0;
	size_t name_bytes = strlen(name) + 1;
	int fds[FDPASS_MAX];
	size_t fd_count;

	(void)context;
	if (directory_bytes + name_bytes > sizeof(message.text))
		return -1;
	message = (struct symworker_message){
		.kind = SYMWORKER_SPLIT,
		.directory_length = directory ? (uint32_t)directory_bytes - 1 : UINT32_MAX,
		.dwo_id = dwo_id,
	};
	if (directory)
		memcpy(message.text, directory, directory_bytes);
	memcpy(message.text + directory_bytes, name, name_bytes);
	if (fdpass_send(SYMWORKER_SOCKET_FD, &message,
			SYMWORKER_HEAD_BYTES + directory_bytes + name_bytes, NULL, 0))
		return -1;
	if (fdpass_receive(SYMWORKER_SOCKET_FD, &message, sizeof(message), fds, &fd_count) <
		    (ssize_t)SYMWORKER_HEAD_BYTES ||
	    message.kind != SYMWORKER_FILE)
		return -1;
	return fd_count ? fds[0] : -1;
}

static int build(const struct job *job, bool quick)
{
	struct symworker_message done = {.kind = SYMWORKER_DONE, .quick = quick};
	struct symbuild_input input = {
		.elf_fd = job->fds[SYMWORKER_ELF],
		.debug_fd = job->fds[SYMWORKER_DEBUG],
		.alt_fd = job->fds[SYMWORKER_ALT],
		.dwp_fd = job->fds[SYMWORKER_DWP],
		.quick = quick,
		.split = request_split,
	};
	int out = job->fds[quick ? SYMWORKER_QUICK_OUT : SYMWORKER_FULL_OUT];

	if (out < 0)
		return 0;
	(void)symbuild(&input, out, &done.report); /* the report says it */
	return fdpass_send(SYMWORKER_SOCKET_FD, &done, SYMWORKER_HEAD_BYTES, NULL, 0);
}

static int build_table(const struct job *job)
{
	struct symworker_message done = {.kind = SYMWORKER_DONE};
	struct unwind_file *f;
	struct timespec cpu;

	done.error = unwind_table_build(job->fds[SYMWORKER_ELF], job->fds[SYMWORKER_DEBUG], &f);
	if (!done.error) {
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu); /* cannot fail */
		done.error =
			unwind_file_write(f, (uint32_t)(cpu.tv_sec * 1000000 + cpu.tv_nsec / 1000),
					  job->fds[SYMWORKER_FULL_OUT]);
	}
	return fdpass_send(SYMWORKER_SOCKET_FD, &done, SYMWORKER_HEAD_BYTES, NULL, 0);
}

/* A worker's whole life. @socket: its own, to the daemon. */
static _Noreturn void work(const struct sandbox *sandbox, const struct sandbox_limits *limits,
			   int socket)
{
	struct job job;
	/* In place of the one to the process that forks: this one has no way to it any more. */
	int err = dup2(socket, SYMWORKER_SOCKET_FD) < 0 || close(socket) ? -errno : 0;

	if (!err)
		err = sandbox_enter(sandbox, limits);
	if (!err)
		err = receive_job(&job);
	if (!err && job.kind == SYMWORKER_TABLE)
		err = build_table(&job);
	else if (!err)
		err = build(&job, true);
	if (!err && job.kind == SYMWORKER_JOB)
		err = build(&job, false);
	_exit(err ? EXIT_FAILURE
		  : EXIT_SUCCESS); /* nothing to flush; the memory goes faster this way */
}

/* Forks a worker when asked to. Returns 0; -errno when there is nobody left to ask. */
static int serve(const struct sandbox *sandbox)
{
	struct symworker_message message;
	int fds[FDPASS_MAX];
	size_t fd_count;
	ssize_t count =
		fdpass_receive(SYMWORKER_SOCKET_FD, &message, sizeof(message), fds, &fd_count);

	if (count < (ssize_t)SYMWORKER_HEAD_BYTES || message.kind != SYMWORKER_FORK ||
	    fd_count != 1)
		return -EPIPE;

	/*
	 * The C library has no function for CLONE_PARENT. What its fork() would do besides matters with several
	 * threads, but for its idea of this thread's number, which only raise(3) uses: abort(3) ends with SIGSEGV.
	 */
	long pid = syscall(SYS_clone, CLONE_PARENT, NULL, NULL, NULL, NULL);

	if (!pid)
		work(sandbox, &message.limits, fds[0]);

	struct symworker_message forked = {
		.kind = SYMWORKER_FORKED, .pid = (int32_t)pid, .error = pid < 0 ? -errno : 0};

	(void)close(fds[0]); /* the worker's */
	return fdpass_send(SYMWORKER_SOCKET_FD, &forked, SYMWORKER_HEAD_BYTES, NULL, 0);
}

int symworker_main(int argc, char **argv)
{
	struct sandbox *sandbox;

	(void)argc;
	(void)argv;
	(void)prctl(PR_SET_NAME, "hearth-worker"); /* it was started as /proc/self/exe */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);	   /* it ends with its socket as well */
	(void)prctl(PR_SET_DUMPABLE, 0);	   /* less to steal; it works without */

	int err = sandbox_create(&sandbox);

	while (!err)
		err = serve(sandbox);
	_exit(EXIT_SUCCESS);
}
