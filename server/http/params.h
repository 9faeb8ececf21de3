/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of requests, parsed into the request. Each function answers 400 with what is wrong and returns false,
 * or returns true.
 *
 * Thread rule: as the request.
 */
#ifndef HEARTH_SERVER_HTTP_PARAMS_H
#define HEARTH_SERVER_HTTP_PARAMS_H

#include "server/http/request.h"

#define PARAMS_DEFAULT_RANGE_NS (900ull * 1000000000ull) /* the last 15 minutes */

/** Formats of /api/v1/query. */
enum format {
	FORMAT_FLAMEGRAPH,
	FORMAT_PPROF,
	FORMAT_FOLDED,
	FORMAT_SPEEDSCOPE,
	FORMAT_TOP,
	FORMAT_HTML,
	FORMAT_COUNT,
};

/** Labels of a pprof unless the request says otherwise; NULL-terminated. */
extern const char *const params_pprof_labels[];

/** `query` into r->query. */
bool params_selector(struct request *r);

/** `from` and `to` into r->query, by default the last 15 minutes. */
bool params_range(struct request *r);

/** `base_query`, `base_from`, `base_to` into r->base_query. Without times: the same span just before r->query's. */
bool params_base(struct request *r);

/** `labels`, a comma-separated list or "*", into r->query; @defaults: NULL-terminated. */
bool params_labels(struct request *r, const char *const *defaults);

/** Whether a text has the form of a label name. */
bool params_is_label(const char *name);

/** `format` into r->format. */
bool params_format(struct request *r);

/** `path` (repeated, or one JSON array of strings), `min_share` and `limit`. */
bool params_view(struct request *r);

/** `step`, at most 11,000 in the range; by default about 300 round steps. */
bool params_step(struct request *r);

#endif
