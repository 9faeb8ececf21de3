// SPDX-License-Identifier: Apache-2.0
#include "profiler/table_builder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "profiler/table_source.h"

#define THREADS 2 /* so that one file that takes long does not hold up all others */

struct wish {
	struct binary *binary; /* one reference */
	uint32_t exe;
};

struct table_builder {
	struct table_ledger *ledger;
	struct table_source source;
	struct symworkers *own_workers; /* NULL = they are borrowed */
	pthread_t threads[THREADS];
	unsigned int thread_count;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wished;
	pthread_cond_t finished;
	bool stopping;
	struct wish *wishes; /* wishes[0 .. wish_taken) are done with or at work */
	size_t wish_count, wish_taken, wish_capacity;
	struct table_done *done;
	size_t done_count, done_taken, done_capacity;
	struct table_builder_stats stats;
};

/* --- the threads ---------------------------------------------------------------------------------- */

static void finish(struct table_builder *t, uint32_t exe, struct unwind_file *file)
{
	if (t->done_taken == t->done_count)
		t->done_taken = t->done_count = 0;
	if (array_reserve((void **)&t->done, &t->done_capacity, t->done_count + 1,
			  sizeof(t->done[0]))) {
		unwind_file_unref(
			file); /* it stays pending: its stacks go on being unwound elsewhere */
		return;
	}
	t->done[t->done_count++] = (struct table_done){exe, file};
	(void)pthread_cond_signal(&t->finished); /* cannot fail */
}

static void count(struct table_builder_stats *stats, const struct table_outcome *o)
{
	stats->build_ns += o->work_ns;
	stats->from_cache += o->from_cache;
	stats->built += o->file && !o->from_cache;
	stats->without += o->facts.state == TABLE_NONE;
	stats->failed += o->facts.state == TABLE_FAILED;
}

static void *work(void *arg)
{
	struct table_builder *t = arg;

	(void)pthread_mutex_lock(&t->lock); /* not recursive, not error-checking: cannot fail */
	while (!t->stopping) {
		if (t->wish_taken == t->wish_count) {
			t->wish_taken = t->wish_count = 0;
			(void)pthread_cond_wait(&t->wished, &t->lock); /* see above */
			continue;
		}
		struct wish wish = t->wishes[t->wish_taken++];
		(void)pthread_mutex_unlock(&t->lock);

		struct table_outcome outcome;
		table_source_get(&t->source, wish.binary, &outcome);
		binary_unref(wish.binary);

		(void)pthread_mutex_lock(&t->lock); /* see above */
		if (t->stopping) {
			unwind_file_unref(outcome.file);
			break;
		}
		/* What does not fit into memory is not known later, no more. */
		(void)table_ledger_put(t->ledger, &outcome.facts);
		count(&t->stats, &outcome);
		finish(t, wish.exe, outcome.file);
	}
	(void)pthread_mutex_unlock(&t->lock); /* see above */
	return NULL;
}

/* --- the owner's side ----------------------------------------------------------------------------- */

/* What takes no threads. */
static int prepare(struct table_builder *t, const struct table_builder_options *options)
{
	int error = table_ledger_create(&t->ledger);

	t->source.workers = options->workers;
	if (!error && !options->workers) {
		error = symworkers_create(NULL, &t->own_workers);
		t->source.workers = t->own_workers;
	}
	if (error)
		return error;
	t->source.stop_fd = eventfd(0, EFD_CLOEXEC);
	if (t->source.stop_fd < 0)
		return -errno;
	/* Without a cache tables are made again, no more. */
	if (options->cache_dir &&
	    unwind_cache_create(options->cache_dir, options->cache_limit_bytes, &t->source.cache))
		t->source.cache = NULL;
	return 0;
}

static int start_threads(struct table_builder *t)
{
	sigset_t all, before;
	int error = 0;

	(void)sigfillset(&all); /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!error && t->thread_count < THREADS) {
		error = -pthread_create(&t->threads[t->thread_count], NULL, work, t);
		if (error)
			break;
		(void)pthread_setname_np(t->threads[t->thread_count++],
					 "hearth-tables"); /* for ps only */
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int table_builder_create(const struct table_builder_options *options, struct table_builder **ret)
{
	struct table_builder *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;

	pthread_condattr_t monotonic;
	(void)pthread_condattr_init(&monotonic); /* none of these fails on Linux */
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->finished, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	(void)pthread_cond_init(&t->wished, NULL);
	(void)pthread_mutex_init(&t->lock, NULL);
	t->source.stop_fd = -1;

	int error = prepare(t, options);
	if (!error)
		error = start_threads(t);
	if (error) {
		table_builder_destroy(t);
		return error;
	}
	*ret = t;
	return 0;
}

void table_builder_destroy(struct table_builder *t)
{
	if (!t)
		return;
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	t->stopping = true;
	(void)pthread_cond_broadcast(&t->wished);
	(void)pthread_mutex_unlock(&t->lock);
	if (t->source.stop_fd >= 0)
		(void)eventfd_write(t->source.stop_fd, 1); /* cannot block or overflow */
	for (unsigned int i = 0; i < t->thread_count; i++)
		(void)pthread_join(t->threads[i], NULL); /* threads of ours, joined once */
	for (size_t i = t->wish_taken; i < t->wish_count; i++)
		binary_unref(t->wishes[i].binary);
	for (size_t i = t->done_taken; i < t->done_count; i++)
		unwind_file_unref(t->done[i].file);
	if (t->source.stop_fd >= 0)
		(void)close(t->source.stop_fd); /* nothing was written through it */
	unwind_cache_destroy(t->source.cache);
	symworkers_destroy(t->own_workers);
	table_ledger_destroy(t->ledger);
	free(t->wishes);
	free(t->done);
	(void)pthread_cond_destroy(&t->wished); /* nobody waits any more */
	(void)pthread_cond_destroy(&t->finished);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

int table_builder_want(struct table_builder *t, struct binary *binary, uint32_t exe)
{
	const struct table_facts pending = {.id = *binary_build_id(binary), .state = TABLE_PENDING};
	int error = 0;

	(void)pthread_mutex_lock(&t->lock); /* see work() */
	if (array_reserve((void **)&t->wishes, &t->wish_capacity, t->wish_count + 1,
			  sizeof(t->wishes[0]))) {
		error = -ENOMEM;
	} else {
		t->wishes[t->wish_count++] = (struct wish){binary_ref(binary), exe};
		(void)table_ledger_put(t->ledger, &pending); /* not known, then */
		(void)pthread_cond_signal(&t->wished);	     /* cannot fail */
	}
	(void)pthread_mutex_unlock(&t->lock);
	return error;
}

bool table_builder_take(struct table_builder *t, struct table_done *ret)
{
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	bool is_there = t->done_taken < t->done_count;
	if (is_there)
		*ret = t->done[t->done_taken++];
	(void)pthread_mutex_unlock(&t->lock);
	return is_there;
}

bool table_builder_wait(struct table_builder *t, uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
				 .tv_nsec = (long)(deadline_ns % NS_PER_S)};
	int error = 0;

	(void)pthread_mutex_lock(&t->lock); /* see work() */
	while (t->done_taken == t->done_count && !error)
		error = pthread_cond_timedwait(&t->finished, &t->lock, &until);
	bool is_there = t->done_taken < t->done_count;
	(void)pthread_mutex_unlock(&t->lock);
	return is_there;
}

int table_builder_facts(struct table_builder *t, const struct build_id *id, struct table_facts *ret)
{
	return table_ledger_get(t->ledger, id, ret);
}

void table_builder_stats(struct table_builder *t, struct table_builder_stats *ret)
{
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	*ret = t->stats;
	(void)pthread_mutex_unlock(&t->lock);
}
