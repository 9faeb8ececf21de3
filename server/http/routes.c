/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what is served.
 */
#include <string.h>

#include "base/array.h"
#include "server/http/handlers.h"
#include "web/assets.h"

#define READ "GET, HEAD"

static const char *const no_params[] = {NULL};
static const char *const profile_params[] = {"seconds", "last",	  "from", "to",
					     "query",	"labels", NULL};
static const char *const query_params[] = {"query", "from",  "to",	  "format", "labels",
					   "path",  "limit", "min_share", NULL};
static const char *const diff_params[] = {"query",     "from",	  "to",	       "base_query",
					  "base_from", "base_to", "format",    "labels",
					  "path",      "limit",	  "min_share", NULL};
static const char *const label_params[] = {"query", "from", "to", "limit", NULL};
static const char *const series_params[] = {"query", "from", "to", "step", "by", "limit", NULL};
static const char *const balance_params[] = {"from", "to", "limit", NULL};
static const char *const heatmap_params[] = {"query", "from", "to", NULL};

static const struct route routes[] = {
	{"/debug/pprof/", "pprof_index", handle_pprof_index, no_params, READ, ROUTE_PLAIN_ERRORS},
	{"/debug/pprof/profile", "pprof_profile", handle_pprof_profile, profile_params, READ,
	 ROUTE_PLAIN_ERRORS},
	{"/debug/pprof/cmdline", "pprof_cmdline", handle_pprof_cmdline, no_params, READ,
	 ROUTE_PLAIN_ERRORS},
	{"/debug/pprof/symbol", "pprof_symbol", handle_pprof_symbol, NULL, READ ", POST",
	 ROUTE_PLAIN_ERRORS},
	{"/api/v1/query", "query", handle_query, query_params, READ, 0},
	{"/api/v1/diff", "diff", handle_diff, diff_params, READ, 0},
	{"/api/v1/labels", "labels", handle_labels, label_params, READ, 0},
	{"/api/v1/label/*/values", "label_values", handle_label_values, label_params, READ, 0},
	{"/api/v1/timeseries", "timeseries", handle_timeseries, series_params, READ, 0},
	{"/api/v1/heatmap", "heatmap", handle_heatmap, heatmap_params, READ, 0},
	{"/v1development/profiles", "otlp", handle_otlp, no_params, "POST", ROUTE_HUB | ROUTE_BODY},
	{"/api/v1/binaries", "binaries", handle_binaries, label_params, READ, 0},
	{"/api/v1/balance", "balance", handle_balance, balance_params, READ, 0},
	{"/api/v1/status", "status", handle_status, no_params, READ, 0},
	{"/metrics", "metrics", handle_metrics, no_params, READ, 0},
	{"/healthz", "healthz", handle_healthz, no_params, READ, 0},
	{"/readyz", "readyz", handle_readyz, no_params, READ, 0},
};

/* The page carries its state in the query string: any parameter is fine there. */
static const struct route page = {"/", "page", handle_page, NULL, READ, 0};
static const struct route unknown = {"", "unknown", NULL, NULL, READ, 0};
static const struct route unknown_pprof = {"", "unknown", NULL, NULL, READ, ROUTE_PLAIN_ERRORS};

/* Whether @path is @pattern, with one name without '/' in place of '*'. */
static bool matches(const char *pattern, const char *path, char *ret_name, size_t name_size)
{
	const char *star = strchr(pattern, '*');

	*ret_name = '\0';
	if (!star)
		return !strcmp(pattern, path);

	size_t head = (size_t)(star - pattern);

	if (strncmp(pattern, path, head) != 0)
		return false;

	const char *name = path + head;
	size_t length = strcspn(name, "/");

	if (!length || length >= name_size || strcmp(name + length, star + 1) != 0)
		return false;
	memcpy(ret_name, name, length);
	ret_name[length] = '\0';
	return true;
}

const struct route *route_find(const char *path, char *ret_name, size_t name_size)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (matches(routes[i].path, path, ret_name, name_size))
			return &routes[i];
	*ret_name = '\0';
	return web_asset_find(path) ? &page : NULL;
}

const struct route *route_unknown(const char *path)
{
	return strncmp(path, "/debug/pprof/", 13) ? &unknown : &unknown_pprof;
}
