/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symjob.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/fdpass.h"
#include "symbolizer/symworker.h"

/* A running worker. */
struct worker {
	const struct symjob *job;
	struct symjob_result *result;
	uint64_t deadline_ns;
	pid_t pid;
	int socket;
	int quick_out, full_out;
	bool full_done;
};

/* Starts the process with nothing open but its end of the socket. Returns 0; -errno. */
static int spawn(const struct symjob *job, int socket, pid_t *ret)
{
	const char *path = job->worker_path ? job->worker_path : "/proc/self/exe";
	char name[] = "hearth", command[] = SYMWORKER_COMMAND;
	char *arguments[] = {name, command, NULL};
	char *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return -err;
	err = posix_spawnattr_init(&attributes);
	if (err) {
		(void)posix_spawn_file_actions_destroy(&actions); /* only frees */
		return -err;
	}
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	/* The daemon's threads block signals and handle others: the worker starts afresh. */
	err = posix_spawnattr_setsigmask(&attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(&attributes, &all);
	if (!err)
		err = posix_spawnattr_setflags(&attributes,
					       POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	for (int fd = 0; !err && fd < SYMWORKER_SOCKET_FD; fd++)
		err = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&actions, socket, SYMWORKER_SOCKET_FD);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&actions, SYMWORKER_SOCKET_FD + 1);
	if (!err)
		err = posix_spawn(ret, path, &actions, &attributes, arguments, environment);
	(void)posix_spawnattr_destroy(&attributes);	  /* only frees */
	(void)posix_spawn_file_actions_destroy(&actions); /* idem */
	return -err;
}

static int send_job(const struct worker *w)
{
	const struct symjob *job = w->job;
	const int fds[SYMWORKER_FILE_COUNT] = {
		[SYMWORKER_ELF] = binary_fd(job->binary), [SYMWORKER_DEBUG] = job->files->debug_fd,
		[SYMWORKER_ALT] = job->files->alt_fd,	  [SYMWORKER_DWP] = job->files->dwp_fd,
		[SYMWORKER_QUICK_OUT] = w->quick_out,	  [SYMWORKER_FULL_OUT] = w->full_out,
	};
	struct symworker_message message = {
		.kind = SYMWORKER_JOB,
		.memory_bytes = SYMJOB_MEMORY_BYTES,
		.cpu_seconds = job->cpu_seconds,
		.background = job->background,
	};
	int passed[SYMWORKER_FILE_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < SYMWORKER_FILE_COUNT; i++) {
		if (fds[i] < 0)
			continue;
		message.files |= 1u << i;
		passed[count++] = fds[i];
	}
	return fdpass_send(w->socket, &message, SYMWORKER_HEAD_BYTES, passed, count);
}

/* Takes a result over: sealed, so that the worker can write no more, then checked like any file of unknown origin. */
static void take_done(struct worker *w, const struct symworker_message *message)
{
	struct symjob_result *r = w->result;
	struct symfile *file = NULL;
	int out = message->quick ? w->quick_out : w->full_out;

	if (!message->report.error &&
	    !fcntl(out, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		(void)symfile_open(out, &file); /* stays NULL */
	if (!message->quick) {
		w->full_done = true;
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

static int answer_split(struct worker *w, struct symworker_message *message, size_t length)
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

	return fdpass_send(w->socket, &answer, SYMWORKER_HEAD_BYTES, &fd, fd >= 0);
}

/* Handles a message. Returns 1 at the end of the job or of the worker, 0 to go on, -errno for nonsense. */
static int take_message(struct worker *w)
{
	struct symworker_message message;
	int fds[FDPASS_MAX];
	size_t fd_count;
	ssize_t count = fdpass_receive(w->socket, &message, sizeof(message), fds, &fd_count);

	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]); /* a worker has none to give */
	if (count <= 0)
		return count ? (int)count : 1;
	if ((size_t)count < SYMWORKER_HEAD_BYTES)
		return -EBADMSG;
	switch (message.kind) {
	case SYMWORKER_DONE:
		take_done(w, &message);
		return w->full_done;
	case SYMWORKER_SPLIT:
		return answer_split(w, &message, (size_t)count);
	default:
		return -EBADMSG;
	}
}

static void serve(struct worker *w)
{
	for (;;) {
		struct pollfd wait[2] = {{w->socket, POLLIN, 0}, {w->job->stop_fd, POLLIN, 0}};
		uint64_t now = clock_now_ns();
		int timeout_ms =
			now < w->deadline_ns ? (int)((w->deadline_ns - now) / NS_PER_MS) + 1 : 0;
		int ready = poll(wait, 2, timeout_ms);

		if (ready < 0 && errno == EINTR)
			continue;
		if (!ready && clock_now_ns() < w->deadline_ns)
			continue;
		if (ready <= 0) {
			w->result->end = SYMJOB_TIMEOUT;
			return;
		}
		if (wait[1].revents) {
			w->result->end = SYMJOB_STOPPED;
			return;
		}

		int end = take_message(w);

		if (end) {
			w->result->end = w->full_done ? SYMJOB_DONE : SYMJOB_CRASHED;
			return;
		}
	}
}

static void reap(struct worker *w)
{
	int status = 0;

	if (w->result->end != SYMJOB_CRASHED)
		(void)kill(w->pid, SIGKILL); /* it may be gone by itself */
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (w->result->end != SYMJOB_CRASHED)
		return;
	if (WIFSIGNALED(status))
		w->result->signal = WTERMSIG(status);
	if (w->result->signal == SIGXCPU)
		w->result->end = SYMJOB_TIMEOUT;
}

void symjob_run(const struct symjob *job, struct symjob_result *ret)
{
	auto_close int quick_out =
		memfd_create("hearth-symbols-quick", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	auto_close int full_out = memfd_create("hearth-symbols", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct worker w = {
		.job = job,
		.result = ret,
		.deadline_ns = clock_now_ns() + job->timeout_ns,
		.quick_out = quick_out,
		.full_out = full_out,
	};
	int sockets[2];

	*ret = (struct symjob_result){.end = SYMJOB_FAILED, .full_fd = -1};
	if (quick_out < 0 || full_out < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		ret->error = -errno;
		return;
	}

	auto_close int ours = sockets[0];

	w.socket = ours;
	ret->error = spawn(job, sockets[1], &w.pid);
	(void)close(sockets[1]); /* the worker's */
	if (ret->error)
		return;
	if (send_job(&w))
		ret->end = SYMJOB_CRASHED; /* it did not even take its job */
	else
		serve(&w);
	reap(&w);
	if (ret->full)
		ret->full_fd = take_fd(full_out);
}
