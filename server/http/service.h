/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers answer from.
 *
 * Invariants: immutable while the HTTP server runs.
 */
#ifndef HEARTH_SERVER_HTTP_SERVICE_H
#define HEARTH_SERVER_HTTP_SERVICE_H

#include <stdint.h>

#include "profiler/profiler.h"
#include "server/http/http_stats.h"
#include "server/query/query.h"
#include "server/store/store.h"

struct hub;
struct push;
struct balance;
struct scheduler;

struct service {
	struct query_engine *engine;
	struct store *store;
	struct profiler *profiler; /* NULL = no sampling here */
	struct symbolizer *symbolizer;
	struct balance *balance; /* NULL = none is kept */
	struct http_stats *http;
	struct scheduler *scheduler;
	struct scheduler *ingest; /* for what the fleet sends, so that queries do not wait for it */
	struct hub *hub;	  /* NULL = this is none */
	struct push *push;	  /* NULL = nothing is sent to a hub */
	uint64_t window_ns;
	uint64_t bpf_memory_bytes; /* limit */
	uint64_t start_wall_ns;	   /* when the daemon started */
	const char *listen_host;   /* as given with --listen */
	bool check_host;	   /* refuse requests under foreign names */
};

#endif
