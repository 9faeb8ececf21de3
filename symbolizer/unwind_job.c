/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/symworker.h"
#include "symbolizer/unwind_table.h"

static int take_message(void *arg, struct symworker_message *message, size_t length)
{
	struct unwind_job_result *r = arg;

	(void)length;
	if (message->kind != SYMWORKER_DONE || message->error > 0)
		return -EBADMSG;
	r->error = message->error;
	return 1;
}

/* Takes the result over: sealed, so that the worker can write no more, then checked like any file of unknown origin. */
static void take_file(int out, struct unwind_job_result *r)
{
	if (fcntl(out, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		r->error = -errno;
	else
		r->error = unwind_file_open(out, &r->file);
	if (!r->error)
		r->fd = out;
}

void unwind_job_run(const struct unwind_job *job, struct unwind_job_result *ret)
{
	auto_close int out = memfd_create("hearth-unwind", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t now_ns = clock_now_ns();
	struct symworker worker;
	const struct sandbox_limits limits = {
		.memory_bytes = UNWIND_JOB_MEMORY_BYTES,
		.file_bytes = UNWIND_JOB_FILE_BYTES,
		.cpu_seconds = UNWIND_JOB_CPU_SECONDS,
	};
	const struct symworker_watch watch = {
		.deadline_ns = now_ns + job->timeout_ns,
		.patience_ns = now_ns + job->patience_ns,
		.stop_fd = job->stop_fd,
		.take = take_message,
		.arg = ret,
	};
	const int fds[SYMWORKER_FILE_COUNT] = {
		[SYMWORKER_ELF] = job->elf_fd, [SYMWORKER_DEBUG] = job->debug_fd,
		[SYMWORKER_ALT] = -1,	       [SYMWORKER_DWP] = -1,
		[SYMWORKER_QUICK_OUT] = -1,    [SYMWORKER_FULL_OUT] = out,
	};

	*ret = (struct unwind_job_result){.end = SYMJOB_FAILED, .fd = -1};
	if (out < 0) {
		ret->error = -errno;
		return;
	}
	ret->error = symworkers_start(job->workers, &limits, &worker);
	if (ret->error)
		return;
	if (symworker_send_job(&worker, SYMWORKER_TABLE, fds))
		ret->end = symworker_abandon(&worker, &ret->signal);
	else
		ret->end = symworker_watch(&worker, &watch, &ret->signal);
	if (ret->end != SYMJOB_DONE || ret->error)
		return;
	take_file(out, ret);
	if (ret->fd >= 0)
		(void)take_fd(out);
}

bool unwind_job_explain(const struct unwind_job_result *result, struct unwind_failure *ret)
{
	char *text = ret->reason;
	size_t size = sizeof(ret->reason);

	ret->failed = true;
	switch (result->end) {
	case SYMJOB_DONE:
		ret->failed = result->error != -ENODATA && result->error != -ENOEXEC &&
			      result->error != -ENOTSUP;
		snprintf(text, size, "%s", unwind_table_explain(result->error));
		return true;
	case SYMJOB_CRASHED:
		if (result->signal)
			snprintf(text, size, "reading it crashed the worker: %s",
				 strsignal(result->signal));
		else
			snprintf(text, size, "the worker ended before its work was done");
		return true;
	case SYMJOB_TIMEOUT:
		snprintf(text, size, "reading it took too long");
		return result->signal == SIGXCPU; /* by the clock, others may have been to blame */
	case SYMJOB_STOPPED:
		snprintf(text, size, "stopped");
		return false;
	case SYMJOB_FAILED:
		snprintf(text, size, "cannot start the worker: %s", strerror(-result->error));
		return false;
	}
	return false;
}
