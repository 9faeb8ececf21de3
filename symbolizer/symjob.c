/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symjob.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/fdpass.h"
#include "symbolizer/symworker.h"

#define OUTPUT_BYTES_MAX (1ull << 30)

/* A job at work. */
struct work {
	const struct symjob *job;
	struct symjob_result *result;
	struct symworker worker;
	int quick_out, full_out;
};

static int send_job(const struct work *w)
{
	const struct symjob *job = w->job;
	const int fds[SYMWORKER_FILE_COUNT] = {
		[SYMWORKER_ELF] = binary_fd(job->binary),
		[SYMWORKER_DEBUG] = job->files->debug_fd,
		[SYMWORKER_ALT] = job->files->alt_fd,
		[SYMWORKER_DWP] = job->files->dwp_fd,
		[SYMWORKER_QUICK_OUT] = w->quick_out,
		[SYMWORKER_FULL_OUT] = job->quick_only ? -1 : w->full_out,
	};

	return symworker_send_job(&w->worker, SYMWORKER_JOB, fds);
}

/* Takes a result over: sealed, so that the worker can write no more, then checked like any file of unknown origin. */
static void take_done(struct work *w, const struct symworker_message *message)
{
	struct symjob_result *r = w->result;
	struct symfile *file = NULL;
	int out = message->quick ? w->quick_out : w->full_out;

	if (!message->report.error &&
	    !fcntl(out, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		(void)symfile_open(out, &file); /* stays NULL */
	if (!message->quick || w->job->quick_only) {
		r->report = message->report;
		r->full = file;
		return;
	}
	r->quick_done = true;
	r->quick_report = message->report;
	if (w->job->on_quick)
		w->job->on_quick(w->job->context, file, &message->report);
	else
		r->quick = file;
}

static int answer_split(struct work *w, struct symworker_message *message, size_t length)
{
	char *text = message->text;
	size_t text_length = length - SYMWORKER_HEAD_BYTES;
	struct symworker_message answer = {.kind = SYMWORKER_FILE};
	bool has_directory = message->directory_length != UINT32_MAX;

	/* Both strings must end within the message. */
	if (!text_length || text[text_length - 1] ||
	    (has_directory && message->directory_length + 1ull >= text_length))
		return -EBADMSG;

	const char *name = has_directory ? text + message->directory_length + 1 : text;
	auto_close int fd = debugfind_split(w->job->binary, has_directory ? text : NULL, name);

	return fdpass_send(w->worker.socket, &answer, SYMWORKER_HEAD_BYTES, &fd, fd >= 0);
}

static int take_message(void *arg, struct symworker_message *message, size_t length)
{
	struct work *w = arg;

	switch (message->kind) {
	case SYMWORKER_DONE:
		take_done(w, message);
		return !message->quick || w->job->quick_only;
	case SYMWORKER_SPLIT:
		return answer_split(w, message, length);
	default:
		return -EBADMSG;
	}
}

void symjob_run(const struct symjob *job, struct symjob_result *ret)
{
	auto_close int quick_out =
		memfd_create("hearth-symbols-quick", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	auto_close int full_out = memfd_create("hearth-symbols", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct work w = {
		.job = job,
		.result = ret,
		.quick_out = quick_out,
		.full_out = full_out,
	};
	const struct sandbox_limits limits = {
		.memory_bytes = SYMJOB_MEMORY_BYTES,
		.file_bytes = OUTPUT_BYTES_MAX,
		.cpu_seconds = job->cpu_seconds,
		.background = job->background,
	};
	const struct symworker_watch watch = {
		.deadline_ns = clock_now_ns() + job->timeout_ns,
		.stop_fd = job->stop_fd,
		.take = take_message,
		.arg = &w,
	};

	*ret = (struct symjob_result){.end = SYMJOB_FAILED, .full_fd = -1};
	if (quick_out < 0 || full_out < 0) {
		ret->error = -errno;
		return;
	}
	ret->error = symworkers_start(job->workers, &limits, &w.worker);
	if (ret->error)
		return;
	if (send_job(&w))
		ret->end = symworker_abandon(&w.worker, &ret->signal);
	else
		ret->end = symworker_watch(&w.worker, &watch, &ret->signal);
	if (ret->full)
		ret->full_fd = job->quick_only ? take_fd(quick_out) : take_fd(full_out);
}
