// SPDX-License-Identifier: Apache-2.0
/*
 * What the log of process events does not say is read from /proc: processes that were there before it began, and
 * the address spaces of those for which events were lost.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profiler/process_table_internal.h"
#include "profiler/procfs.h"

#define REPAIRS_PER_S	   100u /* address spaces read */
#define REPAIR_BURST	   300u
#define REPAIR_BACKOFF_NS  (1 * NS_PER_S) /* per process, doubled each time */
#define REPAIR_BACKOFF_MAX (64 * NS_PER_S)

DEFINE_CLEANUP(address_space_unref, struct address_space *)
DEFINE_CLEANUP(binary_unref, struct binary *)

struct maps_reader {
	struct process_table *t;
	const struct process *p;
	struct address_space *space; /* being filled; owned */
	uint64_t now_ns;
};

static int take_mapping(const struct procfs_mapping *m, void *arg)
{
	struct maps_reader *r = arg;
	if (!m->executable)
		return 0;

	const struct mapping_place place = {.pid = (pid_t)r->p->tgid,
					    .parent = (pid_t)r->p->parent,
					    .start = m->start,
					    .end = m->end};
	const struct mapped_file file = {.path = m->path,
					 .device_major = m->device_major,
					 .device_minor = m->device_minor,
					 .inode = m->inode};
	CLEANUP(binary_unrefp) struct binary *binary = NULL;
	int error = binary_cache_get(r->t->options.binaries, &place, &file, r->now_ns, &binary);
	if (error)
		return error;

	const struct mapping mapping = {
		.start = m->start, .end = m->end, .offset = m->offset, .binary = binary};
	error = address_space_map(&r->space, &mapping);
	return error == -ENOSPC ? 0 : error; /* counted there; the rest may still fit in */
}

/* Read the maps anew. Returns 0; -ENOENT if the process is gone or replaces itself; -ENOMEM. */
static int read_maps(struct process_table *t, struct process *p, uint64_t now_ns)
{
	CLEANUP(address_space_unrefp) struct address_space *space = NULL;
	if (address_space_create(&t->account, &space))
		return -ENOMEM;

	struct maps_reader reader = {.t = t, .p = p, .space = take_ptr(space), .now_ns = now_ns};
	int error = procfs_read_maps((pid_t)p->tgid, take_mapping, &reader);
	space = reader.space;
	t->stats.repairs++;
	if (error)
		return error == -ENOMEM ? error : -ENOENT;
	if (t->options.replacement_waits && t->options.replacement_waits(t->options.arg, p->tgid))
		return -ENOENT;
	if (!space->count && p->space->count)
		return -ENOENT; /* a zombie: it had mappings */

	address_space_unref(p->space);
	p->space = take_ptr(space);
	return 0;
}

/* Fill in what /proc says of a process that was just added. */
static int read_process(struct process_table *t, struct process *p, const struct procfs_stat *stat,
			uint64_t now_ns)
{
	p->parent = (uint32_t)stat->parent;
	p->start_ticks = stat->start_ticks;
	p->thread_count = stat->thread_count;
	if (stat->is_kernel_thread)
		return 0;

	(void)procfs_read_exe((pid_t)p->tgid, &p->exe); /* no label then */
	return read_maps(t, p, now_ns) == -ENOMEM ? -ENOMEM : 0;
}

struct scan {
	struct process_table *t;
	uint64_t now_ns;
};

static int scan_process(pid_t pid, void *arg)
{
	struct scan *s = arg;
	struct procfs_stat stat;
	if (procfs_read_stat(pid, &stat))
		return 0; /* gone */

	struct process *p = process_table_add(s->t, (uint32_t)pid, s->now_ns);
	return p ? read_process(s->t, p, &stat, s->now_ns) : -ENOMEM;
}

int process_table_scan(struct process_table *t, uint64_t now_ns)
{
	struct scan scan = {.t = t, .now_ns = now_ns};

	return procfs_for_each(scan_process, &scan);
}

/* A token bucket in units of time. */
static bool repair_allowed(struct process_table *t, uint64_t now_ns)
{
	const uint64_t cost_ns = NS_PER_S / REPAIRS_PER_S;
	const uint64_t burst_ns = cost_ns * REPAIR_BURST;

	if (now_ns > burst_ns && t->repair_tokens_ns < now_ns - burst_ns)
		t->repair_tokens_ns = now_ns - burst_ns;
	if (t->repair_tokens_ns + cost_ns > now_ns) {
		t->stats.repairs_refused++;
		return false;
	}
	t->repair_tokens_ns += cost_ns;
	return true;
}

/* Whether /proc speaks of this process: not gone, and no other one with its pid. */
static bool is_in_proc(const struct process_table *t, const struct process *p,
		       struct procfs_stat *ret)
{
	const uint64_t tick_ns = NS_PER_S / t->ticks_per_s;

	if (procfs_read_stat((pid_t)p->tgid, ret))
		return false;
	if (p->start_boottime_ns)
		return p->start_boottime_ns / tick_ns == ret->start_ticks;
	return !p->start_ticks || p->start_ticks == ret->start_ticks;
}

bool process_table_repair(struct process_table *t, struct process *p, uint64_t now_ns)
{
	struct procfs_stat stat;

	if (p->exit_ns || now_ns < p->maps_retry_ns || !repair_allowed(t, now_ns))
		return false;
	if (!is_in_proc(t, p, &stat)) {
		p->exit_ns = now_ns; /* its end was missed */
		return false;
	}

	p->maps_backoff_ns = p->maps_backoff_ns ? p->maps_backoff_ns * 2 : REPAIR_BACKOFF_NS;
	if (p->maps_backoff_ns > REPAIR_BACKOFF_MAX)
		p->maps_backoff_ns = REPAIR_BACKOFF_MAX;
	p->maps_retry_ns = now_ns + p->maps_backoff_ns;
	return read_maps(t, p, now_ns) == 0;
}

int process_table_read(struct process_table *t, struct process *p,
		       const struct sample_record *sample, uint64_t now_ns)
{
	struct procfs_stat stat;

	p->start_boottime_ns = sample->start_boottime_ns;
	p->stale = true;
	if (!repair_allowed(t, now_ns))
		return 0;
	p->stale = false;
	if (!is_in_proc(t, p, &stat)) {
		p->exit_ns = now_ns;
		return 0;
	}

	/* What a wanted process forked while events were lost is wanted as well. */
	const struct process *parent = process_table_find(t, (uint32_t)stat.parent);
	p->selected |= parent && parent->selected;
	return read_process(t, p, &stat, now_ns);
}
