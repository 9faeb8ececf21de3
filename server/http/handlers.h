/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of the route table, one per kind of request. Each answers the request or defers it.
 *
 * Thread rule: as the request.
 */
#ifndef HEARTH_SERVER_HTTP_HANDLERS_H
#define HEARTH_SERVER_HTTP_HANDLERS_H

#include "server/http/request.h"

/** The page and its files. */
void handle_page(struct request *r);

/** `/debug/pprof/`: a small index for people and for tools that look around. */
void handle_pprof_index(struct request *r);

/** `/debug/pprof/profile`: the next seconds, or history at once. */
void handle_pprof_profile(struct request *r);

/** `/debug/pprof/cmdline`: our own arguments with NULs between them. */
void handle_pprof_cmdline(struct request *r);

/** `/debug/pprof/symbol`: there is nothing left to symbolize. */
void handle_pprof_symbol(struct request *r);

/** `/api/v1/query`. */
void handle_query(struct request *r);

/** `/api/v1/diff`. */
void handle_diff(struct request *r);

/** `/api/v1/labels`. */
void handle_labels(struct request *r);

/** `/api/v1/label/NAME/values`. */
void handle_label_values(struct request *r);

/** `/api/v1/timeseries`. */
void handle_timeseries(struct request *r);

/** `/api/v1/heatmap`. */
void handle_heatmap(struct request *r);

/** `/v1development/profiles`: what agents and other producers send to the hub. */
void handle_otlp(struct request *r);

/** `/api/v1/balance`. */
void handle_balance(struct request *r);

/** `/api/v1/binaries`. */
void handle_binaries(struct request *r);

/** `/api/v1/status`. */
void handle_status(struct request *r);

/** `/metrics`. */
void handle_metrics(struct request *r);

/** `/healthz`: the server answers. */
void handle_healthz(struct request *r);

/** `/readyz`: every CPU is sampled. */
void handle_readyz(struct request *r);

/** The route of a path; NULL = there is none. @ret_name: on success what '*' stands for, "" without one. */
const struct route *route_find(const char *path, char *ret_name, size_t name_size);

/** The route that stands for everything else. */
const struct route *route_unknown(const char *path);

/** Answer a deferred request with a profile in r->format. */
void answer_profile(struct request *r, const struct profile *p);

#endif
