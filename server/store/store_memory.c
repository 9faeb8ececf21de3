/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows in memory, oldest first in a queue that is bounded in age and in bytes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/store/store.h"

#define DEFAULT_RETENTION_NS (3600 * NS_PER_S)
#define DEFAULT_LIMIT_BYTES  (256ull << 20)

struct kept {
	struct window *w; /* one reference */
	size_t bytes;
};

struct store_memory {
	struct store base;
	uint64_t retention_ns;
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct kept *windows; /* items first .. count */
	size_t first;
	size_t count;
	size_t capacity;
	struct store_stats stats;
};

static void drop_oldest(struct store_memory *m)
{
	struct kept *oldest = &m->windows[m->first++];

	m->stats.bytes -= oldest->bytes;
	m->stats.windows--;
	window_unref(oldest->w);
	*oldest = (struct kept){0};
}

/* Moves the queue to the front once half of the array is spent. */
static void compact(struct store_memory *m)
{
	if (m->first < m->count - m->first)
		return;
	memmove(m->windows, m->windows + m->first, (m->count - m->first) * sizeof(*m->windows));
	m->count -= m->first;
	m->first = 0;
}

static void make_room(struct store_memory *m, size_t bytes, uint64_t newest_ns)
{
	uint64_t least_ns = newest_ns > m->retention_ns ? newest_ns - m->retention_ns : 0;

	while (m->first < m->count && m->windows[m->first].w->wall_end_ns <= least_ns) {
		drop_oldest(m);
		m->stats.evicted_for_age++;
	}
	while (m->first < m->count && m->stats.bytes + bytes > m->stats.limit_bytes) {
		drop_oldest(m);
		m->stats.evicted_for_room++;
	}
	if (m->count)
		compact(m);
}

static int append_locked(struct store_memory *m, struct window *w)
{
	size_t bytes = window_bytes(w);

	if (bytes > m->stats.limit_bytes) {
		m->stats.refused++;
		return -EFBIG;
	}
	make_room(m, bytes, w->wall_end_ns);
	if (array_reserve((void **)&m->windows, &m->capacity, m->count + 1, sizeof(*m->windows))) {
		m->stats.refused++;
		return -ENOMEM;
	}
	m->windows[m->count++] = (struct kept){.w = window_ref(w), .bytes = bytes};
	m->stats.bytes += bytes;
	m->stats.windows++;
	m->stats.appended++;
	return 0;
}

static int memory_append(struct store *s, struct window *w)
{
	struct store_memory *m = (struct store_memory *)s;

	pthread_mutex_lock(&m->lock);

	int err = append_locked(m, w);

	pthread_mutex_unlock(&m->lock);
	return err;
}

static bool overlaps(const struct window *w, const struct store_scan *scan)
{
	return w->wall_end_ns > scan->wall_from_ns &&
	       (!scan->wall_to_ns || w->wall_start_ns < scan->wall_to_ns);
}

/* References to what the scan covers, so that visitors run without the lock. */
static int collect(struct store_memory *m, const struct store_scan *scan, struct window ***ret,
		   size_t *ret_count)
{
	auto_free struct window **windows = calloc(m->count - m->first + 1, sizeof(*windows));
	size_t count = 0;

	if (!windows)
		return -ENOMEM;
	for (size_t i = m->first; i < m->count; i++)
		if (overlaps(m->windows[i].w, scan))
			windows[count++] = window_ref(m->windows[i].w);
	*ret = take_ptr(windows);
	*ret_count = count;
	return 0;
}

static int memory_scan(struct store *s, const struct store_scan *scan, store_visit_fn visit,
		       void *arg)
{
	struct store_memory *m = (struct store_memory *)s;
	auto_free struct window **windows = NULL;
	size_t count = 0;

	pthread_mutex_lock(&m->lock);

	int result = collect(m, scan, &windows, &count);

	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < count; i++) {
		if (!result)
			result = visit(windows[i], arg);
		window_unref(windows[i]);
	}
	return result;
}

static void memory_stats(struct store *s, struct store_stats *ret)
{
	struct store_memory *m = (struct store_memory *)s;

	pthread_mutex_lock(&m->lock);
	*ret = m->stats;
	if (m->first < m->count) {
		ret->oldest_wall_ns = m->windows[m->first].w->wall_start_ns;
		ret->newest_wall_ns = m->windows[m->count - 1].w->wall_end_ns;
	}
	pthread_mutex_unlock(&m->lock);
}

static void memory_destroy(struct store *s)
{
	struct store_memory *m = (struct store_memory *)s;

	while (m->first < m->count)
		drop_oldest(m);
	free(m->windows);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static const struct store_ops memory_ops = {
	.name = "memory",
	.append = memory_append,
	.scan = memory_scan,
	.stats = memory_stats,
	.destroy = memory_destroy,
};

int store_memory_create(const struct store_memory_options *options, struct store **ret)
{
	static const struct store_memory_options defaults;
	const struct store_memory_options *o = options ? options : &defaults;
	struct store_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->base.ops = &memory_ops;
	m->retention_ns = o->retention_ns ? o->retention_ns : DEFAULT_RETENTION_NS;
	m->stats.limit_bytes = o->limit_bytes ? o->limit_bytes : DEFAULT_LIMIT_BYTES;
	pthread_mutex_init(&m->lock, NULL);
	*ret = &m->base;
	return 0;
}
