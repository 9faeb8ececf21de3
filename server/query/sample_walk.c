/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/sample_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

DEFINE_CLEANUP(label_filter_destroy, struct label_filter *)

struct walking {
	const struct query *q;
	const struct sample_visitor *visitor;
	struct label_filter *labels;
};

const char *window_label_value(const struct window *w, uint32_t label_set, const char *name)
{
	const struct window_label_set *set = &w->label_sets[label_set];

	for (uint32_t i = set->first; i < set->first + set->count; i++)
		if (!strcmp(strpool_get(&w->strings, w->labels[i].name), name))
			return strpool_get(&w->strings, w->labels[i].value);
	return "";
}

static int walk_samples(const struct walking *walking, const struct sample_walk *walk,
			const uint8_t *matches)
{
	const struct window *w = walk->w;
	const struct query *q = walking->q;

	for (uint32_t i = 0; i < w->sample_count; i++) {
		const struct window_sample *s = &w->samples[i];
		uint64_t time_ns = w->wall_start_ns + s->time_us * NS_PER_US;

		if (time_ns < q->wall_from_ns || time_ns >= q->wall_to_ns || !matches[s->labels])
			continue;

		int result = walking->visitor->sample(walk, s, time_ns, walking->visitor->arg);

		if (result)
			return result;
	}
	return walking->visitor->done ? walking->visitor->done(walk, walking->visitor->arg) : 0;
}

static int walk_window(struct window *w, void *arg)
{
	const struct walking *walking = arg;
	const struct query *q = walking->q;
	auto_free uint8_t *matches = malloc(w->label_set_count + 1u);
	auto_free uint32_t *scratch = calloc(w->label_set_count + 1u, sizeof(*scratch));
	struct sample_walk walk = {.w = w, .scratch = scratch};
	uint64_t from_ns = w->wall_start_ns > q->wall_from_ns ? w->wall_start_ns : q->wall_from_ns;
	uint64_t to_ns = w->wall_end_ns < q->wall_to_ns ? w->wall_end_ns : q->wall_to_ns;

	if (!matches || !scratch)
		return -ENOMEM;

	int stopped = query_check(q);

	if (stopped)
		return stopped;

	int err = label_filter_apply(walking->labels, w, matches);

	if (err)
		return err;
	if (walking->visitor->window && from_ns < to_ns)
		walking->visitor->window(w, from_ns, to_ns, walking->visitor->arg);
	return walk_samples(walking, &walk, matches);
}

int sample_walk(struct query_engine *e, const struct query *q, const struct sample_visitor *visitor)
{
	CLEANUP(label_filter_destroyp) struct label_filter *labels = NULL;
	int err = label_filter_create(q->selector, &labels);

	if (err)
		return err;

	struct walking walking = {.q = q, .visitor = visitor, .labels = labels};
	struct store_scan scan = {
		.wall_from_ns = q->wall_from_ns,
		.wall_to_ns = q->wall_to_ns,
		.selector = q->selector,
		.exact = q->exact,
		.resolution_ns = visitor->resolution_ns,
		.no_stacks = true,
	};

	return query_count_stop(e, history_scan(e->history, &scan, walk_window, &walking));
}
