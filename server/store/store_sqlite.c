/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store: its life, its figures and its background thread. See sqlite_internal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/log.h"
#include "server/store/sqlite_catalog.h"

#define DEFAULT_LIMIT_BYTES (2ull << 30)
#define SEGMENT_BYTES_MAX   (64ull << 20)
#define SEGMENTS_LEAST	    16 /* in the limit, so that letting go of one is no great loss */
#define WAKE_NS		    (10 * NS_PER_S)
#define IDLE_READERS_NS	    (60 * NS_PER_S)

static void sqlite_stats(struct store *store, struct store_stats *ret)
{
	struct store_sqlite *s = (struct store_sqlite *)store;
	uint64_t oldest_ns = UINT64_MAX;
	uint64_t newest_ns = 0;

	pthread_mutex_lock(&s->lock);
	*ret = s->stats;
	ret->bytes = sqlite_catalog_bytes(s);
	ret->windows += s->pending_count;
	ret->failing = s->failing;
	for (enum tier tier = 0; tier < TIER_COUNT; tier++)
		for (size_t i = 0; i < s->tiers[tier].count; i++) {
			const struct segment *segment = s->tiers[tier].items[i];

			for (size_t k = 0; k < segment->row_count; k++) {
				const struct segment_row *row = &segment->rows[k];

				if (row->start_ns < oldest_ns)
					oldest_ns = row->start_ns;
				if (row->end_ns > newest_ns)
					newest_ns = row->end_ns;
			}
		}
	if (s->pending_count && s->pending[0]->wall_start_ns < oldest_ns)
		oldest_ns = s->pending[0]->wall_start_ns;
	if (s->pending_count && s->newest_ns > newest_ns)
		newest_ns = s->newest_ns;
	pthread_mutex_unlock(&s->lock);
	ret->limit_bytes = s->limit_bytes;
	ret->oldest_wall_ns = oldest_ns == UINT64_MAX ? 0 : oldest_ns;
	ret->newest_wall_ns = newest_ns;
}

static void sqlite_destroy(struct store *store)
{
	struct store_sqlite *s = (struct store_sqlite *)store;

	if (s->has_thread) {
		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		pthread_cond_signal(&s->wake);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}
	(void)sqlite_write_pending(s); /* what cannot be written now is lost; that was logged */
	for (enum tier tier = 0; tier < TIER_COUNT; tier++)
		sqlite_close_writer(s, tier);
	for (size_t i = 0; i < s->pending_count; i++)
		window_unref(s->pending[i]);
	free(s->pending);
	sqlite_catalog_release(s);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd); /* gives the lock back; nothing was written */
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->append_lock);
	pthread_mutex_destroy(&s->merge_lock);
	pthread_mutex_destroy(&s->lock);
	free(s->directory);
	free(s);
}

static const struct store_ops sqlite_ops = {
	.name = "sqlite",
	.append = sqlite_append,
	.scan = sqlite_scan,
	.stats = sqlite_stats,
	.destroy = sqlite_destroy,
};

static struct timespec wake_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(WAKE_NS / NS_PER_S);
	return ts;
}

/* Sums up what has passed, and lets go of readers that nobody has used for a while. */
static void *run_background(void *arg)
{
	struct store_sqlite *s = arg;
	uint64_t idle_since_ns = clock_now_ns();
	uint64_t scans = 0;
	int last_err = 0;

	for (;;) {
		int err = s->write_behind ? sqlite_write_pending(s) : 0;

		err = err ? 0 : sqlite_merge(s); /* what cannot be written was logged already */

		if (err && err != last_err)
			log_warn("cannot sum up history in '%s': %s; it is tried again",
				 s->directory, strerror(-err));
		last_err = err;
		if (!err)
			(void)sqlite_seal(s); /* what cannot be sealed now is tried again */
		pthread_mutex_lock(&s->lock);
		if (s->scans != scans)
			idle_since_ns = clock_now_ns();
		scans = s->scans;

		bool idle = clock_now_ns() - idle_since_ns > IDLE_READERS_NS;
		struct timespec until = wake_time();

		if (!s->stopping && (!s->pending_count || s->failing))
			(void)pthread_cond_timedwait(&s->wake, &s->lock, &until); /* late is fine */

		bool stopping = s->stopping;

		pthread_mutex_unlock(&s->lock);
		if (stopping)
			return NULL;
		if (idle)
			sqlite_close_readers(s, 0, 0);
	}
}

static void init_locks(struct store_sqlite *s)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&s->append_lock, NULL);
	pthread_mutex_init(&s->merge_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* Two writers in one directory would break each other's budget. */
static int take_directory(struct store_sqlite *s)
{
	auto_free char *path = NULL;

	if (mkdir(s->directory, 0750) && errno != EEXIST)
		return -errno;
	if (asprintf(&path, "%s/lock", s->directory) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (s->lock_fd < 0)
		return -errno;
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static void find_newest(struct store_sqlite *s)
{
	struct store_stats stats;

	sqlite_stats(&s->base, &stats);
	s->newest_ns = stats.newest_wall_ns;
}

int store_sqlite_create(const struct store_sqlite_options *options, struct store **ret)
{
	struct store_sqlite *s = calloc(1, sizeof(*s));
	CLEANUP(store_destroyp) struct store *owner = NULL;

	if (!s)
		return -ENOMEM;
	owner = &s->base;
	s->base.ops = &sqlite_ops;
	s->lock_fd = -1;
	init_locks(s);
	s->limit_bytes = options->limit_bytes ? options->limit_bytes : DEFAULT_LIMIT_BYTES;
	s->retention_ns = options->retention_ns;
	s->write_behind = options->write_behind;
	s->uses_given_time = options->no_merging_thread;
	s->segment_bytes = s->limit_bytes / SEGMENTS_LEAST;
	if (s->segment_bytes > SEGMENT_BYTES_MAX)
		s->segment_bytes = SEGMENT_BYTES_MAX;
	s->directory = strdup(options->directory);
	if (!s->directory)
		return -ENOMEM;

	int err = take_directory(s);

	if (!err)
		err = sqlite_catalog_load(s);
	if (err)
		return err;
	find_newest(s);
	s->appended_ns = clock_now_ns();
	sqlite_merge_init(s);
	sqlite_budget_expire(s);
	if (!options->no_merging_thread) {
		err = -pthread_create(&s->thread, NULL, run_background, s);
		if (err)
			return err;
		s->has_thread = true;
	}
	*ret = take_ptr(owner);
	return 0;
}
