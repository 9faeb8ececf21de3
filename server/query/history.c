/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/history.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct history {
	struct store *store; /* borrowed */
	history_snapshot_fn snapshot;
	void *arg;
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct window *open;   /* the latest snapshot, one reference; NULL = none */
	uint64_t open_wall_ns; /* everything sampled before this moment is in it */
	uint64_t snapshot_count;
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
	*ret = h;
	return 0;
}

void history_destroy(struct history *h)
{
	if (!h)
		return;
	window_unref(h->open);
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

int history_append(struct history *h, struct window *w)
{
	return store_append(h->store, w);
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

/* Passes on what the store has and notes how far it reaches. */
struct relay {
	store_visit_fn visit;
	void *arg;
	uint64_t last_end_ns;
};

static int relay_visit(struct window *w, void *arg)
{
	struct relay *relay = arg;

	if (w->wall_end_ns > relay->last_end_ns)
		relay->last_end_ns = w->wall_end_ns;
	return relay->visit(w, relay->arg);
}

/*
 * The snapshot is taken before the store is read: a window that closes in between is in both, and is then skipped
 * here, but never in none.
 */
int history_scan(struct history *h, const struct store_scan *scan, store_visit_fn visit, void *arg)
{
	struct relay relay = {.visit = visit, .arg = arg};
	struct window *open = open_window(h, scan);
	int result = store_scan(h->store, scan, relay_visit, &relay);
	bool wanted = open && open->wall_end_ns > relay.last_end_ns &&
		      open->wall_end_ns > scan->wall_from_ns &&
		      (!scan->wall_to_ns || open->wall_start_ns < scan->wall_to_ns);

	if (!result && wanted)
		result = visit(open, arg);
	window_unref(open);
	return result;
}
