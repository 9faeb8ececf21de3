/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that is started but waits at a gate, so that sampling can be set up around its first instruction.
 *
 *	child_prepare() -> its pid is known -> child_release() -> poll child.pidfd -> child_reap()
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_CMD_CHILD_H
#define HEARTH_SERVER_CMD_CHILD_H

#include <signal.h>
#include <sys/types.h>

struct child {
	pid_t pid;  /* 0 = there is none */
	int pidfd;  /* owned; readable once it has ended */
	int gate;   /* owned; closing it without a byte ends the child */
	int report; /* owned; carries the errno of a failed exec */
};

#define CHILD_INIT ((struct child){.pidfd = -1, .gate = -1, .report = -1})

/**
 * Fork a child that will run a command once it is released.
 *
 * @argv: NULL-terminated, looked up in PATH as the shell does
 * @mask: signal mask the command starts with
 * @ret: on success to be ended with child_reap() or child_kill()
 *
 * Returns 0; -errno of pipes, fork or pidfd.
 */
int child_prepare(char *const *argv, const sigset_t *mask, struct child *ret);

/** Let the child run its command. Returns 0; -errno if it could not be executed (it has ended then). */
int child_release(struct child *c);

/** Wait for the end and free. Returns the status a shell would show: its exit status, or 128 + signal. */
int child_reap(struct child *c);

/** End a child that was not released and free; does nothing where there is none. */
void child_kill(struct child *c);

#endif
