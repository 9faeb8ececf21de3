/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoints of Go's net/http/pprof, for the whole machine: `go tool pprof` and everything that scrapes Go
 * programs can read them. Differences: a bad `seconds` is an error rather than 30, and history answers at once
 * with `last=5m` or `from=` and `to=`.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/http/handlers.h"
#include "server/http/params.h"
#include "server/http/service.h"

#define DEFAULT_SECONDS 30u
#define SECONDS_MAX	3600u
/* So that the clocks agree that the last moment has passed. */
#define AFTER_NS (5 * NS_PER_MS)
#define PREFETCH_NS \
	(500 * NS_PER_MS) /* before the end; a second is the least that can be asked for */
/* Who waits for seconds anyway rather waits for names as well. */
#define SYMBOL_WAIT_NS (2 * NS_PER_S)

void handle_pprof_index(struct request *r)
{
	static const char page[] =
		"<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
		"<title>Hearth: /debug/pprof/</title></head>\n<body>\n<h1>/debug/pprof/</h1>\n"
		"<p>CPU profiles of the whole machine.</p>\n<ul>\n"
		"<li><a href=\"profile?seconds=10\">profile</a>: the next seconds "
		"(<code>seconds=10</code>), or history at once (<code>last=5m</code>, "
		"<code>from=</code> and <code>to=</code>); <code>query={comm=\"nginx\"}</code> narrows</li>\n"
		"<li><a href=\"cmdline\">cmdline</a>: how Hearth was started</li>\n</ul>\n"
		"<p><a href=\"/\">The flame graph</a></p>\n</body>\n</html>\n";

	buffer_puts(&r->answer.body, page);
	answer_body(r, MHD_HTTP_OK, "text/html; charset=utf-8");
}

void handle_pprof_cmdline(struct request *r)
{
	auto_close int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char *to = buffer_reserve(&r->answer.body, REQUEST_BODY_MAX);
	ssize_t length = fd >= 0 && to ? read(fd, to, REQUEST_BODY_MAX) : -1;

	if (length < 0) {
		answer_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot read /proc/self/cmdline");
		return;
	}
	while (length && !to[length - 1])
		length--;
	r->answer.body.length = (size_t)length;
	answer_body(r, MHD_HTTP_OK, "text/plain; charset=utf-8");
}

void handle_pprof_symbol(struct request *r)
{
	answer_text(r, MHD_HTTP_OK, "num_symbols: 0\n");
}

static void answer_attachment(struct request *r)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;
	int err = query_profile(r->service->engine, &r->query, &p);

	if (err) {
		answer_failure(r, err);
		return;
	}
	r->format = FORMAT_PPROF;
	answer_profile(r, p);
}

static bool read_seconds(struct request *r, uint32_t *ret)
{
	const char *text = request_param(r, "seconds");

	*ret = DEFAULT_SECONDS;
	if (!text || !parse_u32_range(text, 1, SECONDS_MAX, ret))
		return true;
	answer_error(r, MHD_HTTP_BAD_REQUEST, "bad seconds '%.32s': a whole number from 1 to %u",
		     text, SECONDS_MAX);
	return false;
}

static bool read_last(struct request *r, const char *text)
{
	uint64_t span_ns;

	if (request_param(r, "from") || request_param(r, "to")) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "'last' does not go with 'from' and 'to'");
		return false;
	}
	if (parse_duration(text, &span_ns) || !span_ns) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "bad last '%.32s': a span such as '5m'",
			     text);
		return false;
	}
	r->query.wall_to_ns = clock_wall_now_ns();
	r->query.wall_from_ns = r->query.wall_to_ns > span_ns ? r->query.wall_to_ns - span_ns : 0;
	return true;
}

/* Shortly before the end: most of what will be named has been sampled. */
static void prefetch(struct request *r)
{
	struct query q = r->query;

	q.exact = false;
	q.wall_to_ns = clock_wall_now_ns();
	query_prefetch(r->service->engine, &q);
	request_defer(r, answer_attachment, r->due_ns);
}

/* The samples of the next seconds, and nothing else: the clock starts as the request comes. */
static void wait_seconds(struct request *r)
{
	uint32_t seconds;

	if (!read_seconds(r, &seconds))
		return;
	if (!r->service->profiler) {
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "this server does not sample: ask for history with 'last' or 'from'");
		return;
	}
	r->query.wall_from_ns = clock_wall_now_ns();
	r->query.wall_to_ns = r->query.wall_from_ns + seconds * NS_PER_S;
	r->query.exact = true;
	r->query.symbol_wait_ns = SYMBOL_WAIT_NS;
	r->due_ns = clock_now_ns() + seconds * NS_PER_S + AFTER_NS;
	request_defer(r, prefetch, r->due_ns - PREFETCH_NS);
}

void handle_pprof_profile(struct request *r)
{
	const char *last = request_param(r, "last");
	bool history = last || request_param(r, "from") || request_param(r, "to");

	if (!params_selector(r) || !params_labels(r, params_pprof_labels))
		return;
	if (!history) {
		wait_seconds(r);
		return;
	}
	if (request_param(r, "seconds")) {
		answer_error(
			r, MHD_HTTP_BAD_REQUEST,
			"'seconds' is about the future, 'last', 'from' and 'to' about the past: "
			"give one or the other");
		return;
	}
	if (last ? read_last(r, last) : params_range(r))
		request_defer(r, answer_attachment, 0);
}
