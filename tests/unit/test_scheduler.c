/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/scheduler.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

/* Counts what comes back; workers stop at the gate while it is closed. */
struct record {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool gate_closed;
	unsigned int ran;
	unsigned int gone;
	unsigned int stopped;
	struct job *order[16];
};

static void run(struct job *job, void *arg)
{
	struct record *r = arg;

	pthread_mutex_lock(&r->lock);
	while (r->gate_closed)
		pthread_cond_wait(&r->changed, &r->lock);
	r->order[r->ran++ % 16] = job;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void give_up(struct job *job, enum give_up_reason reason, void *arg)
{
	struct record *r = arg;

	(void)job;
	pthread_mutex_lock(&r->lock);
	if (reason == GIVE_UP_GONE)
		r->gone++;
	else
		r->stopped++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void wait_until(struct record *r, const unsigned int *count, unsigned int wanted)
{
	pthread_mutex_lock(&r->lock);
	while (*count < wanted)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

static void set_gate(struct record *r, bool closed)
{
	pthread_mutex_lock(&r->lock);
	r->gate_closed = closed;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static struct scheduler *create(struct record *r, unsigned int workers)
{
	struct scheduler_options options = {.workers = workers,
					    .ready_limit = 2,
					    .wait_limit = 2,
					    .run = run,
					    .give_up = give_up,
					    .arg = r};
	struct scheduler *s = NULL;

	*r = (struct record){0};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	assert_int_equal(scheduler_create(&options, &s), 0);
	return s;
}

static void jobs_run_when_they_are_due_and_in_that_order(void **state)
{
	struct record r;
	struct scheduler *s = create(&r, 1);
	uint64_t now_ns = clock_now_ns();
	struct job late = {.due_ns = now_ns + 60 * NS_PER_MS, .fd = -1};
	struct job soon = {.due_ns = now_ns + 30 * NS_PER_MS, .fd = -1};
	struct job now = {.fd = -1};

	(void)state;
	assert_int_equal(scheduler_submit(s, &late), 0);
	assert_int_equal(scheduler_submit(s, &soon), 0);
	assert_int_equal(scheduler_submit(s, &now), 0);
	wait_until(&r, &r.ran, 3);
	assert_true(clock_now_ns() >= late.due_ns);
	assert_ptr_equal(r.order[0], &now);
	assert_ptr_equal(r.order[1], &soon);
	assert_ptr_equal(r.order[2], &late);
	scheduler_destroy(s);
}

static void both_queues_are_bounded(void **state)
{
	struct record r;
	struct scheduler *s = create(&r, 1);
	struct job jobs[8];
	unsigned int refused = 0;

	(void)state;
	set_gate(&r, true);
	for (int i = 0; i < 4; i++) {
		jobs[i] = (struct job){.fd = -1};

		int err = scheduler_submit(s, &jobs[i]);

		assert_true(!err || err == -EBUSY);
		refused += err != 0;
	}
	assert_true(refused >= 1); /* one runs, two queue */

	for (int i = 4; i < 7; i++) {
		jobs[i] = (struct job){.due_ns = clock_now_ns() + 1000 * NS_PER_S, .fd = -1};
		assert_int_equal(scheduler_submit(s, &jobs[i]), i < 6 ? 0 : -EAGAIN);
	}
	assert_int_equal(scheduler_waiting(s), 2);
	set_gate(&r, false);
	wait_until(&r, &r.ran, 4 - refused);
	scheduler_stop(s);
	assert_int_equal(r.stopped, 2);
	assert_int_equal(scheduler_submit(s, &jobs[0]), -ESHUTDOWN);
	scheduler_destroy(s);
}

static void a_client_that_closes_gives_its_place_back(void **state)
{
	struct record r;
	struct scheduler *s = create(&r, 2);
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);

	struct job job = {.due_ns = clock_now_ns() + 1000 * NS_PER_S, .fd = pair[0]};

	assert_int_equal(scheduler_submit(s, &job), 0);
	close(pair[1]);
	wait_until(&r, &r.gone, 1);
	assert_int_equal(scheduler_waiting(s), 0);
	scheduler_destroy(s);
	assert_int_equal(r.stopped, 0);
	close(pair[0]);
}

static void a_queued_job_whose_client_has_gone_is_not_run(void **state)
{
	struct record r;
	struct scheduler *s = create(&r, 1);
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	set_gate(&r, true);

	struct job first = {.fd = -1};
	struct job second = {.fd = pair[0]};

	assert_int_equal(scheduler_submit(s, &first), 0);
	assert_int_equal(scheduler_submit(s, &second), 0);
	assert_false(scheduler_has_gone(&second));
	close(pair[1]);
	assert_true(scheduler_has_gone(&second));
	assert_false(scheduler_has_gone(&first));
	set_gate(&r, false);
	wait_until(&r, &r.gone, 1);
	scheduler_destroy(s);
	assert_int_equal(r.ran, 1);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_when_they_are_due_and_in_that_order),
		cmocka_unit_test(both_queues_are_bounded),
		cmocka_unit_test(a_client_that_closes_gives_its_place_back),
		cmocka_unit_test(a_queued_job_whose_client_has_gone_is_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
