// SPDX-License-Identifier: Apache-2.0
/*
 * The loop thread. A round:
 *
 *	drain the BPF rings and the logs of process events into the queue
 *	-> take events oldest first, up to a little before now
 *	-> process events change the process table, samples go into the open window
 *	-> windows whose end has passed are closed
 *
 * The order of time across CPUs: an event carries the time it was stamped, and is in its ring a moment later. What
 * is older than SETTLE_NS at the start of a round has arrived. A sample whose stack is missing waits for another
 * round, in case it did not.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profiler/profiler_internal.h"

#define SETTLE_NS      (2 * NS_PER_MS)
#define DRAIN_NS       (100 * NS_PER_MS) /* between rounds when nothing happens */
#define ROUND_PAUSE_NS (20 * NS_PER_MS)	 /* between rounds at least, however much happens */
#define CPU_CHECK_NS   (1 * NS_PER_S)
#define PATIENCE_NS    (5 * NS_PER_S) /* that a window stays open for what it lacks */
#define CATCH_UP_NS    (NS_PER_S / 2) /* that a snapshot waits for it */
#define LAST_WAIT_NS \
	(5 * NS_PER_S) /* that the end does: stashes whose tables are still being made */

/* --- CPUs ----------------------------------------------------------------------------------------- */

static void check_cpus(struct profiler *p, uint64_t now_ns)
{
	cpu_set_t online;
	enum privilege_step step;

	if (now_ns - p->cpus_checked_ns < CPU_CHECK_NS || p->governor.is_stopped)
		return;
	p->cpus_checked_ns = now_ns;
	if (online_cpus_read(&online))
		return;
	if (CPU_EQUAL(&online, &p->online) && CPU_EQUAL(&online, &p->sampled))
		return;
	p->online = online;
	(void)profiler_follow_cpus(p, true, &step); /* tried again in a second; the counts tell */
}

/* --- windows -------------------------------------------------------------------------------------- */

static uint64_t ring_lost(struct profiler *p)
{
	struct sampler_counters counters;

	if (bpf_side_counters(p->bpf, &counters))
		return p->totals.lost[LOST_RING_FULL];
	return counters.lost_ring_full + counters.lost_internal;
}

void profiler_open_window(struct profiler *p, uint64_t start_ns)
{
	profiler_take_labels(p);
	window_builder_open(&p->builder, start_ns, start_ns + (uint64_t)clock_wall_offset_ns(),
			    p->period_ns);
	p->window_end_ns = start_ns + p->options.window_ns;
	if (p->applied_ns < start_ns)
		p->applied_ns = start_ns;
}

static void count_ring_losses(struct profiler *p)
{
	p->totals.lost[LOST_RING_FULL] = ring_lost(p);
	p->builder.w.lost[LOST_RING_FULL] = p->totals.lost[LOST_RING_FULL] - p->ring_lost_at_open;
}

static uint64_t window_wall_end(const struct profiler *p, uint64_t end_ns)
{
	return p->builder.w.wall_start_ns + (end_ns - p->builder.start_ns);
}

static void close_window(struct profiler *p, uint64_t end_ns)
{
	struct window *w;

	count_ring_losses(p);
	p->ring_lost_at_open = p->totals.lost[LOST_RING_FULL];
	uint64_t lost = p->builder.w.sample_count;
	int error = window_builder_finish(&p->builder, window_wall_end(p, end_ns), &w);
	if (error) {
		p->totals.lost[LOST_NO_MEMORY] += lost;
	} else {
		if (p->options.on_window)
			p->options.on_window(w, p->options.on_window_arg);
		window_unref(w);
	}
	profiler_open_window(p, end_ns);
	p->epoch_is_due = true;
}

/*
 * Have all stacks sent again, so that those that are not sampled any more are forgotten. Two epochs are remembered;
 * no sample of the one before the last must wait any more when it is dropped.
 */
static void change_epoch(struct profiler *p)
{
	if (!p->epoch_is_due || p->applied_ns < p->epoch_since_ns + SETTLE_NS)
		return;

	p->epoch = bpf_side_next_epoch(p->bpf);
	p->epoch_since_ns = clock_now_ns();
	p->epoch_is_due = false;
	stack_table_reset(&p->stacks[p->epoch & 1], p->epoch);
}

/* --- rounds --------------------------------------------------------------------------------------- */

static void sleep_ns(uint64_t ns)
{
	struct timespec span = {.tv_sec = (time_t)(ns / NS_PER_S),
				.tv_nsec = (long)(ns % NS_PER_S)};

	(void)nanosleep(&span, NULL); /* signals are blocked here; too short does no harm */
}

/*
 * Take in everything there is and apply what is older than @until_ns. What cannot be applied yet waits; a window
 * waits for what belongs to it, @patience_ns behind its end at most.
 *
 * Returns whether nothing older than @until_ns waits any more.
 */
static bool run_round(struct profiler *p, uint64_t until_ns, uint64_t patience_ns)
{
	const struct queued_event *event;
	const void *bytes;
	bool is_done = true;

	profiler_take_in(p);
	event_queue_sort(&p->queue);
	for (;;) {
		uint64_t limit_ns = until_ns < p->window_end_ns ? until_ns : p->window_end_ns;

		while ((event = event_queue_next(&p->queue, limit_ns, &bytes))) {
			uint64_t waited_ns = until_ns - event->time_ns;

			if (profiler_apply(p, event, bytes,
					   waited_ns >= patience_ns ? UINT64_MAX : waited_ns)) {
				event_queue_defer(&p->queue);
				is_done = false;
			}
		}
		p->applied_ns = limit_ns;
		if (limit_ns == until_ns || !is_done)
			break;
		close_window(p, p->window_end_ns);
	}
	event_queue_compact(&p->queue);
	if (is_done)
		change_epoch(p);
	unwind_loader_refresh(p->unwind, p->processes);
	process_table_sweep(p->processes, p->applied_ns, p->applied_ns);
	return is_done;
}

/* Get everything older than @until_ns into its window, waiting for what is missing for @wait_ns at most. */
static void catch_up(struct profiler *p, uint64_t until_ns, uint64_t wait_ns)
{
	uint64_t give_up_ns = clock_now_ns() + wait_ns;

	sleep_ns(SETTLE_NS);
	while (!run_round(p, until_ns, PATIENCE_NS) && clock_now_ns() < give_up_ns)
		sleep_ns(ROUND_PAUSE_NS);
	(void)run_round(p, until_ns, 0); /* with what there is */
}

void profiler_publish(struct profiler *p)
{
	struct process_table_stats processes;

	process_table_stats(p->processes, &processes);
	profiler_publish_unwinder(p);
	p->totals.processes = processes.processes;
	p->totals.processes_evicted = processes.evicted;
	p->totals.mappings = processes.mappings;
	p->totals.binaries = binary_cache_count(p->binaries);
	p->totals.online_cpus = (uint32_t)CPU_COUNT(&p->online);
	p->totals.sampled_cpus = (uint32_t)CPU_COUNT(&p->sampled);
	(void)pthread_mutex_lock(&p->lock); /* not recursive, not error-checking: cannot fail */
	p->published = p->totals;
	(void)pthread_mutex_unlock(&p->lock);
}

/* --- the loop ------------------------------------------------------------------------------------- */

/* Answer the snapshots that are wanted. */
static void serve_snapshots(struct profiler *p)
{
	(void)pthread_mutex_lock(&p->lock); /* see above */
	uint64_t wanted = p->snapshots_wanted;
	bool none = wanted == p->snapshots_served;
	(void)pthread_mutex_unlock(&p->lock);
	if (none)
		return;

	/* What was sampled up to the call settles before it is copied. */
	uint64_t asked_ns = clock_now_ns();
	catch_up(p, asked_ns, CATCH_UP_NS);
	count_ring_losses(p);
	struct window *w = NULL;
	if (window_builder_copy(&p->builder, window_wall_end(p, asked_ns), &w))
		w = NULL;
	profiler_publish(p);

	(void)pthread_mutex_lock(&p->lock); /* see above */
	p->snapshots_served = wanted;
	struct window *old = p->snapshot;
	p->snapshot = w;
	(void)pthread_cond_broadcast(&p->served); /* cannot fail */
	(void)pthread_mutex_unlock(&p->lock);
	window_unref(old);
}

/* Wait until there is something to do; never less than ROUND_PAUSE_NS after the last round but for a snapshot. */
static void wait_for_work(struct profiler *p, uint64_t round_ns)
{
	struct epoll_event events[8];
	struct pollfd wake = {.fd = p->wake_fd, .events = POLLIN};
	uint64_t drain_ms = DRAIN_NS / NS_PER_MS;
	uint64_t now_ns = clock_now_ns();

	/* The end of the window, when that is nearer; behind it, it lacks something. */
	uint64_t end_ns = p->window_end_ns + SETTLE_NS;
	if (end_ns <= now_ns)
		drain_ms = ROUND_PAUSE_NS / NS_PER_MS;
	else if (end_ns < now_ns + DRAIN_NS)
		drain_ms = (end_ns - now_ns) / NS_PER_MS + 1;
	int ready = epoll_wait(p->epoll_fd, events, 8, (int)drain_ms);
	now_ns = clock_now_ns();
	if (ready > 0 && now_ns - round_ns < ROUND_PAUSE_NS)
		(void)poll(&wake, 1, (int)((ROUND_PAUSE_NS - (now_ns - round_ns)) / NS_PER_MS));

	uint64_t count;
	if (read(p->wake_fd, &count, sizeof(count)) < 0)
		return; /* nobody rang */
}

static void end_loop(struct profiler *p)
{
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		bpf_side_detach(p->bpf, cpu);
	CPU_ZERO(&p->sampled);
	uint64_t end_ns = clock_now_ns();
	catch_up(p, end_ns + SETTLE_NS, LAST_WAIT_NS);
	if (end_ns > p->builder.start_ns)
		close_window(p, end_ns);
	profiler_publish(p);

	(void)pthread_mutex_lock(&p->lock); /* see above */
	p->loop_runs = false;
	(void)pthread_cond_broadcast(&p->served);
	(void)pthread_mutex_unlock(&p->lock);
}

void *profiler_loop(void *arg)
{
	struct profiler *p = arg;
	uint64_t round_ns = 0;

	while (!p->stopping) {
		wait_for_work(p, round_ns);
		round_ns = clock_now_ns();
		check_cpus(p, round_ns);
		profiler_govern(p, round_ns);
		(void)run_round(p, round_ns - SETTLE_NS, PATIENCE_NS);
		profiler_publish(p);
		serve_snapshots(p);
	}
	end_loop(p);
	return NULL;
}
