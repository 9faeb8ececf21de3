/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to `hearth serve`: what its parts share.
 *
 * Thread rule: main thread only, unless a field says otherwise.
 */
#ifndef HEARTH_SERVER_CMD_SERVE_H
#define HEARTH_SERVER_CMD_SERVE_H

#include <signal.h>
#include <stdint.h>

#include "server/config/config.h"
#include "server/query/query.h"

struct daemon {
	struct config *options; /* owned; what we were started with */
	struct config *latest;	/* owned; what was read since, NULL = nothing */
	int argc;
	char **argv;
	char *symbol_dir; /* owned */
	struct symbolizer *symbolizer;
	struct profiler *profiler;
	struct store *store;
	struct history *history;
	struct balance *balance; /* NULL = none is kept */
	struct server *server;
	struct hub *hub;   /* NULL = this is none */
	struct push *push; /* NULL = nothing is sent */
	struct query_engine engine;
	uint64_t complained_ns; /* loop thread only */
	sigset_t signals;
};

/**
 * Read the configuration again and apply what can change while running; the log says what needs a restart.
 *
 * A configuration that is refused changes nothing.
 */
void serve_reload(struct daemon *d);

/** Put into force what of a configuration can change while running. Returns 0; -ENOMEM. */
int serve_apply(struct daemon *d, const struct config *c);

/** Open the history. Returns an exit status. */
int serve_create_history(struct daemon *d);

/** Open the balance; without it the rest works, and the log says why. */
void serve_create_balance(struct daemon *d);

/** Start what belongs to a fleet and is asked for. Returns an exit status. */
int serve_fleet_start(struct daemon *d);

/** Stop it; after the server. */
void serve_fleet_stop(struct daemon *d);

#endif
