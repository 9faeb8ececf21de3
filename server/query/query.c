/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/query.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

DEFINE_CLEANUP(label_filter_destroy, struct label_filter *)

void query_release(struct query *q)
{
	if (!q)
		return;
	free(q->text);
	selector_destroy(q->selector);
	*q = (struct query){0};
}

void query_set_limits(struct query_engine *e, uint64_t bytes, uint64_t time_ns, uint64_t range_ns)
{
	atomic_store(&e->limit_bytes, bytes);
	atomic_store(&e->limit_time_ns, time_ns);
	atomic_store(&e->limit_range_ns, range_ns);
}

int query_check(const struct query *q)
{
	if (q->deadline_ns && clock_now_ns() > q->deadline_ns)
		return -ETIMEDOUT;
	return q->is_gone && q->is_gone(q->is_gone_arg) ? -ECANCELED : 0;
}

int query_count_stop(struct query_engine *e, int err)
{
	atomic_fetch_add(&e->stopped_gone, err == -ECANCELED);
	atomic_fetch_add(&e->stopped_time, err == -ETIMEDOUT);
	atomic_fetch_add(&e->stopped_size, err == -EFBIG);
	return err;
}

struct merging {
	const struct query *q;
	struct profile *profile;
	struct profile_filter filter;
};

static int merge_window(struct window *w, void *arg)
{
	struct merging *m = arg;
	int err = query_check(m->q);

	return err ? err : profile_add_window(m->profile, w, &m->filter);
}

static void count_frames(struct query_engine *e, const struct profile *p)
{
	unsigned long resolved = 0;

	for (size_t i = 0; i < p->frame_count; i++)
		resolved += p->functions[p->lines[p->frames[i].line_first].function].resolved;
	atomic_fetch_add(&e->frames_resolved, resolved);
	atomic_fetch_add(&e->frames_unresolved, p->frame_count - resolved);
}

static int merge(struct query_engine *e, const struct query *q, struct profile *p, bool subtracts)
{
	CLEANUP(label_filter_destroyp) struct label_filter *labels = NULL;
	int err = 0;

	if (q->selector && selector_count(q->selector))
		err = label_filter_create(q->selector, &labels);
	if (err)
		return err;

	struct store_scan scan = {
		.wall_from_ns = q->wall_from_ns,
		.wall_to_ns = q->wall_to_ns,
		.selector = q->selector,
		.resolution_ns = STORE_TOTALS,
		.borrows = true,
		.exact = q->exact,
	};
	struct merging m = {
		.q = q,
		.profile = p,
		.filter = {q->wall_from_ns, q->wall_to_ns, labels, subtracts},
	};

	return history_scan(e->history, &scan, merge_window, &m);
}

/* Samples of which both sides have the same say nothing. */
static void drop_zeros(struct profile *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->sample_count; i++)
		if (p->samples[i].count || p->samples[i].cpu_ns)
			p->samples[kept++] = p->samples[i];
	p->sample_count = kept;
}

int query_difference(struct query_engine *e, const struct query *q, const struct query *base,
		     struct profile **ret)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;
	struct profile_options options = {.labels = q->labels,
					  .all_labels = q->all_labels,
					  .limit_bytes = atomic_load(&e->limit_bytes)};
	int err = profile_create(&options, &p);

	if (!err)
		err = merge(e, q, p, false);
	if (!err && base)
		err = merge(e, base, p, true);
	if (!err && base)
		drop_zeros(p);
	if (!err) {
		uint64_t wait_ns = q->symbol_wait_ns ? q->symbol_wait_ns : QUERY_SYMBOL_WAIT_NS;

		uint64_t until_ns = clock_now_ns() + wait_ns;

		if (q->deadline_ns && until_ns > q->deadline_ns)
			until_ns = q->deadline_ns;
		err = profile_symbolize(p, e->symbolizer, until_ns);
	}
	if (err)
		return query_count_stop(e, err);
	if (!p->window_count) {
		p->wall_from_ns = q->wall_from_ns;
		p->wall_to_ns = q->wall_to_ns;
	}
	count_frames(e, p);
	*ret = take_ptr(p);
	return 0;
}

int query_profile(struct query_engine *e, const struct query *q, struct profile **ret)
{
	return query_difference(e, q, NULL, ret);
}

void query_prefetch(struct query_engine *e, const struct query *q)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;

	if (!e->symbolizer || profile_create(NULL, &p) || merge(e, q, p, false))
		return;
	(void)profile_prefetch(p, e->symbolizer); /* as documented */
}

void query_prefetch_window(struct query_engine *e, const struct window *w)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;

	if (!e->symbolizer || profile_create(NULL, &p) || profile_add_window(p, w, NULL))
		return;
	(void)profile_prefetch(p, e->symbolizer); /* as documented */
}
