/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against DNS rebinding: a page of somebody else may resolve its own name to 127.0.0.1 and then read what the
 * browser gets there. Its requests carry its name in Host; a server that listens on loopback answers only to
 * localhost, to loopback addresses, and to the name it was told to listen on.
 *
 * Thread rule: as the request.
 */
#ifndef HEARTH_SERVER_HTTP_HOST_CHECK_H
#define HEARTH_SERVER_HTTP_HOST_CHECK_H

#include "server/http/request.h"

/** Whether a Host header, with or without a port, names this machine's loopback or @own. */
bool host_is_local(const char *host, const char *own);

/** Answer 403 to a foreign Host and return false, or return true. */
bool host_check(struct request *r);

#endif
