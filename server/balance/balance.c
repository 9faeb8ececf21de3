// SPDX-License-Identifier: Apache-2.0
#include "server/balance/balance.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "server/balance/interval.h"
#include "server/store/balance_store.h"

#define READING_NS     (10 * NS_PER_S)
#define FRESH_NS       (NS_PER_S / 2) /* a reading this young is good enough for an answer */
#define MERGED_NS      (300 * NS_PER_S)
#define MERGE_AFTER_NS (3600 * NS_PER_S)
#define DEFAULT_LIMIT  (16ull << 20)
#define INTERVALS_MAX  64u /* that wait for their windows */

struct balance {
	struct accounting_source source;
	struct balance_store *store;
	history_snapshot_fn snapshot;
	void *snapshot_arg;
	pthread_t thread;
	bool has_thread;

	/* Whoever writes, reads or takes away rows and intervals; taken before `lock`, and never by the profiler. */
	pthread_mutex_t rows_lock;
	uint64_t merged_to_ns; /* rows before this are merged */

	pthread_mutex_t lock; /* guards all below; held for moments */
	pthread_cond_t wake;
	bool stopping;
	struct interval *intervals; /* oldest first; the last one is open */
	size_t interval_count, interval_capacity;
	uint64_t windows_to_ns; /* end of the last window that was counted */
};

/* --- readings ---------------------------------------------------------------------------------- */

/* A reading ends the open interval and begins the next. */
static int take_reading(struct balance *b)
{
	struct interval next = {.to_ns = UINT64_MAX};
	struct accounting after = {0};
	int err = accounting_read(&b->source, &next.before);

	if (!err && b->interval_count)
		err = accounting_copy(&next.before, &after);
	if (!err)
		err = array_reserve((void **)&b->intervals, &b->interval_capacity,
				    b->interval_count + 1, sizeof(*b->intervals));
	if (err) {
		accounting_release(&after);
		interval_release(&next);
		return err;
	}
	if (b->interval_count) {
		struct interval *open = &b->intervals[b->interval_count - 1];

		open->after = after;
		open->to_ns = after.wall_ns;
	}
	if (b->interval_count == INTERVALS_MAX) { /* no windows come: what is oldest goes */
		interval_release(&b->intervals[0]);
		memmove(b->intervals, b->intervals + 1,
			--b->interval_count * sizeof(*b->intervals));
	}
	b->intervals[b->interval_count++] = next;
	return 0;
}

/* --- rows -------------------------------------------------------------------------------------- */

static int put_row(struct balance *b, const struct balance_row *row)
{
	auto_buffer text = BUFFER_INIT;

	balance_row_write(row, &text);
	if (!buffer_terminate(&text))
		return -ENOMEM;
	return balance_store_put(b->store, row->wall_from_ns, row->wall_to_ns, text.bytes);
}

static int merge_text(const char *text, void *arg)
{
	int err = balance_row_read(text, arg);

	return err == -EBADMSG ? 0 : err; /* damaged: its interval is a gap */
}

/* One row instead of those of five minutes that ended long ago. A failure costs room only. */
static void merge_old(struct balance *b, uint64_t now_ns)
{
	CLEANUP(balance_row_release) struct balance_row sum = {0};
	uint64_t from_ns = b->merged_to_ns;
	uint64_t to_ns = from_ns - from_ns % MERGED_NS + MERGED_NS;

	if (!from_ns || to_ns + MERGE_AFTER_NS > now_ns)
		return;
	b->merged_to_ns = to_ns;
	if (balance_store_scan(b->store, from_ns, to_ns, merge_text, &sum) || !sum.covered_ns)
		return;
	if (sum.wall_to_ns > b->merged_to_ns)
		b->merged_to_ns = sum.wall_to_ns;
	(void)put_row(b, &sum); /* see above */
}

/* The oldest interval, if all its samples have come, as a row. The caller holds rows_lock. */
static bool next_row(struct balance *b, struct balance_row *ret)
{
	struct interval *i = &b->intervals[0];
	bool is_ready = false;

	(void)pthread_mutex_lock(&b->lock); /* not recursive, not error-checking: cannot fail */
	if (b->interval_count && i->to_ns <= b->windows_to_ns)
		is_ready = !interval_finish(i, &i->row, ret); /* without memory: next time */
	(void)pthread_mutex_unlock(&b->lock);
	return is_ready;
}

static void remove_oldest(struct balance *b)
{
	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	interval_release(&b->intervals[0]);
	memmove(b->intervals, b->intervals + 1, --b->interval_count * sizeof(*b->intervals));
	(void)pthread_mutex_unlock(&b->lock);
}

/* Intervals whose samples have all come become rows. */
static void finish_intervals(struct balance *b)
{
	struct balance_row row = {0};

	(void)pthread_mutex_lock(&b->rows_lock); /* cannot fail, see above */
	while (next_row(b, &row)) {
		(void)put_row(b, &row); /* an interval that cannot be kept is a gap */
		remove_oldest(b);
		if (!b->merged_to_ns)
			b->merged_to_ns = row.wall_from_ns;
		merge_old(b, row.wall_to_ns);
		balance_row_release(&row);
	}
	(void)pthread_mutex_unlock(&b->rows_lock);
}

void balance_add_window(struct balance *b, const struct window *w)
{
	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	for (size_t n = 0; n < b->interval_count; n++) {
		struct interval *i = &b->intervals[n];

		if (i->before.wall_ns < w->wall_end_ns && i->to_ns > w->wall_start_ns)
			(void)interval_attribute(w, i->before.wall_ns, i->to_ns,
						 &i->row); /* without memory it shows as missing */
	}
	if (w->wall_end_ns > b->windows_to_ns)
		b->windows_to_ns = w->wall_end_ns;
	(void)pthread_cond_signal(&b->wake);
	(void)pthread_mutex_unlock(&b->lock);
}

/* --- answers ----------------------------------------------------------------------------------- */

/* An interval that ended but is no row yet: with what the open window has to say about it. */
static int add_pending(const struct interval *i, const struct window *open, struct balance_row *ret)
{
	CLEANUP(balance_row_release) struct balance_row attributed = {0};
	int err = balance_row_merge(&attributed, &i->row);

	if (!err && open)
		err = interval_attribute(open, i->before.wall_ns, i->to_ns, &attributed);
	return err ? err : interval_finish(i, &attributed, ret);
}

static int add_all_pending(struct balance *b, const struct window *open, uint64_t from_ns,
			   uint64_t to_ns, struct balance_row *ret)
{
	uint64_t known_to_ns = open ? open->wall_end_ns : b->windows_to_ns;
	int err = 0;

	for (size_t n = 0; n < b->interval_count && !err; n++) {
		const struct interval *i = &b->intervals[n];

		if (i->to_ns <= known_to_ns && i->to_ns > from_ns && i->before.wall_ns < to_ns)
			err = add_pending(i, open, ret);
	}
	return err;
}

/* A reading of now, if the range reaches there and the last one is not fresh. */
static void refresh(struct balance *b, uint64_t wall_to_ns)
{
	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	if (b->interval_count) {
		uint64_t last_ns = b->intervals[b->interval_count - 1].before.wall_ns;

		if (wall_to_ns > last_ns && clock_wall_now_ns() > last_ns + FRESH_NS)
			(void)take_reading(b); /* else the answer ends at the last one */
	}
	(void)pthread_mutex_unlock(&b->lock);
}

/* The open window, NULL without one. Of a window that closed meanwhile the samples are counted already. */
static struct window *take_snapshot(struct balance *b)
{
	struct window *w = NULL;

	return b->snapshot && !b->snapshot(b->snapshot_arg, &w) ? w : NULL;
}

int balance_query(struct balance *b, uint64_t wall_from_ns, uint64_t wall_to_ns,
		  struct balance_row *ret)
{
	CLEANUP(balance_row_release) struct balance_row sum = {0};

	(void)pthread_mutex_lock(&b->rows_lock); /* cannot fail, see above */
	refresh(b, wall_to_ns);

	struct window *open = take_snapshot(b); /* the loop may wait for `lock`: not with it held */
	int err = balance_store_scan(b->store, wall_from_ns, wall_to_ns, merge_text, &sum);

	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	if (!err) {
		bool is_open = open && open->wall_start_ns + NS_PER_MS >= b->windows_to_ns;

		err = add_all_pending(b, is_open ? open : NULL, wall_from_ns, wall_to_ns, &sum);
	}
	(void)pthread_mutex_unlock(&b->lock);
	(void)pthread_mutex_unlock(&b->rows_lock);
	window_unref(open);
	if (err)
		return err;
	*ret = sum;
	sum = (struct balance_row){0};
	return 0;
}

enum account_hierarchy balance_hierarchy(const struct balance *b)
{
	return b->source.hierarchy;
}

/* --- life -------------------------------------------------------------------------------------- */

/* Waits for windows, the next reading or the end. Returns whether to go on. */
static bool wait_for_work(struct balance *b, uint64_t due_ns)
{
	struct timespec due = {(time_t)(due_ns / NS_PER_S), (long)(due_ns % NS_PER_S)};

	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	if (!b->stopping)
		(void)pthread_cond_timedwait(&b->wake, &b->lock,
					     &due); /* what woke us is looked for */

	bool goes_on = !b->stopping;

	(void)pthread_mutex_unlock(&b->lock);
	return goes_on;
}

static void *balance_loop(void *arg)
{
	struct balance *b = arg;
	uint64_t due_ns = clock_now_ns() + READING_NS;

	while (wait_for_work(b, due_ns)) {
		if (clock_now_ns() >= due_ns) {
			(void)pthread_mutex_lock(&b->rows_lock); /* cannot fail, see above */
			(void)pthread_mutex_lock(&b->lock);
			(void)take_reading(b); /* the interval goes on until one succeeds */
			(void)pthread_mutex_unlock(&b->lock);
			(void)pthread_mutex_unlock(&b->rows_lock);
			due_ns += READING_NS;
		}
		finish_intervals(b);
	}
	return NULL;
}

static int start_thread(struct balance *b)
{
	sigset_t all, before;

	(void)sigfillset(&all); /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);

	int err = -pthread_create(&b->thread, NULL, balance_loop, b);

	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	b->has_thread = !err;
	if (!err)
		(void)pthread_setname_np(b->thread, "hearth-balance"); /* for ps only */
	return err;
}

int balance_create(const struct balance_options *options, struct balance **ret)
{
	struct balance *b = calloc(1, sizeof(*b));
	pthread_condattr_t monotonic;

	if (!b)
		return -ENOMEM;
	b->source = (struct accounting_source){.root_fd = -1, .stat_fd = -1};
	b->snapshot = options->snapshot;
	b->snapshot_arg = options->snapshot_arg;
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_mutex_init(&b->rows_lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&b->wake, &monotonic); /* none of these fails on Linux */
	(void)pthread_condattr_destroy(&monotonic);

	int err = balance_store_open(options->path,
				     options->limit_bytes ? options->limit_bytes : DEFAULT_LIMIT,
				     &b->store);

	if (err) {
		balance_destroy(b);
		return err;
	}
	*ret = b;
	return 0;
}

int balance_start(struct balance *b)
{
	int err = accounting_open(NULL, NULL, &b->source);

	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	if (!err)
		err = take_reading(b);
	(void)pthread_mutex_unlock(&b->lock);
	return err ? err : start_thread(b);
}

void balance_destroy(struct balance *b)
{
	if (!b)
		return;
	(void)pthread_mutex_lock(&b->lock); /* cannot fail, see above */
	b->stopping = true;
	(void)pthread_cond_signal(&b->wake);
	(void)pthread_mutex_unlock(&b->lock);
	if (b->has_thread)
		(void)pthread_join(b->thread, NULL); /* it is ours */
	/* No more windows come: what has ended is what it is; the open interval is let go. */
	b->windows_to_ns = UINT64_MAX - 1;
	if (b->store)
		finish_intervals(b);
	for (size_t i = 0; i < b->interval_count; i++)
		interval_release(&b->intervals[i]);
	free(b->intervals);
	accounting_close(&b->source);
	balance_store_close(b->store);
	(void)pthread_cond_destroy(&b->wake); /* nobody waits any more */
	(void)pthread_mutex_destroy(&b->lock);
	(void)pthread_mutex_destroy(&b->rows_lock);
	free(b);
}
