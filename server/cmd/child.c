/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SIGNAL_STATUS 128 /* plus the signal: what shells make of a killed command */

/* Runs in the child: waits for the gate, becomes the command, or reports why not. */
static void run_command(char *const *argv, const sigset_t *mask, int gate, int report)
{
	char byte;
	ssize_t length;

	do
		length = read(gate, &byte, 1);
	while (length < 0 && errno == EINTR);
	if (length != 1)
		_exit(EXIT_FAILURE); /* the parent gave up */

	(void)sigprocmask(SIG_SETMASK, mask, NULL); /* fails only for a bad pointer */
	(void)execvp(argv[0], argv);		    /* only comes back to fail */

	int err = errno;

	(void)!write(report, &err, sizeof(err)); /* a parent that is gone needs no report */
	_exit(EXIT_FAILURE);
}

int child_prepare(char *const *argv, const sigset_t *mask, struct child *ret)
{
	int gate[2];
	int report[2];

	if (pipe2(gate, O_CLOEXEC))
		return -errno;

	auto_close int gate_read = gate[0];
	auto_close int gate_write = gate[1];

	if (pipe2(report, O_CLOEXEC))
		return -errno;

	auto_close int report_read = report[0];
	auto_close int report_write = report[1];
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		(void)close(take_fd(gate_write)); /* or the gate would never read as given up */
		run_command(argv, mask, gate_read, report_write);
	}

	int pidfd = pidfd_open(pid, 0);

	if (pidfd < 0) {
		int err = -errno;

		(void)close(take_fd(gate_write)); /* ends it */
		(void)waitpid(pid, NULL, 0);
		return err;
	}
	*ret = (struct child){pid, pidfd, take_fd(gate_write), take_fd(report_read)};
	return 0;
}

static void release_fds(struct child *c)
{
	cleanup_closep(&c->pidfd);
	cleanup_closep(&c->gate);
	cleanup_closep(&c->report);
	*c = CHILD_INIT;
}

int child_release(struct child *c)
{
	int err = 0;
	ssize_t length;

	if (write(c->gate, "", 1) != 1)
		return -errno;
	do
		length = read(c->report, &err,
			      sizeof(err)); /* ends with nothing when exec closed it */
	while (length < 0 && errno == EINTR);
	if (length != (ssize_t)sizeof(err))
		return 0;
	(void)child_reap(c);
	return -err;
}

int child_reap(struct child *c)
{
	int status = 0;
	pid_t done;

	do
		done = waitpid(c->pid, &status, 0);
	while (done < 0 && errno == EINTR);
	release_fds(c);
	if (done < 0)
		return EXIT_FAILURE;
	return WIFSIGNALED(status) ? SIGNAL_STATUS + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_kill(struct child *c)
{
	if (!c->pid)
		return;
	(void)kill(c->pid, SIGKILL); /* it may have ended already */
	(void)child_reap(c);
}
