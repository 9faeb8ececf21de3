/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/http/json_list.h"
#include "server/http/service.h"

#define STEPS_MAX     11000u
#define STEPS_DEFAULT 300u
#define LIMIT_MAX     1000000u

/* No tid: readers that make a series of each combination of labels would drown in them. */
const char *const params_pprof_labels[] = {"comm",	"pid", "thread",    "container_id",
					   "container", "pod", "namespace", "service_name",
					   "unit",	NULL};

static bool parse_selector(struct request *r, const char *name, struct query *q)
{
	const char *text = request_param(r, name);
	char error[320];

	q->text = strdup(text ? text : "");
	if (!q->text) {
		answer_failure(r, -ENOMEM);
		return false;
	}

	int err = selector_parse(text, &q->selector, error, sizeof(error));

	if (err == -EINVAL)
		answer_error(r, MHD_HTTP_BAD_REQUEST, "%s", error);
	else if (err)
		answer_failure(r, err);
	return !err;
}

bool params_selector(struct request *r)
{
	return parse_selector(r, "query", &r->query);
}

static bool parse_moment(struct request *r, const char *name, uint64_t now_ns, uint64_t *ret_ns)
{
	const char *text = request_param(r, name);

	if (!text || !*text || !parse_time(text, now_ns, ret_ns))
		return true;
	answer_error(r, MHD_HTTP_BAD_REQUEST,
		     "bad time '%.64s' in '%s': write Unix seconds, RFC 3339, 'now' or 'now-15m'",
		     text, name);
	return false;
}

/* The part of a range that there is history for: what a query costs follows it, not what was asked for. */
static uint64_t covered_ns(const struct request *r, const struct query *q)
{
	struct store_stats s = {0};
	uint64_t now_ns = clock_wall_now_ns();
	uint64_t to_ns = q->wall_to_ns < now_ns ? q->wall_to_ns : now_ns;

	store_stats(r->service->store, &s);

	uint64_t first_ns = s.oldest_wall_ns ? s.oldest_wall_ns : r->service->start_wall_ns;
	uint64_t from_ns = q->wall_from_ns > first_ns ? q->wall_from_ns : first_ns;

	return to_ns > from_ns ? to_ns - from_ns : 0;
}

static bool check_range(struct request *r, const char *from, const char *to, const struct query *q)
{
	uint64_t limit_ns = atomic_load(&r->service->engine->limit_range_ns);

	if (q->wall_from_ns >= q->wall_to_ns) {
		answer_error(r, MHD_HTTP_BAD_REQUEST,
			     "the time range is empty: '%s' is not before '%s'", from, to);
		return false;
	}
	if (limit_ns && covered_ns(r, q) > limit_ns) {
		answer_error(r, MHD_HTTP_BAD_REQUEST,
			     "the time range is longer than %llu s; ask for a shorter one, or "
			     "raise --query-range",
			     (unsigned long long)(limit_ns / NS_PER_S));
		return false;
	}
	return true;
}

bool params_range(struct request *r)
{
	uint64_t now_ns = clock_wall_now_ns();
	struct query *q = &r->query;

	q->wall_to_ns = now_ns;
	if (!parse_moment(r, "to", now_ns, &q->wall_to_ns))
		return false;
	q->wall_from_ns = q->wall_to_ns > PARAMS_DEFAULT_RANGE_NS
				  ? q->wall_to_ns - PARAMS_DEFAULT_RANGE_NS
				  : 0;
	return parse_moment(r, "from", now_ns, &q->wall_from_ns) && check_range(r, "from", "to", q);
}

bool params_base(struct request *r)
{
	uint64_t now_ns = clock_wall_now_ns();
	struct query *q = &r->base_query;
	uint64_t span_ns = r->query.wall_to_ns - r->query.wall_from_ns;
	const char *name = request_param(r, "base_query") ? "base_query" : "query";

	q->wall_to_ns = r->query.wall_from_ns;
	if (!parse_selector(r, name, q) || !parse_moment(r, "base_to", now_ns, &q->wall_to_ns))
		return false;
	q->wall_from_ns = q->wall_to_ns > span_ns ? q->wall_to_ns - span_ns : 0;
	return parse_moment(r, "base_from", now_ns, &q->wall_from_ns) &&
	       check_range(r, "base_from", "base_to", q);
}

bool params_is_label(const char *name)
{
	size_t length =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	return length && !name[length] && !(name[0] >= '0' && name[0] <= '9');
}

bool params_labels(struct request *r, const char *const *defaults)
{
	const char *text = request_param(r, "labels");
	size_t count = 0;

	r->query.labels = defaults;
	if (!text)
		return true;
	if (!strcmp(text, "*") || !strcmp(text, "all")) {
		r->query.all_labels = true;
		return true;
	}
	r->label_text = strdup(text);
	if (!r->label_text) {
		answer_failure(r, -ENOMEM);
		return false;
	}

	char *rest = r->label_text;

	for (char *name = strsep(&rest, ","); name; name = strsep(&rest, ",")) {
		if (!*name && !*text)
			break;
		if (!params_is_label(name) || count == REQUEST_LABELS_MAX) {
			answer_error(r, MHD_HTTP_BAD_REQUEST,
				     "bad labels '%.64s': write up to %d names with commas, or '*'",
				     text, REQUEST_LABELS_MAX);
			return false;
		}
		r->labels[count++] = name;
	}
	r->query.labels = r->labels;
	return true;
}

bool params_format(struct request *r)
{
	static const char *const names[FORMAT_COUNT] = {
		[FORMAT_FLAMEGRAPH] = "flamegraph",
		[FORMAT_PPROF] = "pprof",
		[FORMAT_FOLDED] = "folded",
		[FORMAT_SPEEDSCOPE] = "speedscope",
		[FORMAT_TOP] = "top",
		[FORMAT_HTML] = "html",
	};
	const char *text = request_param(r, "format");

	if (!text || !*text)
		return true;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], text)) {
			r->format = i;
			return true;
		}
	answer_error(r, MHD_HTTP_BAD_REQUEST,
		     "unknown format '%.32s': flamegraph, pprof, folded, speedscope, top or html",
		     text);
	return false;
}

static bool refuse_path(struct request *r, int err)
{
	if (err == -ENOMEM)
		answer_failure(r, err);
	else
		answer_error(r, MHD_HTTP_BAD_REQUEST, "bad path: give at most %d names",
			     REQUEST_PATH_MAX);
	return false;
}

/* One value may be a whole path as a JSON array; what is not one is a name, such as "[libc.so.6]". */
static bool parse_path(struct request *r)
{
	size_t capacity = 0;
	const char *first = request_param(r, "path");

	if (!first || !*first)
		return true;
	if (!json_list_parse(first, REQUEST_PATH_MAX, &r->frame_path, &r->frame_path_count))
		return true;
	for (size_t i = 0; i < r->param_count; i++) {
		if (strcmp(r->params[i].name, "path") != 0)
			continue;
		if (array_reserve((void **)&r->frame_path, &capacity, r->frame_path_count + 1,
				  sizeof(*r->frame_path)))
			return refuse_path(r, -ENOMEM);
		r->frame_path[r->frame_path_count] = strdup(r->params[i].value);
		if (!r->frame_path[r->frame_path_count])
			return refuse_path(r, -ENOMEM);
		r->frame_path_count++;
	}
	return true;
}

/* "0.01": a number from 0 to 1. */
static int parse_share(const char *text, double *ret)
{
	uint64_t whole;
	uint64_t digits = 0;
	double scale = 1;

	if (parse_take_u64(&text, &whole) || whole > 1)
		return -EINVAL;
	if (*text == '.') {
		const char *start = ++text;

		if (parse_take_u64(&text, &digits))
			return -EINVAL;
		for (; start < text; start++)
			scale *= 10;
	}
	if (*text || (whole && digits))
		return -EINVAL;
	*ret = (double)whole + (double)digits / scale;
	return 0;
}

static bool parse_min_share(struct request *r)
{
	const char *text = request_param(r, "min_share");

	if (!text || !*text || !parse_share(text, &r->min_share))
		return true;
	answer_error(r, MHD_HTTP_BAD_REQUEST,
		     "bad min_share '%.32s': a number from 0 to 1, such as 0.001", text);
	return false;
}

bool params_view(struct request *r)
{
	const char *limit = request_param(r, "limit");
	uint32_t value = 0;

	if (limit && *limit && parse_u32_range(limit, 0, LIMIT_MAX, &value)) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "bad limit '%.32s': a number from 0 to %u",
			     limit, LIMIT_MAX);
		return false;
	}
	r->limit = value;
	return parse_path(r) && parse_min_share(r);
}

/* About STEPS_DEFAULT steps of a round length. */
static uint64_t default_step(uint64_t range_ns)
{
	static const uint64_t round_s[] = {1,	2,   5,	   10,	 15,   30,    60,    120,  300,
					   600, 900, 1800, 3600, 7200, 14400, 21600, 43200};

	for (size_t i = 0; i < ARRAY_SIZE(round_s); i++)
		if (range_ns / (round_s[i] * NS_PER_S) <= STEPS_DEFAULT)
			return round_s[i] * NS_PER_S;
	return 86400 * NS_PER_S;
}

bool params_step(struct request *r)
{
	const char *text = request_param(r, "step");
	uint64_t range_ns = r->query.wall_to_ns - r->query.wall_from_ns;

	r->step_ns = default_step(range_ns);
	if (!text || !*text) {
		if (range_ns / r->step_ns < STEPS_MAX)
			return true;
	} else if (parse_duration(text, &r->step_ns) || r->step_ns < NS_PER_MS) {
		answer_error(r, MHD_HTTP_BAD_REQUEST,
			     "bad step '%.32s': seconds or a span such as '10s', at least 1ms",
			     text);
		return false;
	}
	if (range_ns / r->step_ns < STEPS_MAX)
		return true;
	answer_error(r, MHD_HTTP_BAD_REQUEST,
		     "more than %u steps in the range: take a longer step or a shorter range",
		     STEPS_MAX);
	return false;
}
