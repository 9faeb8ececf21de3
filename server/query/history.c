/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/history.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

#define HELD_MAX 4u /* windows; a scan that runs for longer than they take may see one twice */

struct history {
	struct store *store; /* borrowed */
	history_snapshot_fn snapshot;
	void *arg;
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct window *open;   /* the latest snapshot, one reference; NULL = none */
	uint64_t open_wall_ns; /* everything sampled before this moment is in it */
	uint64_t snapshot_count;

	pthread_mutex_t closed_lock;
	/* Guarded by closed_lock: */
	uint64_t closed_wall_ns;       /* end of the last window that closed here */
	unsigned int scans;	       /* that read the store now */
	struct window *held[HELD_MAX]; /* closed while they read it; one reference each */
	unsigned int held_count;
};

/* What a scan sees of this machine besides the store. */
struct present {
	struct window *open; /* NULL = none */
	struct window *held[HELD_MAX];
	unsigned int held_count;
};

int history_create(struct store *store, history_snapshot_fn snapshot, void *arg,
		   struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->store = store;
	h->snapshot = snapshot;
	h->arg = arg;
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->closed_lock, NULL);
	*ret = h;
	return 0;
}

/* Puts the windows that waited into the store. With closed_lock held, or alone. */
static int store_held(struct history *h)
{
	int result = 0;

	for (unsigned int i = 0; i < h->held_count; i++) {
		int err = store_append(h->store, h->held[i]);

		if (err)
			result = err;
		window_unref(h->held[i]);
	}
	h->held_count = 0;
	return result;
}

void history_destroy(struct history *h)
{
	if (!h)
		return;
	(void)store_held(h); /* the store says what it could not keep */
	window_unref(h->open);
	pthread_mutex_destroy(&h->closed_lock);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

struct store *history_store(struct history *h)
{
	return h->store;
}

uint64_t history_snapshots(struct history *h)
{
	pthread_mutex_lock(&h->lock);

	uint64_t count = h->snapshot_count;

	pthread_mutex_unlock(&h->lock);
	return count;
}

/*
 * A store of a fleet holds windows of others that are newer than the one open here, so what of the present is in
 * the store cannot be told by time. Instead a window that closes while the store is read waits until that is over.
 */
int history_append(struct history *h, struct window *w)
{
	int err = 0;

	pthread_mutex_lock(&h->closed_lock);
	if (w->wall_end_ns > h->closed_wall_ns)
		h->closed_wall_ns = w->wall_end_ns;
	if (h->scans && h->held_count < HELD_MAX) {
		h->held[h->held_count++] = window_ref(w);
	} else {
		err = store_held(h);

		int failed = store_append(h->store, w);

		err = failed ? failed : err;
	}
	pthread_mutex_unlock(&h->closed_lock);
	return err;
}

/*
 * Makes sure that h->open holds what the scan wants of the present. Waiting for
 * the lock is waiting for the snapshot that somebody else takes, which then does for both.
 */
static void refresh(struct history *h, const struct store_scan *scan)
{
	uint64_t now_ns = clock_wall_now_ns();
	uint64_t until_ns =
		scan->wall_to_ns && scan->wall_to_ns < now_ns ? scan->wall_to_ns : now_ns;
	uint64_t stale_ns = now_ns - HISTORY_STALE_NS;
	uint64_t wanted_ns = until_ns < stale_ns || scan->exact ? until_ns : stale_ns;
	struct window *fresh = NULL;

	if (h->open_wall_ns >= wanted_ns)
		return;
	if (h->snapshot(h->arg, &fresh))
		return;
	window_unref(h->open);
	h->open = fresh;
	h->open_wall_ns = fresh->wall_end_ns;
	h->snapshot_count++;
}

static struct window *open_window(struct history *h, const struct store_scan *scan)
{
	struct window *w = NULL;

	if (!h->snapshot)
		return NULL;
	pthread_mutex_lock(&h->lock);
	refresh(h, scan);
	if (h->open)
		w = window_ref(h->open);
	pthread_mutex_unlock(&h->lock);
	return w;
}

/*
 * The snapshot is taken first: if its window closes before the store is read, it is in the store or waits, and the
 * snapshot is let go of.
 */
static void begin_scan(struct history *h, const struct store_scan *scan, struct present *ret)
{
	*ret = (struct present){.open = open_window(h, scan)};
	pthread_mutex_lock(&h->closed_lock);
	if (!h->scans)
		(void)store_held(h); /* the store says what it could not keep */
	h->scans++;
	ret->held_count = h->held_count;
	for (unsigned int i = 0; i < h->held_count; i++)
		ret->held[i] = window_ref(h->held[i]);
	if (ret->open && ret->open->wall_end_ns <= h->closed_wall_ns) {
		window_unref(ret->open);
		ret->open = NULL;
	}
	pthread_mutex_unlock(&h->closed_lock);
}

static void end_scan(struct history *h, struct present *p)
{
	pthread_mutex_lock(&h->closed_lock);
	if (!--h->scans)
		(void)store_held(h); /* as above */
	pthread_mutex_unlock(&h->closed_lock);
	for (unsigned int i = 0; i < p->held_count; i++)
		window_unref(p->held[i]);
	window_unref(p->open);
}

static int visit_present(struct window *w, const struct store_scan *scan, store_visit_fn visit,
			 void *arg)
{
	bool wanted = w && w->wall_end_ns > scan->wall_from_ns &&
		      (!scan->wall_to_ns || w->wall_start_ns < scan->wall_to_ns);

	return wanted ? visit(w, arg) : 0;
}

int history_scan(struct history *h, const struct store_scan *scan, store_visit_fn visit, void *arg)
{
	struct present present;

	begin_scan(h, scan, &present);

	int result = store_scan(h->store, scan, visit, arg);

	for (unsigned int i = 0; i < present.held_count && !result; i++)
		result = visit_present(present.held[i], scan, visit, arg);
	if (!result)
		result = visit_present(present.open, scan, visit, arg);
	end_scan(h, &present);
	return result;
}
