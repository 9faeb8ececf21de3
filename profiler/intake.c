// SPDX-License-Identifier: Apache-2.0
/*
 * What comes out of the rings goes into the queue, and what leaves the queue changes the process table or becomes a
 * sample of the open window.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "profiler/profiler_internal.h"

#define SAMPLE_WAIT_NS (NS_PER_S / 2) /* that a sample waits for its stack */
#define STASH_WAIT_NS  (5 * NS_PER_S) /* that a stash waits for a table */

static void count_lost(struct profiler *p, enum lost_reason reason,
		       const struct sample_record *sample)
{
	p->totals.lost[reason] += sample->weight;
	p->builder.w.lost[reason] += sample->weight;
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
			count_lost(p, LOST_NO_MEMORY, &stash->sample);
	} else if (record->type == RECORD_SAMPLE && size == sizeof(struct sample_record)) {
		const struct sample_record *sample = (const void *)record;

		if (event_queue_push(&p->queue, QUEUED_SAMPLE, sample->time_ns, sample, size))
			count_lost(p, LOST_NO_MEMORY, sample);
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

	if (sideband_parse(record, size, &event) || !sideband_time_is_sane(&event, clock_now_ns()))
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

/*
 * A sample inside execve(), after the old program has gone and before the new one is mapped: it belongs to the
 * executable whose mapping the log reports next.
 */
static void look_for_executable(struct profiler *p, struct process *process)
{
	if (process->exe || !process->previous_space)
		return;

	drain_sideband(p);
	for (size_t i = p->queue.taken; i < p->queue.count && !process->exe; i++) {
		const struct queued_event *queued = &p->queue.events[i];
		struct sideband_event event;

		if (queued->kind == QUEUED_SIDEBAND &&
		    !sideband_parse(p->queue.bytes + queued->at, queued->size, &event) &&
		    event.type == SIDEBAND_MAP && event.tgid == process->tgid)
			process_table_name_executable(p->processes, process, event.file.path);
	}
}

/* Put a sample into the window. Returns 0 (loss is counted); -EAGAIN if its stack is not there yet. */
static int apply_sample(struct profiler *p, const struct sample_record *sample, bool last_chance)
{
	struct stack_table *table = &p->stacks[sample->epoch & 1];
	struct process *process = process_table_for_sample(p->processes, sample, sample->time_ns);
	if (!process) {
		count_lost(p, LOST_NO_MEMORY, sample);
		return 0;
	}
	if (!process->selected)
		return 0;
	look_for_executable(p, process);
	if (!(sample->flags & SAMPLE_IN_KERNEL))
		process_drop_previous(process);

	enum stack_verdict verdict;
	int error = table->epoch == sample->epoch
			    ? resolver_add(&p->resolver, sample, table, process, &verdict)
			    : -ENOENT;
	if (error == -ENOENT && !last_chance)
		return -EAGAIN;
	if (error) {
		count_lost(p, reason_of(table, error), sample);
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

int profiler_apply(struct profiler *p, const struct queued_event *event, const void *bytes,
		   uint64_t waited_ns)
{
	switch ((enum queued_kind)event->kind) {
	case QUEUED_SIDEBAND:
		apply_sideband(p, bytes, event->size);
		return 0;
	case QUEUED_STASH:
		return apply_stash(p, bytes, event->size, waited_ns >= STASH_WAIT_NS);
	case QUEUED_SAMPLE:
		break;
	}
	return apply_sample(p, bytes, waited_ns >= SAMPLE_WAIT_NS);
}

void profiler_take_in(struct profiler *p)
{
	(void)bpf_side_drain(p->bpf, take_record, p); /* the next round tries again */
	unwind_loader_poll(p->unwind);
	drain_sideband(p);
}
