/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to server.c: the listening socket.
 */
#ifndef HEARTH_SERVER_HTTP_LISTEN_H
#define HEARTH_SERVER_HTTP_LISTEN_H

#include "server/http/server.h"

/** Bind and listen. @ret_port: the port bound. Returns 0; -errno of binding. */
int listen_open(const struct listen_address *address, int *ret_fd, uint16_t *ret_port);

#endif
