/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which blocks to read for a range of time:
 *
 *	|......|==5m==|======1h======|======1h======|==5m==|=5m==|....|
 *	 detail                                                   detail
 *
 * 1. From the coarsest tier that is allowed down to 5 minutes: every sum whose slot lies inside of what is not
 *    covered yet.
 * 2. Detail for the rest. It is exact.
 * 3. Where there is no detail any more: the finest sum that there is, in part.
 *
 * A sum is made of all the detail of its slot, so that one of them covers the slot for good. In step 3 a sum counts
 * only if nothing finer touches its slot: the samples of what is finer are in the sum as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "server/store/sqlite_catalog.h"
#include "server/store/sqlite_plan.h"

struct interval {
	uint64_t from_ns;
	uint64_t to_ns;
};

struct intervals {
	struct interval *items; /* in order, apart from each other */
	size_t count, capacity;
};

/* A plan that is being made. */
struct planning {
	struct store_sqlite *store;
	struct plan *plan;
	struct intervals open; /* what is not covered yet */
};

static void intervals_release(struct intervals *l)
{
	free(l->items);
}

static void planning_release(struct planning *g)
{
	intervals_release(&g->open);
}

static int add_interval(struct intervals *l, uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns >= to_ns)
		return 0;
	if (array_reserve((void **)&l->items, &l->capacity, l->count + 1, sizeof(*l->items)))
		return -ENOMEM;
	l->items[l->count++] = (struct interval){from_ns, to_ns};
	return 0;
}

/* Takes [from, to) out of the intervals. */
static int cut(struct intervals *l, uint64_t from_ns, uint64_t to_ns)
{
	struct intervals rest = {0};
	int err = 0;

	for (size_t i = 0; i < l->count && !err; i++) {
		struct interval v = l->items[i];

		err = add_interval(&rest, v.from_ns, from_ns < v.to_ns ? from_ns : v.to_ns);
		if (!err)
			err = add_interval(&rest, to_ns > v.from_ns ? to_ns : v.from_ns, v.to_ns);
	}
	intervals_release(l);
	*l = rest;
	return err;
}

static int add_piece(struct plan *p, struct segment *segment, const struct segment_row *row,
		     struct interval wanted)
{
	if (array_reserve((void **)&p->pieces, &p->capacity, p->count + 1, sizeof(*p->pieces)))
		return -ENOMEM;
	segment->references++;
	p->pieces[p->count++] = (struct piece){
		.segment = segment,
		.row = *row,
		.from_ns = wanted.from_ns,
		.to_ns = wanted.to_ns,
	};
	return 0;
}

static struct interval slot_of(enum tier tier, const struct segment_row *row)
{
	uint64_t slot_ns = tier_rules[tier].slot_ns;

	if (!slot_ns)
		return (struct interval){row->start_ns, row->end_ns};

	uint64_t from_ns = row->start_ns - row->start_ns % slot_ns;

	return (struct interval){from_ns, from_ns + slot_ns};
}

static bool overlaps(struct interval a, struct interval b)
{
	return a.from_ns < b.to_ns && b.from_ns < a.to_ns;
}

static bool is_inside(struct interval inner, const struct intervals *outer)
{
	for (size_t i = 0; i < outer->count; i++)
		if (inner.from_ns >= outer->items[i].from_ns &&
		    inner.to_ns <= outer->items[i].to_ns)
			return true;
	return false;
}

static bool span_overlaps(const struct segment *segment, const struct intervals *l)
{
	struct interval span = {segment->start_ns,
				segment->start_ns + tier_rules[segment->tier].file_ns};

	return l->count &&
	       overlaps(span, (struct interval){l->items[0].from_ns, l->items[l->count - 1].to_ns});
}

/* Takes what a step wants of a row. @ret_taken: what is covered for good by it; stays empty if nothing is. */
typedef int (*take_fn)(struct planning *g, struct segment *segment, const struct segment_row *row,
		       struct interval *ret_taken);

/* Rows of one slot follow each other and are all taken: what they cover is cut out only when a tier is done. */
static int take_rows(struct planning *g, enum tier tier, take_fn take)
{
	const struct segment_list *list = &g->store->tiers[tier];
	struct intervals taken = {0};
	int err = 0;

	for (size_t i = 0; i < list->count && !err; i++) {
		struct segment *segment = list->items[i];
		size_t row_count = span_overlaps(segment, &g->open) ? segment->row_count : 0;

		for (size_t k = 0; k < row_count && !err; k++) {
			struct interval covered = {0};

			err = take(g, segment, &segment->rows[k], &covered);
			if (!err)
				err = add_interval(&taken, covered.from_ns, covered.to_ns);
		}
	}
	for (size_t i = 0; i < taken.count && !err; i++)
		err = cut(&g->open, taken.items[i].from_ns, taken.items[i].to_ns);
	intervals_release(&taken);
	return err;
}

/* Step 1. */
static int take_whole(struct planning *g, struct segment *segment, const struct segment_row *row,
		      struct interval *ret_taken)
{
	struct interval slot = slot_of(segment->tier, row);

	if (!is_inside(slot, &g->open))
		return 0;
	*ret_taken = slot;
	return add_piece(g->plan, segment, row, (struct interval){0, UINT64_MAX});
}

/* Whether any tier below has something in an interval. */
static bool has_finer(const struct store_sqlite *s, enum tier tier, struct interval slot)
{
	for (enum tier finer = 0; finer < tier; finer++)
		for (size_t i = 0; i < s->tiers[finer].count; i++) {
			const struct segment *segment = s->tiers[finer].items[i];
			struct interval span = {segment->start_ns,
						segment->start_ns + tier_rules[finer].file_ns};

			if (!overlaps(span, slot))
				continue;
			for (size_t k = 0; k < segment->row_count; k++)
				if (overlaps(slot, (struct interval){segment->rows[k].start_ns,
								     segment->rows[k].end_ns}))
					return true;
		}
	return false;
}

/* Steps 2 and 3: what of a row lies in the open intervals. */
static int take_part(struct planning *g, struct segment *segment, const struct segment_row *row,
		     struct interval *ret_taken)
{
	struct interval span = {row->start_ns, row->end_ns};
	bool is_sum = segment->tier != TIER_DETAIL;
	int err = 0;

	if (row->hidden ||
	    (is_sum && has_finer(g->store, segment->tier, slot_of(segment->tier, row))))
		return 0;
	for (size_t i = 0; i < g->open.count && !err; i++) {
		if (!overlaps(g->open.items[i], span))
			continue;
		err = add_piece(g->plan, segment, row, g->open.items[i]);
		if (is_sum)
			*ret_taken = span;
	}
	return err;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a;
	const struct piece *y = b;

	if (x->segment != y->segment) {
		if (x->segment->start_ns != y->segment->start_ns)
			return x->segment->start_ns < y->segment->start_ns ? -1 : 1;
		if (x->segment->tier != y->segment->tier)
			return x->segment->tier > y->segment->tier ? -1 : 1;
		return x->segment->serial < y->segment->serial ? -1 : 1;
	}
	if (x->row.start_ns != y->row.start_ns)
		return x->row.start_ns < y->row.start_ns ? -1 : 1;
	if (x->row.id != y->row.id)
		return x->row.id < y->row.id ? -1 : 1;
	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

static int make(struct store_sqlite *s, const struct plan_request *request, struct plan *p)
{
	CLEANUP(planning_release) struct planning g = {.store = s, .plan = p};
	int err = add_interval(&g.open, request->from_ns, request->to_ns);

	for (enum tier tier = request->coarsest; tier > TIER_DETAIL && !err; tier--)
		err = take_rows(&g, tier, take_whole);
	if (!err)
		err = take_rows(&g, TIER_DETAIL, take_part);

	enum tier last = request->no_coarser ? request->coarsest : TIER_COUNT - 1;

	for (enum tier tier = TIER_5M; tier <= last && !err; tier++)
		err = take_rows(&g, tier, take_part);
	return err;
}

static int take_waiting(struct store_sqlite *s, struct plan *p)
{
	p->waiting = calloc(s->pending_count + 1, sizeof(*p->waiting));
	if (!p->waiting)
		return -ENOMEM;
	for (size_t i = 0; i < s->pending_count; i++)
		p->waiting[p->waiting_count++] = window_ref(s->pending[i]);
	return 0;
}

int sqlite_plan_make(struct store_sqlite *s, const struct plan_request *request, struct plan *ret)
{
	*ret = (struct plan){0};
	pthread_mutex_lock(&s->lock);

	int err = make(s, request, ret);

	if (!err)
		err = take_waiting(s, ret);
	if (!err && request->sums_up)
		s->summed_ns[request->coarsest + 1] = request->to_ns;
	s->scans++;
	for (size_t i = 0; i < ret->count; i++)
		ret->pieces[i].segment->used = s->scans;
	pthread_mutex_unlock(&s->lock);
	if (err)
		sqlite_plan_release(s, ret);
	else if (ret->count)
		qsort(ret->pieces, ret->count, sizeof(*ret->pieces), compare_pieces);
	return err;
}

void sqlite_plan_release(struct store_sqlite *s, struct plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		sqlite_segment_unref(s, p->pieces[i].segment);
	for (size_t i = 0; i < p->waiting_count; i++)
		window_unref(p->waiting[i]);
	free(p->waiting);
	free(p->pieces);
	*p = (struct plan){0};
}
