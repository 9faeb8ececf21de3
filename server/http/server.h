/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: libmicrohttpd with threads of its own, one route table, and a scheduler for all that takes time.
 *
 * Invariants: handlers never block an HTTP thread; every deferred request is answered, at the latest when the
 * server stops.
 * Thread rule: create, stop and destroy by one thread.
 */
#ifndef HEARTH_SERVER_HTTP_SERVER_H
#define HEARTH_SERVER_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/service.h"

struct server;
struct web_config;

/** Address to listen on, split and checked. */
struct listen_address {
	char host[256]; /* without brackets */
	uint16_t port;	/* 0 = any free one */
	bool loopback;
};

/**
 * Split "HOST:PORT", "[V6]:PORT" or ":PORT" (every address) and find out whether it is loopback.
 *
 * Returns 0; -EINVAL if the text is none of these or the host's name does not resolve.
 */
int listen_address_parse(const char *text, struct listen_address *ret);

struct server_options {
	struct listen_address listen;
	const struct web_config *web; /* TLS and who may log in; borrowed; NULL = neither */
	const char *token_file;	      /* bearer tokens; NULL = none */
	struct service service;	      /* http and scheduler are filled in by the server */
};

/**
 * Bind and start answering.
 *
 * @ret: on success owned by the caller, free with server_destroy()
 *
 * Returns 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES of binding; -EKEYREJECTED if certificate, key or tokens cannot be used;
 * -ENOMEM; -errno.
 */
int server_create(const struct server_options *options, struct server **ret);

/** Answer everything that waits with 503, let answers out for a moment, then close and free; NULL allowed. */
void server_destroy(struct server *s);

/** Port that was bound. */
uint16_t server_port(const struct server *s);

#endif
