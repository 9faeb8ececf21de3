/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symworker.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "symbolizer/fdpass.h"
#include "symbolizer/sandbox.h"

#define OUTPUT_BYTES_MAX (1ull << 30)

/* A job as received. */
struct job {
	int fds[SYMWORKER_FILE_COUNT]; /* -1 = not there */
	struct sandbox_limits limits;
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
	if (count < (ssize_t)SYMWORKER_HEAD_BYTES || message.kind != SYMWORKER_JOB)
		return -EBADMSG;
	for (size_t i = 0; i < SYMWORKER_FILE_COUNT; i++) {
		bool passed = message.files & (1u << i);

		if (passed && next == fd_count)
			return -EBADMSG;
		job->fds[i] = passed ? fds[next++] : -1;
	}
	job->limits = (struct sandbox_limits){
		.memory_bytes = message.memory_bytes,
		.file_bytes = OUTPUT_BYTES_MAX,
		.cpu_seconds = message.cpu_seconds,
		.background = message.background,
	};
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

int symworker_main(int argc, char **argv)
{
	struct job job;

	(void)argc;
	(void)argv;

	int err = receive_job(&job);

	if (!err)
		err = sandbox_enter(&job.limits);
	if (!err)
		err = build(&job, true);
	if (!err)
		err = build(&job, false);
	_exit(err ? EXIT_FAILURE
		  : EXIT_SUCCESS); /* nothing to flush; the memory goes faster this way */
}
