/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what a plan says, segment by segment, then what is not written yet.
 *
 * For totals all blocks of a segment become one window, so that the visitor sees each stack once per segment and
 * not once per block; otherwise each window comes by itself. Samples that the selector excludes are left out as
 * soon as their label set is known, and a segment none of whose label sets match is not read any further.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/store/sqlite_catalog.h"
#include "server/store/sqlite_plan.h"
#include "server/store/sqlite_sums.h"

DEFINE_CLEANUP(label_filter_destroy, struct label_filter *)
DEFINE_CLEANUP(window_unref, struct window *)

/* Opens the segment and reads its dictionary as far as the pieces need it. With the segment's lock held. */
static int open_segment(struct segment *segment, const struct piece *pieces, size_t count,
			const struct segment_dict **ret)
{
	int64_t last_id = 0;
	int err = 0;

	for (size_t i = 0; i < count; i++)
		if (pieces[i].row.id > last_id)
			last_id = pieces[i].row.id;
	if (!segment->reader)
		err = segment_reader_open(segment->path, &segment->reader);
	return err ? err : segment_reader_dict(segment->reader, last_id, ret);
}

/* Whether any label set of the segment is asked for; fills in which. */
static int match_labels(struct sqlite_reading *g, struct label_filter *filter, bool *ret_any)
{
	const struct window *tables = &g->dict->tables.w;
	int err = 0;

	*ret_any = true;
	free(g->matches);
	g->matches = NULL;
	if (!filter)
		return 0;
	g->matches = calloc(tables->label_set_count + 1u, 1);
	if (!g->matches)
		return -ENOMEM;
	err = label_filter_apply(filter, tables, g->matches);
	*ret_any = memchr(g->matches, 1, tables->label_set_count) != NULL;
	return err;
}

static int read_block(struct sqlite_reading *g, const struct piece *piece)
{
	struct segment_block_reader opened = {0};
	CLEANUP(segment_block_reader_releasep) struct segment_block_reader *block = &opened;
	bool whole = piece->from_ns <= piece->row.start_ns && piece->to_ns >= piece->row.end_ns;
	bool without_times =
		g->segment->tier == TIER_DETAIL && whole && g->scan->resolution_ns == STORE_TOTALS;
	int err = segment_reader_block(g->segment->reader, piece->row.id, without_times, block);

	while (!err) {
		struct segment_window w;

		err = segment_block_next(block, &w);
		if (!err && w.wall_end_ns > piece->from_ns && w.wall_start_ns < piece->to_ns)
			err = sqlite_reading_add(g, &w, piece->from_ns, piece->to_ns);
	}
	return err == -ENOENT ? 0 : err;
}

/* With the segment's lock held. */
static int read_segment(struct sqlite_reading *g, struct label_filter *filter,
			const struct piece *pieces, size_t count)
{
	bool any;
	int err = open_segment(g->segment, pieces, count, &g->dict);

	if (!err)
		err = match_labels(g, filter, &any);
	if (!err && !any)
		return sqlite_reading_nothing(g, &pieces[0].row, &pieces[count - 1].row);
	for (size_t i = 0; i < count && !err; i++)
		err = read_block(g, &pieces[i]);
	return err ? err : sqlite_reading_flush(g);
}

/* Closes a segment if nobody else is reading it. */
static void close_reader(struct store_sqlite *s, struct segment *segment)
{
	pthread_mutex_lock(&segment->reader_lock);
	if (!segment->readings) {
		segment_reader_close(segment->reader);
		segment->reader = NULL;
	}
	size_t bytes = segment->reader ? segment_reader_bytes(segment->reader) : 0;

	pthread_mutex_lock(&s->lock);
	segment->reader_bytes = bytes;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&segment->reader_lock);
}

/*
 * What an error of reading a segment means for the scan: a file that is gone was let go of meanwhile, a damaged one
 * is set aside; the rest of the history is still worth having.
 */
static int judge(struct store_sqlite *s, struct segment *segment, int err)
{
	close_reader(s, segment);
	if (err != -EBADMSG && err != -EIO && err != -ENOENT)
		return err;
	if (err != -ENOENT)
		sqlite_catalog_set_aside(s, segment, err);
	return 0;
}

static int scan_segment(struct sqlite_reading *g, struct label_filter *filter,
			const struct piece *pieces, size_t count)
{
	struct segment *segment = pieces->segment;

	g->segment = segment;
	g->visitor_result = 0;
	pthread_mutex_lock(&segment->reader_lock);
	segment->readings++;

	int err = read_segment(g, filter, pieces, count);

	segment->readings--;

	size_t bytes = segment->reader ? segment_reader_bytes(segment->reader) : 0;

	pthread_mutex_lock(&g->store->lock);
	segment->reader_bytes = bytes;
	pthread_mutex_unlock(&g->store->lock);
	pthread_mutex_unlock(&segment->reader_lock);
	if (g->visitor_result)
		return g->visitor_result;
	return err ? judge(g->store, segment, err) : 0;
}

/* The segment with an open reader that was used the longest time ago, if there are too many; NULL if not. */
static struct segment *reader_to_close(struct store_sqlite *s, size_t most, size_t most_bytes)
{
	struct segment *oldest = NULL;
	size_t count = 0;
	size_t bytes = 0;

	for (enum tier tier = 0; tier < TIER_COUNT; tier++)
		for (size_t i = 0; i < s->tiers[tier].count; i++) {
			struct segment *segment = s->tiers[tier].items[i];

			if (!segment->reader_bytes)
				continue;
			count++;
			bytes += segment->reader_bytes;
			if (!oldest || segment->used < oldest->used)
				oldest = segment;
		}
	if (count <= most && bytes <= most_bytes)
		return NULL;
	oldest->references++;
	return oldest;
}

void sqlite_close_readers(struct store_sqlite *s, size_t most, size_t most_bytes)
{
	for (size_t i = 0; i < TIER_COUNT * SQLITE_READERS_MAX; i++) {
		pthread_mutex_lock(&s->lock);

		struct segment *segment = reader_to_close(s, most, most_bytes);

		pthread_mutex_unlock(&s->lock);
		if (!segment)
			return;
		close_reader(s, segment);
		sqlite_segment_unref(s, segment);
	}
}

int sqlite_scan_plan(struct store_sqlite *s, struct plan *p, const struct store_scan *scan,
		     store_visit_fn visit, void *arg)
{
	CLEANUP(label_filter_destroyp) struct label_filter *filter = NULL;
	CLEANUP(sqlite_reading_release)
	struct sqlite_reading g = {.store = s, .scan = scan, .visit = visit, .arg = arg};
	bool selects = scan->selector && selector_count(scan->selector);
	int result = selects ? label_filter_create(scan->selector, &filter) : 0;

	for (size_t i = 0; i < p->count && !result;) {
		size_t count = 1;

		while (i + count < p->count && p->pieces[i + count].segment == p->pieces[i].segment)
			count++;
		result = scan_segment(&g, filter, &p->pieces[i], count);
		sqlite_close_readers(s, SQLITE_READERS_MAX, SQLITE_READER_BYTES_MAX);
		i += count;
	}
	return result;
}

/* The coarsest sums that a visitor does not see the difference of. */
static enum tier coarsest_for(uint64_t resolution_ns)
{
	enum tier tier = resolution_ns == STORE_TOTALS ? TIER_1D : TIER_1H;

	while (tier > TIER_DETAIL && tier_rules[tier].slot_ns > resolution_ns)
		tier--;
	return tier;
}

static int visit_waiting(const struct plan *p, const struct plan_request *request,
			 store_visit_fn visit, void *arg)
{
	int result = 0;

	for (size_t i = 0; i < p->waiting_count && !result; i++) {
		struct window *w = p->waiting[i];

		if (w->wall_end_ns > request->from_ns && w->wall_start_ns < request->to_ns)
			result = visit(w, arg);
	}
	return result;
}

int sqlite_scan(struct store *store, const struct store_scan *scan, store_visit_fn visit, void *arg)
{
	struct store_sqlite *s = (struct store_sqlite *)store;
	struct plan_request request = {
		.from_ns = scan->wall_from_ns,
		.to_ns = scan->wall_to_ns ? scan->wall_to_ns : UINT64_MAX,
		.coarsest = coarsest_for(scan->resolution_ns),
	};
	struct plan plan;
	int result = sqlite_plan_make(s, &request, &plan);

	if (result)
		return result;
	result = sqlite_scan_plan(s, &plan, scan, visit, arg);
	if (!result)
		result = visit_waiting(&plan, &request, visit, arg);
	sqlite_plan_release(s, &plan);
	return result;
}
