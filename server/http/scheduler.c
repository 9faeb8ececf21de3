/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/scheduler.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define DEFAULT_WORKERS	  2u
#define DEFAULT_LIMIT	  64u
#define WORKERS_MAX	  16u
#define CHECK_INTERVAL_NS (500 * NS_PER_MS) /* between two looks at who is still there */

struct scheduler {
	struct scheduler_options options;
	pthread_t threads[WORKERS_MAX];
	unsigned int thread_count;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Guarded by lock: */
	struct job *ready; /* oldest first */
	struct job **ready_end;
	struct job *waiting; /* soonest first */
	unsigned int ready_count;
	unsigned int running_count;
	unsigned int waiting_count;
	uint64_t check_ns; /* when to look for closed connections again */
	bool stopping;
};

static void push_ready(struct scheduler *s, struct job *job)
{
	job->next = NULL;
	*s->ready_end = job;
	s->ready_end = &job->next;
	s->ready_count++;
}

static struct job *pop_ready(struct scheduler *s)
{
	struct job *job = s->ready;

	if (!job)
		return NULL;
	s->ready = job->next;
	if (!s->ready)
		s->ready_end = &s->ready;
	s->ready_count--;
	return job;
}

static void push_waiting(struct scheduler *s, struct job *job)
{
	struct job **link = &s->waiting;

	while (*link && (*link)->due_ns <= job->due_ns)
		link = &(*link)->next;
	job->next = *link;
	*link = job;
	s->waiting_count++;
}

static void move_due(struct scheduler *s, uint64_t now_ns)
{
	while (s->waiting && s->waiting->due_ns <= now_ns) {
		struct job *job = s->waiting;

		s->waiting = job->next;
		s->waiting_count--;
		push_ready(s, job);
	}
}

bool scheduler_has_gone(const struct job *job)
{
	struct pollfd p = {.fd = job->fd, .events = POLLRDHUP};

	return job->fd >= 0 && poll(&p, 1, 0) > 0;
}

/* Takes the jobs out whose client closed its connection. */
static struct job *take_gone(struct scheduler *s)
{
	struct job *gone = NULL;

	for (struct job **link = &s->waiting; *link;) {
		struct job *job = *link;

		if (!scheduler_has_gone(job)) {
			link = &job->next;
			continue;
		}
		*link = job->next;
		job->next = gone;
		gone = job;
		s->waiting_count--;
	}
	return gone;
}

static void give_up(struct scheduler *s, struct job *jobs, enum give_up_reason reason)
{
	while (jobs) {
		struct job *job = jobs;

		jobs = job->next; /* the owner may free it */
		s->options.give_up(job, reason, s->options.arg);
	}
}

static void wait_for_work(struct scheduler *s)
{
	uint64_t until_ns = s->waiting ? s->waiting->due_ns : 0;
	struct timespec until;

	if (!s->waiting) {
		pthread_cond_wait(&s->wake, &s->lock);
		return;
	}
	if (s->check_ns < until_ns)
		until_ns = s->check_ns;
	until.tv_sec = (time_t)(until_ns / NS_PER_S);
	until.tv_nsec = (long)(until_ns % NS_PER_S);
	pthread_cond_timedwait(&s->wake, &s->lock, &until);
}

static void check_gone(struct scheduler *s, uint64_t now_ns)
{
	if (now_ns < s->check_ns)
		return;
	s->check_ns = now_ns + CHECK_INTERVAL_NS;

	struct job *gone = take_gone(s);

	if (!gone)
		return;
	pthread_mutex_unlock(&s->lock);
	give_up(s, gone, GIVE_UP_GONE);
	pthread_mutex_lock(&s->lock);
}

static void *work(void *arg)
{
	struct scheduler *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		uint64_t now_ns = clock_now_ns();

		move_due(s, now_ns);
		check_gone(s, now_ns);

		struct job *job = pop_ready(s);

		if (!job) {
			if (!s->stopping)
				wait_for_work(s);
			continue;
		}
		s->running_count++;
		if (s->ready)
			pthread_cond_signal(&s->wake);
		pthread_mutex_unlock(&s->lock);
		if (scheduler_has_gone(job))
			s->options.give_up(job, GIVE_UP_GONE, s->options.arg);
		else
			s->options.run(job, s->options.arg);
		pthread_mutex_lock(&s->lock);
		s->running_count--;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int scheduler_create(const struct scheduler_options *options, struct scheduler **ret)
{
	struct scheduler *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;
	unsigned int workers = options->workers ? options->workers : DEFAULT_WORKERS;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->options.ready_limit = options->ready_limit ? options->ready_limit : DEFAULT_LIMIT;
	s->options.wait_limit = options->wait_limit ? options->wait_limit : DEFAULT_LIMIT;
	s->ready_end = &s->ready;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);

	while (s->thread_count < workers && s->thread_count < WORKERS_MAX) {
		int err = pthread_create(&s->threads[s->thread_count], NULL, work, s);

		if (err) {
			scheduler_destroy(s);
			return -err;
		}
		s->thread_count++;
	}
	*ret = s;
	return 0;
}

static int submit_locked(struct scheduler *s, struct job *job)
{
	if (s->stopping)
		return -ESHUTDOWN;
	if (job->due_ns > clock_now_ns()) {
		if (s->waiting_count >= s->options.wait_limit)
			return -EAGAIN;
		push_waiting(s, job);
		return 0;
	}
	if (s->ready_count >= s->options.ready_limit)
		return -EBUSY;
	push_ready(s, job);
	return 0;
}

int scheduler_submit(struct scheduler *s, struct job *job)
{
	pthread_mutex_lock(&s->lock);

	int err = submit_locked(s, job);

	if (!err)
		pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return err;
}

void scheduler_stop(struct scheduler *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;

	struct job *ready = s->ready;
	struct job *waiting = s->waiting;

	s->ready = s->waiting = NULL;
	s->ready_end = &s->ready;
	s->ready_count = s->waiting_count = 0;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);

	give_up(s, ready, GIVE_UP_STOPPING);
	give_up(s, waiting, GIVE_UP_STOPPING);
	for (unsigned int i = 0; i < s->thread_count; i++)
		pthread_join(s->threads[i], NULL);
	s->thread_count = 0;
}

void scheduler_destroy(struct scheduler *s)
{
	if (!s)
		return;
	scheduler_stop(s);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

unsigned int scheduler_waiting(struct scheduler *s)
{
	pthread_mutex_lock(&s->lock);

	unsigned int count = s->waiting_count;

	pthread_mutex_unlock(&s->lock);
	return count;
}

unsigned int scheduler_active(struct scheduler *s)
{
	pthread_mutex_lock(&s->lock);

	unsigned int count = s->ready_count + s->running_count;

	pthread_mutex_unlock(&s->lock);
	return count;
}
