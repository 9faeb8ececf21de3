/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symworkers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/fdpass.h"
#include "symbolizer/symworker.h"

#define FORK_TIMEOUT_MS 10000 /* generous: it may still be starting, on a busy machine */

struct symworkers {
	char *path;
	pthread_mutex_t lock; /* guards all below: one fork is asked for at a time */
	pid_t pid;	      /* of the process that forks; 0 = none */
	int socket;	      /* to it; -1 = none */
};

/* --- the process that forks ----------------------------------------------------------------------- */

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int socket)
{
	sigset_t none, all;
	int err = 0;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	/* The daemon's threads block signals and handle others: this one starts afresh. */
	err = posix_spawnattr_setsigmask(attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attributes, &all);
	if (!err)
		err = posix_spawnattr_setflags(attributes,
					       POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	for (int fd = 0; !err && fd < SYMWORKER_SOCKET_FD; fd++)
		err = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, socket, SYMWORKER_SOCKET_FD);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(actions, SYMWORKER_SOCKET_FD + 1);
	return err;
}

/* Starts it with nothing open but its end of the socket. Returns 0; -errno. */
static int spawn(const char *path, int socket, pid_t *ret)
{
	char name[] = "hearth", command[] = SYMWORKER_COMMAND;
	char *arguments[] = {name, command, NULL};
	char *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return -err;
	err = posix_spawnattr_init(&attributes);
	if (err) {
		(void)posix_spawn_file_actions_destroy(&actions); /* only frees */
		return -err;
	}
	err = prepare(&actions, &attributes, socket);
	if (!err)
		err = posix_spawn(ret, path ? path : "/proc/self/exe", &actions, &attributes,
				  arguments, environment);
	(void)posix_spawnattr_destroy(&attributes);	  /* only frees */
	(void)posix_spawn_file_actions_destroy(&actions); /* idem */
	return -err;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

/* The caller holds the lock, here and below. */
static void end_forker(struct symworkers *w)
{
	if (!w->pid)
		return;
	(void)close(w->socket);	     /* it ends by itself now, if it is well */
	(void)kill(w->pid, SIGKILL); /* our child, not waited for yet */
	(void)reap(w->pid);
	w->pid = 0;
	w->socket = -1;
}

static int start_forker(struct symworkers *w)
{
	int sockets[2];

	if (w->pid)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;

	int err = spawn(w->path, sockets[1], &w->pid);

	(void)close(sockets[1]); /* its own */
	if (err) {
		(void)close(sockets[0]); /* nobody is at its other end */
		w->pid = 0;
		return err;
	}
	w->socket = sockets[0];
	return 0;
}

int symworkers_create(const char *path, struct symworkers **ret)
{
	struct symworkers *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->socket = -1;
	(void)pthread_mutex_init(&w->lock, NULL); /* cannot fail with default attributes */
	if (path && !(w->path = strdup(path))) {
		symworkers_destroy(w);
		return -ENOMEM;
	}
	(void)start_forker(w); /* the first job tries again, and reports it */
	*ret = w;
	return 0;
}

void symworkers_destroy(struct symworkers *w)
{
	if (!w)
		return;
	end_forker(w);
	(void)pthread_mutex_destroy(&w->lock); /* nobody holds it any more */
	free(w->path);
	free(w);
}

/* Asks for a fork. Returns 0 with its pid; -errno, after which the process that forks is of no use any more. */
static int request_fork(struct symworkers *w, const struct sandbox_limits *limits, int socket,
			pid_t *ret)
{
	struct symworker_message message = {.kind = SYMWORKER_FORK, .limits = *limits};
	struct pollfd wait = {.fd = w->socket, .events = POLLIN};
	int fds[FDPASS_MAX];
	size_t fd_count;
	int err = fdpass_send(w->socket, &message, SYMWORKER_HEAD_BYTES, &socket, 1);

	if (err)
		return err;

	int ready;

	do
		ready = poll(&wait, 1, FORK_TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return ready ? -errno : -ETIMEDOUT;

	ssize_t count = fdpass_receive(w->socket, &message, sizeof(message), fds, &fd_count);

	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]); /* it has none to give */
	if (count < (ssize_t)SYMWORKER_HEAD_BYTES || message.kind != SYMWORKER_FORKED)
		return count < 0 ? (int)count : -EPROTO;
	if (message.error)
		return message.error;
	*ret = (pid_t)message.pid;
	return 0;
}

int symworkers_start(struct symworkers *w, const struct sandbox_limits *limits,
		     struct symworker *ret)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	(void)pthread_mutex_lock(&w->lock); /* a valid mutex, not held by this thread */

	int err = -EPROTO;

	/* Twice: the process that forks may have died since, of lack of memory for example. */
	for (int attempt = 0; err && attempt < 2; attempt++) {
		err = start_forker(w);
		if (!err)
			err = request_fork(w, limits, sockets[1], &ret->pid);
		if (err)
			end_forker(w);
	}
	(void)pthread_mutex_unlock(&w->lock);
	(void)close(sockets[1]); /* the worker's */
	if (err) {
		(void)close(sockets[0]); /* nobody is at its other end */
		return err;
	}
	ret->socket = sockets[0];
	return 0;
}

/* --- a worker ------------------------------------------------------------------------------------- */

int symworker_send_job(const struct symworker *worker, uint32_t kind, const int *fds)
{
	struct symworker_message message = {.kind = kind};
	int passed[SYMWORKER_FILE_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < SYMWORKER_FILE_COUNT; i++) {
		if (fds[i] < 0)
			continue;
		message.files |= 1u << i;
		passed[count++] = fds[i];
	}
	return fdpass_send(worker->socket, &message, SYMWORKER_HEAD_BYTES, passed, count);
}

/* Receives a message. Returns 1 at the end of the job or of the worker, 0 to go on, -errno for nonsense. */
static int take_message(const struct symworker *worker, const struct symworker_watch *watch,
			bool *ret_done)
{
	struct symworker_message message;
	int fds[FDPASS_MAX];
	size_t fd_count;
	ssize_t count = fdpass_receive(worker->socket, &message, sizeof(message), fds, &fd_count);

	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]); /* a worker has none to give */
	if (count <= 0)
		return count ? (int)count : 1;
	if ((size_t)count < SYMWORKER_HEAD_BYTES)
		return -EBADMSG;

	int end = watch->take(watch->arg, &message, (size_t)count);

	*ret_done = end == 1;
	return end;
}

/* Milliseconds until @when_ns, rounded up; 0 when it is over. */
static int until_ms(uint64_t when_ns, uint64_t now_ns)
{
	return now_ns < when_ns ? (int)((when_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static enum symjob_end serve(const struct symworker *worker, const struct symworker_watch *watch)
{
	uint64_t patience_ns = watch->patience_ns;

	for (;;) {
		struct pollfd wait[2] = {{worker->socket, POLLIN, 0}, {watch->stop_fd, POLLIN, 0}};
		uint64_t now_ns = clock_now_ns();

		if (patience_ns && now_ns >= patience_ns) {
			sandbox_calm(worker->pid);
			patience_ns = 0;
		}

		uint64_t next_ns = patience_ns && patience_ns < watch->deadline_ns
					   ? patience_ns
					   : watch->deadline_ns;
		int ready = poll(wait, 2, until_ms(next_ns, now_ns));

		if (ready < 0 && errno == EINTR)
			continue;
		if (!ready && clock_now_ns() < watch->deadline_ns)
			continue;
		if (ready <= 0)
			return SYMJOB_TIMEOUT;
		if (wait[1].revents)
			return SYMJOB_STOPPED;

		bool done = false;

		if (take_message(worker, watch, &done))
			return done ? SYMJOB_DONE : SYMJOB_CRASHED;
	}
}

/* Ends a worker of which it is known how it ended. */
static enum symjob_end end_worker(struct symworker *worker, enum symjob_end end, int *ret_signal)
{
	/* One that died has closed its socket; one that talks nonsense may still run. */
	(void)close(worker->socket);
	worker->socket = -1;
	if (end == SYMJOB_CRASHED) {
		siginfo_t info = {0};

		/* Its socket closes a moment before it is dead: do not take our own signal for its end. */
		for (int i = 0; i < 100 && !info.si_pid; i++) {
			if (i)
				(void)poll(NULL, 0, 1);
			if (waitid(P_PID, (id_t)worker->pid, &info, WEXITED | WNOHANG | WNOWAIT))
				break;
		}
	}
	(void)kill(worker->pid, SIGKILL); /* our child, not waited for yet */

	int status = reap(worker->pid);

	if (end != SYMJOB_CRASHED)
		return end;
	*ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return *ret_signal == SIGXCPU ? SYMJOB_TIMEOUT : SYMJOB_CRASHED;
}

enum symjob_end symworker_watch(struct symworker *worker, const struct symworker_watch *watch,
				int *ret_signal)
{
	*ret_signal = 0;
	return end_worker(worker, serve(worker, watch), ret_signal);
}

enum symjob_end symworker_abandon(struct symworker *worker, int *ret_signal)
{
	*ret_signal = 0;
	return end_worker(worker, SYMJOB_CRASHED, ret_signal);
}
