/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking windows in. Each goes through a queue in memory: what cannot be written stays there, is seen by scans, and
 * is written as soon as that works again, in the order of arrival.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/log.h"
#include "server/store/sqlite_catalog.h"

#define PENDING_BYTES_MAX (32u << 20)

static int reserve(void *arg, size_t bytes)
{
	const struct tier_writer *t = arg;

	return sqlite_budget_reserve(t->store, bytes);
}

static void settle(void *arg, size_t bytes)
{
	const struct tier_writer *t = arg;

	sqlite_catalog_settle(t->store, t->segment, bytes);
}

void sqlite_close_writer(struct store_sqlite *s, enum tier tier)
{
	struct tier_writer *t = &s->writers[tier];

	segment_writer_close(t->writer);
	t->writer = NULL;
	pthread_mutex_lock(&s->lock);

	struct segment *segment = t->segment;

	t->segment = NULL;
	pthread_mutex_unlock(&s->lock);
	sqlite_segment_unref(s, segment);
}

/* Opens the writer of a moment's segment; @fresh: not that of one that is there. */
static int open_writer(struct store_sqlite *s, enum tier tier, uint64_t time_ns, bool fresh)
{
	struct tier_writer *t = &s->writers[tier];
	struct segment *segment = NULL;

	sqlite_close_writer(s, tier);

	int err = sqlite_catalog_take(s, tier, time_ns, fresh, &segment);

	if (err)
		return err;
	t->store = s;
	t->tier = tier;
	pthread_mutex_lock(&s->lock);
	t->segment = segment;
	pthread_mutex_unlock(&s->lock);
	err = segment_writer_open(
		segment->path, tier == TIER_DETAIL ? SEGMENT_DETAIL : SEGMENT_TOTALS, &t->writer);
	if (!err) {
		segment_writer_watch(t->writer, reserve, settle, t);
		return 0;
	}
	if (err == -EBADMSG)
		sqlite_catalog_set_aside(s, segment, err);
	sqlite_close_writer(s, tier);
	return err;
}

/* Whether the open writer is the one for a moment. */
static bool has_writer(struct store_sqlite *s, enum tier tier, uint64_t time_ns)
{
	struct tier_writer *t = &s->writers[tier];

	if (!t->writer || t->segment->start_ns != time_ns - time_ns % tier_rules[tier].file_ns)
		return false;
	pthread_mutex_lock(&s->lock);

	bool gone = t->segment->gone;
	bool full = t->segment->bytes >= s->segment_bytes;

	pthread_mutex_unlock(&s->lock);
	return !gone && !full && !segment_writer_is_large(t->writer);
}

static int write_once(struct store_sqlite *s, enum tier tier, const struct window *w,
		      const struct segment_span *span)
{
	struct tier_writer *t = &s->writers[tier];
	struct segment_row row;
	int err = segment_writer_append(t->writer, w, span, &row);

	if (err) {
		sqlite_close_writer(s, tier);
		return err;
	}
	row.hidden = tier == TIER_DETAIL;
	if (row.windows)
		sqlite_catalog_add_row(s, t->segment, &row);
	return 0;
}

int sqlite_write(struct store_sqlite *s, enum tier tier, const struct window *w,
		 const struct segment_span *span)
{
	uint64_t start_ns = span->from_ns > w->wall_start_ns ? span->from_ns : w->wall_start_ns;
	bool is_large = s->writers[tier].writer && segment_writer_is_large(s->writers[tier].writer);
	int err = 0;

	if (!has_writer(s, tier, start_ns))
		err = open_writer(s, tier, start_ns, is_large);
	if (err == -EBADMSG) /* it was set aside; another one takes its place */
		err = open_writer(s, tier, start_ns, true);
	if (err)
		return err;
	err = write_once(s, tier, w, span);
	if (err != -EFBIG)
		return err;

	/* Too much for what is left of the dictionary: an empty one may do. */
	err = open_writer(s, tier, start_ns, true);
	return err ? err : write_once(s, tier, w, span);
}

static void note_written(struct store_sqlite *s, uint64_t until_ns)
{
	pthread_mutex_lock(&s->lock);
	s->pending_written_ns = until_ns;
	pthread_mutex_unlock(&s->lock);
}

/*
 * Writes the first window of the queue into the file of each hour that it touches. What is written stays hidden
 * until all is, so that a scan sees the window either in the queue or on disk; and is not written again.
 */
static int write_detail(struct store_sqlite *s, const struct window *w)
{
	const uint64_t file_ns = tier_rules[TIER_DETAIL].file_ns;
	uint64_t from_ns = s->pending_written_ns;
	uint64_t start_ns = from_ns > w->wall_start_ns ? from_ns : w->wall_start_ns;
	uint64_t to_ns = start_ns - start_ns % file_ns + file_ns;
	int err = 0;

	for (bool more = true; more && !err; to_ns += file_ns) {
		more = to_ns < w->wall_end_ns;

		struct segment_span span = {from_ns, more ? to_ns : UINT64_MAX};

		err = sqlite_write(s, TIER_DETAIL, w, &span);
		if (!err)
			note_written(s, from_ns = to_ns);
	}
	return err;
}

/* Removes a window of the queue. With the lock held. */
static void remove_pending(struct store_sqlite *s, size_t index)
{
	s->pending_bytes -= window_bytes(s->pending[index]);
	window_unref(s->pending[index]);
	memmove(s->pending + index, s->pending + index + 1,
		(--s->pending_count - index) * sizeof(*s->pending));
	s->stats.waiting = s->pending_count;
}

/* The first window is on disk: it is seen there from now on. With the lock held. */
static void finish_first(struct store_sqlite *s)
{
	remove_pending(s, 0);
	s->pending_written_ns = 0;
	s->writing_first = false;
	sqlite_catalog_show_rows(s);
}

/* The oldest window that may be let go of: not the one that is being written, or is written in part. */
static bool drop_pending(struct store_sqlite *s)
{
	size_t index = s->writing_first || s->pending_written_ns ? 1 : 0;

	if (index >= s->pending_count)
		return false;
	remove_pending(s, index);
	s->stats.refused++;
	return true;
}

static int push_pending(struct store_sqlite *s, struct window *w)
{
	size_t bytes = window_bytes(w);
	int err = 0;

	pthread_mutex_lock(&s->lock);
	while (s->pending_bytes + bytes > PENDING_BYTES_MAX && drop_pending(s))
		;
	if (array_reserve((void **)&s->pending, &s->pending_capacity, s->pending_count + 1,
			  sizeof(*s->pending))) {
		s->stats.refused++;
		err = -ENOMEM;
	} else {
		s->pending[s->pending_count++] = window_ref(w);
		s->pending_bytes += bytes;
		s->stats.waiting = s->pending_count;
		s->newest_ns = w->wall_end_ns;
		s->appended_ns = clock_now_ns();
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* A reference to the oldest window of the queue; NULL if it is empty. */
static struct window *first_pending(struct store_sqlite *s)
{
	struct window *w = NULL;

	pthread_mutex_lock(&s->lock);
	s->writing_first = s->pending_count > 0;
	if (s->writing_first)
		w = window_ref(s->pending[0]);
	pthread_mutex_unlock(&s->lock);
	return w;
}

/* Says once that writing fails, and once that it works again. */
static void note_state(struct store_sqlite *s, int err)
{
	pthread_mutex_lock(&s->lock);

	bool changed = s->failing != (err != 0);

	s->failing = err != 0;
	pthread_mutex_unlock(&s->lock);
	if (!changed)
		return;
	if (err)
		log_warn(
			"cannot write history in '%s': %s; up to %u MiB are kept in memory, sampling and "
			"live profiles go on",
			s->directory, strerror(-err), PENDING_BYTES_MAX >> 20);
	else
		log_info("history in '%s' is written again", s->directory);
}

/* What can never be written must not block what comes after it. */
static bool is_hopeless(int err)
{
	return err == -EFBIG || err == -EINVAL;
}

static void leave_first(struct store_sqlite *s)
{
	pthread_mutex_lock(&s->lock);
	s->writing_first = false;
	pthread_mutex_unlock(&s->lock);
}

static int write_pending(struct store_sqlite *s)
{
	struct window *w;
	int result = 0;

	while ((w = first_pending(s))) {
		int err = write_detail(s, w);

		if (err && !is_hopeless(err)) {
			leave_first(s);
			window_unref(w);
			return err;
		}

		uint64_t summed_ns[TIER_COUNT];

		pthread_mutex_lock(&s->lock);
		memcpy(summed_ns, s->summed_ns, sizeof(summed_ns));
		if (err)
			s->stats.refused++;
		else
			s->stats.appended++;
		finish_first(s);
		pthread_mutex_unlock(&s->lock);
		if (!err)
			err = sqlite_merge_late(s, w, summed_ns);
		window_unref(w);
		if (err)
			result = err;
	}
	return result;
}

int sqlite_write_pending(struct store_sqlite *s)
{
	pthread_mutex_lock(&s->append_lock);

	int err = write_pending(s);

	note_state(s, err);
	pthread_mutex_unlock(&s->append_lock);
	return err;
}

int sqlite_append(struct store *store, struct window *w)
{
	struct store_sqlite *s = (struct store_sqlite *)store;
	int err = push_pending(s, w);

	if (!err && !s->write_behind)
		err = sqlite_write_pending(s);
	sqlite_budget_expire(s);
	pthread_mutex_lock(&s->lock);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return err;
}
