/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "server/encode/json.h"
#include "server/http/handlers.h"
#include "server/http/params.h"
#include "server/http/service.h"
#include "server/query/series.h"

#define SERIES_DEFAULT 100u

/* The cores in use in each step, over the part of it that was sampled; null where nothing was. */
static void put_cores(struct buffer *out, const struct series_set *set, const uint64_t *cpu_ns)
{
	json_put_key(out, "cores");
	buffer_putc(out, '[');
	for (size_t i = 0; i < set->step_count; i++) {
		json_put_comma(out);
		if (!set->covered_ns[i])
			buffer_puts(out, "null");
		else
			buffer_printf(out, "%.6g", (double)cpu_ns[i] / (double)set->covered_ns[i]);
	}
	buffer_putc(out, ']');
}

static void put_series(struct buffer *out, const struct series_set *set, size_t limit)
{
	json_put_key(out, "series");
	buffer_putc(out, '[');
	for (size_t i = 0; i < set->count && i < limit; i++) {
		json_put_comma(out);
		buffer_putc(out, '{');
		json_put_text(out, "value", strpool_get(&set->strings, set->series[i].value));
		json_put_seconds(out, "cpu_seconds", set->series[i].total_ns);
		put_cores(out, set, set->series[i].cpu_ns);
		buffer_putc(out, '}');
	}
	buffer_putc(out, ']');
}

/* What the limit left out, as one more series. */
static int put_other(struct buffer *out, const struct series_set *set, size_t limit)
{
	auto_free uint64_t *sum = calloc(set->step_count + 1, sizeof(*sum));

	if (!sum)
		return -ENOMEM;
	if (set->count <= limit)
		return 0;
	for (size_t i = limit; i < set->count; i++)
		for (size_t j = 0; j < set->step_count; j++)
			sum[j] += set->series[i].cpu_ns[j];
	json_put_key(out, "other");
	buffer_putc(out, '{');
	json_put_number(out, "series", set->count - limit);
	put_cores(out, set, sum);
	buffer_putc(out, '}');
	return 0;
}

/*
 * {"from": S, "to": S, "step": S, "by": LABEL, "query": "...", "series": [{"value", "cpu_seconds", "cores": [...]},
 * ...]} with most CPU time first; "other" stands for those beyond the limit.
 */
static void work_series(struct request *r)
{
	CLEANUP(series_set_release) struct series_set set = {0};
	struct buffer *out = &r->answer.body;
	const char *by = request_param(r, "by");
	size_t limit = r->limit ? r->limit : SERIES_DEFAULT;
	int err = query_series(r->service->engine, &r->query, by, r->step_ns, &set);

	if (!err) {
		buffer_putc(out, '{');
		json_put_seconds(out, "from", r->query.wall_from_ns);
		json_put_seconds(out, "to", r->query.wall_to_ns);
		json_put_seconds(out, "step", r->step_ns);
		json_put_text(out, "by", by);
		json_put_text(out, "query", r->query.text);
		put_series(out, &set, limit);
		err = put_other(out, &set, limit);
		buffer_puts(out, "}\n");
	}
	if (err)
		answer_failure(r, err);
	else
		answer_body(r, MHD_HTTP_OK, "application/json");
}

void handle_timeseries(struct request *r)
{
	const char *by = request_param(r, "by");

	if (by && *by && !params_is_label(by)) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "bad label name '%.64s' in 'by'", by);
		return;
	}
	if (params_selector(r) && params_range(r) && params_view(r) && params_step(r))
		request_defer(r, work_series, 0);
}

#define CELL_NS		 (20 * NS_PER_MS)
#define CELLS_PER_S	 (NS_PER_S / CELL_NS)
#define HEATMAP_RANGE_NS (3600 * NS_PER_S)

/*
 * {"from": S, "to": S, "cell_ms": 20, "rows": 50, "columns": N, "counts": [...], "query": "..."}: one column per
 * second from "from" on, which is a whole second; a column is 50 counts of samples in 20 ms each. null: not
 * sampled then.
 */
static void work_heatmap(struct request *r)
{
	CLEANUP(series_set_release) struct series_set set = {0};
	struct buffer *out = &r->answer.body;
	int err = query_series(r->service->engine, &r->query, "", CELL_NS, &set);

	if (err) {
		answer_failure(r, err);
		return;
	}
	buffer_putc(out, '{');
	json_put_seconds(out, "from", r->query.wall_from_ns);
	json_put_seconds(out, "to", r->query.wall_to_ns);
	json_put_number(out, "cell_ms", CELL_NS / NS_PER_MS);
	json_put_number(out, "rows", CELLS_PER_S);
	json_put_number(out, "columns", set.step_count / CELLS_PER_S);
	json_put_text(out, "query", r->query.text);
	json_put_number(out, "period_ns", set.period_ns);
	json_put_key(out, "counts");
	buffer_putc(out, '[');
	for (size_t i = 0; i < set.step_count; i++) {
		json_put_comma(out);
		if (!set.covered_ns[i])
			buffer_puts(out, "null");
		else
			buffer_put_u64(out, set.count ? set.series[0].samples[i] : 0);
	}
	buffer_puts(out, "]}\n");
	answer_body(r, MHD_HTTP_OK, "application/json");
}

void handle_heatmap(struct request *r)
{
	if (!params_selector(r) || !params_range(r))
		return;

	struct query *q = &r->query;

	if (q->wall_to_ns - q->wall_from_ns > HEATMAP_RANGE_NS) {
		answer_error(r, MHD_HTTP_BAD_REQUEST,
			     "a heat map of more than an hour: ask for a shorter range");
		return;
	}
	q->wall_from_ns -= q->wall_from_ns % NS_PER_S;
	q->wall_to_ns += (NS_PER_S - q->wall_to_ns % NS_PER_S) % NS_PER_S;
	request_defer(r, work_heatmap, 0);
}
