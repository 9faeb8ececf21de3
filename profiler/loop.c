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

#define SETTLE_NS	    (2 * NS_PER_MS)
#define DRAIN_NS	    (100 * NS_PER_MS) /* between rounds when nothing happens */
#define ROUND_PAUSE_NS	    (20 * NS_PER_MS)  /* between rounds at least, however much happens */
#define CPU_CHECK_NS	    (1 * NS_PER_S)
#define STASH_DEFERRALS_MAX 100u /* rounds that a stash waits for a table: some seconds */
#define DEFERRALS_MAX	    5u	 /* rounds that a sample waits for its stack */

/* --- CPUs ----------------------------------------------------------------------------------------- */

static void check_cpus(struct profiler *p, uint64_t now_ns)
{
	cpu_set_t online;
	enum privilege_step step;

	if (now_ns - p->cpus_checked_ns < CPU_CHECK_NS)
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

	/* The stacks of the epoch before the last are not asked for any more. */
	uint32_t epoch = bpf_side_next_epoch(p->bpf);
	stack_table_reset(&p->stacks[epoch & 1], epoch);
	p->epoch = epoch;
}

static void close_windows_before(struct profiler *p, uint64_t time_ns)
{
	while (time_ns >= p->window_end_ns)
		close_window(p, p->window_end_ns);
}

/* --- taking in ------------------------------------------------------------------------------------ */

static void count_lost(struct profiler *p, enum lost_reason reason)
{
	p->totals.lost[reason]++;
	p->builder.w.lost[reason]++;
}

static void take_record(const struct record_header *record, size_t size, void *arg)
{
	struct profiler *p = arg;

	if (record->type == RECORD_STACK && size >= sizeof(struct stack_record)) {
		const struct stack_record *stack = (const void *)record;
		struct stack_table *table = &p->stacks[stack->epoch & 1];

		/* What is refused here is counted with the samples that miss it. */
		if (table->epoch == stack->epoch)
			(void)stack_table_add(table, stack, size);
	} else if (record->type == RECORD_STASH && size >= sizeof(struct stash_record)) {
		const struct stash_record *stash = (const void *)record;

		if (size == sizeof(*stash) + stash->stack_bytes && size <= sizeof(p->stash) &&
		    stash->kernel_count <= SAMPLE_KERNEL_FRAMES_MAX &&
		    event_queue_push(&p->queue, QUEUED_STASH, stash->sample.time_ns, stash, size))
			count_lost(p, LOST_NO_MEMORY);
	} else if (record->type == RECORD_SAMPLE && size == sizeof(struct sample_record)) {
		const struct sample_record *sample = (const void *)record;

		if (event_queue_push(&p->queue, QUEUED_SAMPLE, sample->time_ns, sample, size))
			count_lost(p, LOST_NO_MEMORY);
	}
}

static void count_sideband_lost(struct profiler *p, uint64_t count)
{
	p->totals.sideband_lost += count;
	process_table_mark_stale(p->processes);
}

static int take_sideband(const void *record, size_t size, void *arg)
{
	struct profiler *p = arg;
	struct sideband_event event;

	/* A time that is still to come would end all windows up to it. */
	if (sideband_parse(record, size, &event) || event.time_ns > clock_now_ns())
		count_sideband_lost(p, 1);
	else if (event.type == SIDEBAND_LOST)
		count_sideband_lost(p, event.lost_count);
	else if (event.type == SIDEBAND_KSYMBOL)
		kernel_names_mark_changed(p->kernel_names, event.start, event.bytes);
	else if (event.type != SIDEBAND_OTHER &&
		 event_queue_push(&p->queue, QUEUED_SIDEBAND, event.time_ns, record, size))
		count_sideband_lost(p, 1);
	return 0;
}

static void drain_sideband(struct profiler *p)
{
	for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (p->sideband[cpu] && perf_ring_drain(p->sideband[cpu], take_sideband, p))
			count_sideband_lost(p, 1);
	}
}

bool profiler_replacement_waits(void *arg, uint32_t tgid)
{
	struct profiler *p = arg;

	drain_sideband(p);
	for (size_t i = p->queue.taken; i < p->queue.count; i++) {
		const struct queued_event *queued = &p->queue.events[i];
		struct sideband_event event;

		if (queued->kind != QUEUED_SIDEBAND ||
		    sideband_parse(p->queue.bytes + queued->at, queued->size, &event))
			continue;
		if (event.type == SIDEBAND_EXEC && event.tgid == tgid)
			return true;
		if (event.type == SIDEBAND_FORK && event.tgid == tgid && event.parent_tgid != tgid)
			return true;
	}
	return false;
}

/* --- applying ------------------------------------------------------------------------------------- */

static void apply_sideband(struct profiler *p, const void *record, size_t size)
{
	struct sideband_event event;

	if (sideband_parse(record, size, &event))
		return; /* cannot be: it was parsed when it was taken in */
	if (process_table_apply(p->processes, &event))
		count_sideband_lost(p, 1);
}

static enum lost_reason reason_of(const struct stack_table *table, int error)
{
	switch (error) {
	case -ENOENT:
		return table->count >= STACK_TABLE_STACKS_MAX ||
				       table->frame_count >=
					       STACK_TABLE_FRAMES_MAX - SAMPLE_FRAMES_MAX
			       ? LOST_STACK_TABLE
			       : LOST_LATE;
	case -ENOSPC:
		return LOST_WINDOW_FULL;
	default:
		return LOST_NO_MEMORY;
	}
}

/* Put a sample into the window. Returns 0 (loss is counted); -EAGAIN if its stack is not there yet. */
static int apply_sample(struct profiler *p, const struct sample_record *sample, bool last_chance)
{
	struct stack_table *table = &p->stacks[sample->epoch & 1];
	struct process *process = process_table_for_sample(p->processes, sample, sample->time_ns);
	if (!process) {
		count_lost(p, LOST_NO_MEMORY);
		return 0;
	}
	if (!process->selected)
		return 0;
	if (!(sample->flags & SAMPLE_IN_KERNEL))
		process_drop_previous(process);

	enum stack_verdict verdict;
	int error = table->epoch == sample->epoch
			    ? resolver_add(&p->resolver, sample, table, process, &verdict)
			    : -ENOENT;
	if (error == -ENOENT && !last_chance)
		return -EAGAIN;
	if (error) {
		count_lost(p, reason_of(table, error));
		return 0;
	}
	p->totals.verdicts[verdict] += sample->weight;
	if (sample->flags & SAMPLE_IN_KERNEL)
		p->totals.samples_kernel += sample->weight;
	else
		p->totals.samples_user += sample->weight;
	return 0;
}

/*
 * Unwind a stash, and put its sample into the window. Returns 0 when that is done or its loss was counted; -EAGAIN if
 * a table it needs is being made.
 */
static int apply_stash(struct profiler *p, const void *bytes, size_t size, bool last_chance)
{
	struct sample_record sample;

	int error = profiler_unwind_stash(p, bytes, size, last_chance, &sample);
	return error ? error : apply_sample(p, &sample, true);
}

/* Apply an event that was taken from the queue. Returns 0; -EAGAIN if it has to wait for another round. */
static int apply_event(struct profiler *p, const struct queued_event *event, const void *bytes,
		       bool at_end)
{
	switch ((enum queued_kind)event->kind) {
	case QUEUED_SIDEBAND:
		apply_sideband(p, bytes, event->size);
		return 0;
	case QUEUED_STASH:
		return apply_stash(p, bytes, event->size,
				   at_end || event->deferrals >= STASH_DEFERRALS_MAX);
	case QUEUED_SAMPLE:
		break;
	}
	return apply_sample(p, bytes, at_end || event->deferrals >= DEFERRALS_MAX);
}

/* Take in everything there is and apply what is older than @until_ns. */
static void run_round(struct profiler *p, uint64_t until_ns)
{
	const struct queued_event *event;
	const void *bytes;

	(void)bpf_side_drain(p->bpf, take_record, p); /* the next round tries again */
	unwind_loader_poll(p->unwind);
	drain_sideband(p);
	event_queue_sort(&p->queue);
	while ((event = event_queue_next(&p->queue, until_ns, &bytes))) {
		close_windows_before(p, event->time_ns);
		if (apply_event(p, event, bytes, until_ns == UINT64_MAX) == -EAGAIN)
			event_queue_defer(&p->queue);
	}
	event_queue_compact(&p->queue);
	if (until_ns != UINT64_MAX) {
		p->applied_ns = until_ns;
		close_windows_before(p, until_ns);
	}
	unwind_loader_refresh(p->unwind, p->processes);
	process_table_sweep(p->processes, p->applied_ns, p->applied_ns);
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

static void sleep_ns(uint64_t ns)
{
	struct timespec span = {.tv_sec = (time_t)(ns / NS_PER_S),
				.tv_nsec = (long)(ns % NS_PER_S)};

	(void)nanosleep(&span, NULL); /* signals are blocked here; too short does no harm */
}

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
	sleep_ns(SETTLE_NS);
	run_round(p, asked_ns);
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

	/* The end of the window, when that is nearer. */
	uint64_t end_ns = p->window_end_ns + SETTLE_NS;
	if (end_ns < now_ns + DRAIN_NS)
		drain_ms = end_ns > now_ns ? (end_ns - now_ns) / NS_PER_MS + 1 : 0;
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
	sleep_ns(SETTLE_NS);
	run_round(p, UINT64_MAX);
	close_windows_before(p, end_ns);
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
		run_round(p, round_ns - SETTLE_NS);
		profiler_publish(p);
		serve_snapshots(p);
	}
	end_loop(p);
	return NULL;
}
