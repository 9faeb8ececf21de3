/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of answered requests per handler and status, and how long they took.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SERVER_HTTP_HTTP_STATS_H
#define HEARTH_SERVER_HTTP_HTTP_STATS_H

#include <stdint.h>

#include "base/buffer.h"

struct http_stats;

/** Make counters. @ret: owned by the caller, free with http_stats_destroy(). Returns 0; -ENOMEM. */
int http_stats_create(struct http_stats **ret);

/** Free; NULL allowed. */
void http_stats_destroy(struct http_stats *s);

/**
 * Count a request. @handler: a string that lives for ever, one of few.
 */
void http_stats_count(struct http_stats *s, const char *handler, unsigned int status,
		      uint64_t duration_ns);

/** Append http_requests_total and http_request_duration_seconds as Prometheus text. */
void http_stats_write(struct http_stats *s, struct buffer *out);

#endif
