/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "server/encode/encode.h"
#include "server/encode/flamegraph.h"
#include "server/http/handlers.h"
#include "server/http/params.h"
#include "server/http/service.h"

/* The file is one page with its own script and style inside; it must not run as one of our pages. */
#define EXPORT_POLICY                                                                             \
	"sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; " \
	"style-src 'unsafe-inline'; img-src data:"

/* How a format is made and sent. */
struct encoder {
	int (*encode)(const struct profile *p, const struct encode_options *options,
		      struct buffer *out);
	const char *content_type;
	const char *file; /* name to save it under; NULL = shown in place */
};

static const struct encoder encoders[FORMAT_COUNT] = {
	[FORMAT_FLAMEGRAPH] = {encode_flamegraph, "application/json", NULL},
	[FORMAT_PPROF] = {encode_pprof, "application/octet-stream", "profile.pb.gz"},
	[FORMAT_FOLDED] = {encode_folded, "text/plain; charset=utf-8", NULL},
	[FORMAT_SPEEDSCOPE] = {encode_speedscope, "application/json", NULL},
	[FORMAT_TOP] = {encode_top, "application/json", NULL},
	[FORMAT_HTML] = {encode_html, "text/html; charset=utf-8", "hearth.html"},
};

static struct encode_options options_of(const struct request *r)
{
	return (struct encode_options){
		.query = r->query.text,
		.min_share = r->min_share,
		.path = (const char *const *)r->frame_path,
		.path_count = r->frame_path_count,
		.limit = r->limit,
	};
}

static void finish_answer(struct request *r)
{
	const struct encoder *encoder = &encoders[r->format];

	if (encoder->file)
		answer_header(r, MHD_HTTP_HEADER_CONTENT_DISPOSITION, "attachment; filename=\"%s\"",
			      (r->route->flags & ROUTE_PLAIN_ERRORS) ? "profile" : encoder->file);
	if (r->format == FORMAT_HTML)
		answer_header(r, "Content-Security-Policy", "%s", EXPORT_POLICY);
	answer_body(r, MHD_HTTP_OK, encoder->content_type);
}

void answer_profile(struct request *r, const struct profile *p)
{
	struct encode_options options = options_of(r);
	int err = encoders[r->format].encode(p, &options, &r->answer.body);

	if (err)
		answer_failure(r, err);
	else
		finish_answer(r);
}

static void work_query(struct request *r)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;
	int err = query_profile(r->service->engine, &r->query, &p);

	if (err)
		answer_failure(r, err);
	else
		answer_profile(r, p);
}

static const char *const comm_only[] = {"comm", NULL};

void handle_query(struct request *r)
{
	if (!params_format(r) || !params_selector(r) || !params_range(r) || !params_view(r) ||
	    !params_labels(r, r->format == FORMAT_PPROF ? params_pprof_labels : comm_only))
		return;
	request_defer(r, work_query, 0);
}

static int encode_diff(struct request *r, const struct profile *p, const struct profile *base)
{
	struct encode_options options = options_of(r);
	struct flamegraph_sides sides = {
		.profile = p,
		.base = base,
		.query = r->query.text,
		.base_query = r->base_query.text,
	};

	return flamegraph_encode(&sides, &options, &r->answer.body);
}

/* As one profile with negative values, which pprof's own tools show. */
static void work_signed_diff(struct request *r)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;
	int err = query_difference(r->service->engine, &r->query, &r->base_query, &p);

	if (err)
		answer_failure(r, err);
	else
		answer_profile(r, p);
}

static void work_diff(struct request *r)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;
	CLEANUP(profile_destroyp) struct profile *base = NULL;
	int err = query_profile(r->service->engine, &r->query, &p);

	if (!err)
		err = query_profile(r->service->engine, &r->base_query, &base);
	if (!err)
		err = encode_diff(r, p, base);
	if (err)
		answer_failure(r, err);
	else
		finish_answer(r);
}

void handle_diff(struct request *r)
{
	if (!params_format(r) || !params_selector(r) || !params_range(r) || !params_base(r) ||
	    !params_view(r) ||
	    !params_labels(r, r->format == FORMAT_PPROF ? params_pprof_labels : comm_only))
		return;
	if (r->format != FORMAT_FLAMEGRAPH && r->format != FORMAT_PPROF) {
		answer_error(r, MHD_HTTP_BAD_REQUEST,
			     "a difference comes as 'flamegraph' or 'pprof'");
		return;
	}
	r->base_query.labels = r->query.labels;
	r->base_query.all_labels = r->query.all_labels;
	request_defer(r, r->format == FORMAT_PPROF ? work_signed_diff : work_diff, 0);
}
