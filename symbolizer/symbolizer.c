/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/symcache.h"
#include "symbolizer/symtable.h"

DEFINE_CLEANUP(symbolizer_destroy, struct symbolizer *)

int symbolizer_want(struct symbolizer *s, struct binary *b)
{
	if (binary_fd(b) < 0)
		return 0;
	(void)pthread_mutex_lock(&s->lock);

	uint32_t index = symtable_want(s, b, false);

	(void)pthread_mutex_unlock(&s->lock);
	return index == NO_ENTRY ? -ENOMEM : 0;
}

void symbolizer_heat(struct symbolizer *s, const struct binary *b, uint64_t samples)
{
	if (binary_fd(b) < 0)
		return;
	(void)pthread_mutex_lock(&s->lock);

	uint32_t index = symtable_find(s, binary_build_id(b));

	if (index != NO_ENTRY)
		s->entries[index]->heat += samples;
	(void)pthread_mutex_unlock(&s->lock);
}

enum symbol_state symbolizer_get(struct symbolizer *s, struct binary *b, uint64_t deadline_ns,
				 struct symfile **ret)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ns / NS_PER_S),
		.tv_nsec = (long)(deadline_ns % NS_PER_S),
	};
	enum symbol_state state = SYMBOLS_NONE;

	*ret = NULL;
	if (binary_fd(b) < 0)
		return SYMBOLS_NONE;
	(void)pthread_mutex_lock(&s->lock);

	/* What is asked for after its deadline does not pass by what others wait for. */
	uint32_t index = symtable_want(s, b, !deadline_ns || clock_now_ns() < deadline_ns);

	while (index != NO_ENTRY && deadline_ns && !s->stopping) {
		/* A better answer than the one there may be on its way, but nobody waits for a second look. */
		if (s->entries[index]->phase == PHASE_SETTLED || s->entries[index]->settled_ns)
			break;
		if (pthread_cond_timedwait(&s->settled, &s->lock, &deadline))
			break;
		index = symtable_find(s, binary_build_id(b));
	}
	if (index != NO_ENTRY) {
		struct entry *e = s->entries[index];

		state = e->state;
		*ret = e->symbols ? symfile_ref(e->symbols) : NULL;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return state;
}

void symbolizer_reason(struct symbolizer *s, const struct binary *b, char *text, size_t size)
{
	if (!size)
		return;
	text[0] = '\0';
	if (binary_fd(b) < 0)
		return;
	(void)pthread_mutex_lock(&s->lock);

	uint32_t index = symtable_find(s, binary_build_id(b));

	if (index != NO_ENTRY)
		snprintf(text, size, "%s", s->entries[index]->reason);
	(void)pthread_mutex_unlock(&s->lock);
}

struct symworkers *symbolizer_workers(struct symbolizer *s)
{
	return s->workers;
}

int symbolizer_facts(struct symbolizer *s, const struct build_id *id, struct symbol_facts *ret)
{
	int err = -ENOENT;

	(void)pthread_mutex_lock(&s->lock);

	uint32_t index = id->length ? symtable_find(s, id) : NO_ENTRY;

	if (index != NO_ENTRY) {
		const struct entry *e = s->entries[index];

		ret->state = e->state;
		ret->from_cache = e->from_cache;
		ret->build_ns = e->build_ns;
		ret->file_bytes = e->symbols ? symfile_bytes(e->symbols) : 0;
		ret->report = e->report;
		/* Cut where they do not fit. */
		snprintf(ret->reason, sizeof(ret->reason), "%s", e->reason);
		snprintf(ret->debug_path, sizeof(ret->debug_path), "%s",
			 e->debug_path ? e->debug_path : "");
		snprintf(ret->tried, sizeof(ret->tried), "%s", e->tried ? e->tried : "");
		err = 0;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

void symbolizer_stats(struct symbolizer *s, struct symbolizer_stats *ret)
{
	(void)pthread_mutex_lock(&s->lock);
	*ret = s->stats;
	(void)pthread_mutex_unlock(&s->lock);
}

/* A copy of the list in one allocation. */
static const char **copy_list(const char *const *list)
{
	size_t count = 0, bytes = 0;

	for (; list[count]; count++)
		bytes += strlen(list[count]) + 1;

	const char **copy = malloc((count + 1) * sizeof(*copy) + bytes);

	if (!copy)
		return NULL;

	char *at = (char *)(copy + count + 1);

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(list[i]) + 1;

		copy[i] = memcpy(at, list[i], length);
		at += length;
	}
	copy[count] = NULL;
	return copy;
}

static int init(struct symbolizer *s, const struct symbolizer_options *options)
{
	pthread_condattr_t monotonic;

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->queued, NULL);
	(void)pthread_cond_init(&s->settled, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	s->queue_first = s->queue_last = NO_ENTRY;
	s->memory_limit_bytes =
		options->cache_limit_bytes ? options->cache_limit_bytes : SYMCACHE_DEFAULT_BYTES;
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd < 0)
		return -errno;
	if (symworkers_create(options->worker_path, &s->workers))
		return -ENOMEM;
	if (options->debug_dirs && !(s->debug_dirs = copy_list(options->debug_dirs)))
		return -ENOMEM;
	if (options->cache_dir)
		return symcache_create(options->cache_dir, options->cache_limit_bytes, &s->cache);
	return 0;
}

int symbolizer_create(const struct symbolizer_options *options, struct symbolizer **ret)
{
	CLEANUP(symbolizer_destroyp) struct symbolizer *s = calloc(1, sizeof(*s));
	unsigned int wanted = options->worker_count ? options->worker_count : 1;

	if (!s)
		return -ENOMEM;

	int err = init(s, options);

	if (wanted > WORKERS_MAX)
		wanted = WORKERS_MAX;
	while (!err && s->thread_count < wanted + 1) {
		err = -pthread_create(&s->threads[s->thread_count], NULL, symbolizer_thread, s);
		s->thread_count += !err;
	}
	if (err)
		return err;
	*ret = take_ptr(s);
	return 0;
}

void symbolizer_destroy(struct symbolizer *s)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->queued);
	(void)pthread_cond_broadcast(&s->settled);
	(void)pthread_mutex_unlock(&s->lock);
	if (s->stop_fd >= 0)
		(void)eventfd_write(s->stop_fd, 1); /* cannot block or overflow */
	for (unsigned int i = 0; i < s->thread_count; i++)
		(void)pthread_join(s->threads[i], NULL); /* our own threads */

	for (uint32_t i = 0; i < s->entry_count; i++) {
		binary_unref(s->entries[i]->binary);
		symfile_unref(s->entries[i]->symbols);
		free(s->entries[i]->debug_path);
		free(s->entries[i]->tried);
		free(s->entries[i]);
	}
	idmap_release(&s->ids);
	symcache_destroy(s->cache);
	if (s->stop_fd >= 0)
		(void)close(s->stop_fd);
	(void)pthread_cond_destroy(&s->settled);
	(void)pthread_cond_destroy(&s->queued);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->debug_dirs);
	symworkers_destroy(s->workers);
	free(s);
}
