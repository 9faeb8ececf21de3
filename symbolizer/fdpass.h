/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams with file descriptors over a local socket (unix(7), SCM_RIGHTS).
 *
 * Thread rule: one sender and one receiver of a socket at a time.
 */
#ifndef HEARTH_SYMBOLIZER_FDPASS_H
#define HEARTH_SYMBOLIZER_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 8 /* descriptors in a message */

/** Send a message with descriptors, borrowed. Returns 0; -errno; -E2BIG beyond FDPASS_MAX. */
int fdpass_send(int socket, const void *bytes, size_t length, const int *fds, size_t fd_count);

/**
 * Receive a message.
 *
 * @fds: room for FDPASS_MAX; those received are owned by the caller and close on exec
 *
 * Returns bytes received, 0 when the other end is closed; -errno; -EBADMSG for a message that did not fit.
 */
ssize_t fdpass_receive(int socket, void *bytes, size_t size, int *fds, size_t *ret_fd_count);

#endif
