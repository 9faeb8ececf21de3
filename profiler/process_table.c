// SPDX-License-Identifier: Apache-2.0
#include "profiler/process_table.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/idmap.h"
#include "profiler/procfs.h"

#define EXITED_KEEP_NS	   (2 * NS_PER_S)  /* samples of a process that just ended still come */
#define MISSED_EXIT_NS	   (30 * NS_PER_S) /* how often ends that were missed are looked for */
#define REPAIRS_PER_S	   100u		   /* address spaces read from /proc */
#define REPAIR_BURST	   300u
#define REPAIR_BACKOFF_NS  (1 * NS_PER_S) /* per process, doubled each time */
#define REPAIR_BACKOFF_MAX (64 * NS_PER_S)

struct process_table {
	struct process_table_options options;
	pid_t *pids; /* copy of options.pids */
	struct process **processes;
	size_t count, capacity;
	struct idmap by_tgid;
	struct mapping_account account;
	struct cgroup_cache cgroups;
	struct process_table_stats stats; /* the counters; sizes are filled in when asked for */
	uint64_t last_serial;
	uint64_t ticks_per_s;
	uint64_t missed_exits_ns;  /* when they were last looked for */
	uint64_t repair_tokens_ns; /* time for which repairs were handed out */
};

DEFINE_CLEANUP(process_table_destroy, struct process_table *)
DEFINE_CLEANUP(address_space_unref, struct address_space *)
DEFINE_CLEANUP(binary_unref, struct binary *)

static void process_free(struct process *p)
{
	if (!p)
		return;
	address_space_unref(p->space);
	cgroup_labels_unref(p->cgroup);
	free(p->exe);
	free(p);
}

DEFINE_CLEANUP(process_free, struct process *)

int process_table_create(const struct process_table_options *options, struct process_table **ret)
{
	CLEANUP(process_table_destroyp) struct process_table *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;

	cgroup_cache_init(&t->cgroups);
	t->options = *options;
	t->ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK);
	if (options->pid_count) {
		t->pids = calloc(options->pid_count, sizeof(t->pids[0]));
		if (!t->pids)
			return -ENOMEM;
		memcpy(t->pids, options->pids, options->pid_count * sizeof(t->pids[0]));
	}
	t->options.pids = t->pids;
	*ret = take_ptr(t);
	return 0;
}

void process_table_destroy(struct process_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		process_free(t->processes[i]);
	cgroup_cache_release(&t->cgroups);
	idmap_release(&t->by_tgid);
	free(t->processes);
	free(t->pids);
	free(t);
}

/* --- adding and removing -------------------------------------------------------------------------- */

static size_t index_of(const struct process_table *t, uint32_t tgid)
{
	uint64_t hash = hash_combine(0, tgid);

	for (struct idmap_probe p = idmap_find(&t->by_tgid, hash); p.found;
	     idmap_next(&t->by_tgid, &p)) {
		if (t->processes[p.id]->tgid == tgid)
			return p.id;
	}
	return SIZE_MAX;
}

struct process *process_table_find(struct process_table *t, uint32_t tgid)
{
	size_t i = index_of(t, tgid);

	return i == SIZE_MAX ? NULL : t->processes[i];
}

/* The last process moves into the place of the one that goes. */
static void remove_at(struct process_table *t, size_t i)
{
	struct process *gone = t->processes[i];
	size_t last = t->count - 1;

	(void)idmap_remove(&t->by_tgid, hash_combine(0, gone->tgid), (uint32_t)i);
	if (i != last) {
		uint64_t hash = hash_combine(0, t->processes[last]->tgid);

		(void)idmap_remove(&t->by_tgid, hash, (uint32_t)last);
		t->processes[i] = t->processes[last];
		(void)idmap_insert(&t->by_tgid, hash, (uint32_t)i); /* one was just removed */
	}
	t->count--;
	process_free(gone);
}

/* Make room for one more: those that ended go, else the one that was quiet for the longest time. */
static void make_room(struct process_table *t)
{
	size_t quietest = 0;

	for (size_t i = t->count; i-- > 0;) {
		if (t->processes[i]->exit_ns) {
			remove_at(t, i);
			t->stats.evicted++;
		}
	}
	if (t->count < PROCESS_TABLE_MAX)
		return;
	for (size_t i = 1; i < t->count; i++) {
		if (t->processes[i]->used_ns < t->processes[quietest]->used_ns)
			quietest = i;
	}
	remove_at(t, quietest);
	t->stats.evicted++;
}

static bool pid_is_wanted(const struct process_table *t, uint32_t tgid)
{
	if (!t->options.pids)
		return true;
	for (size_t i = 0; i < t->options.pid_count; i++) {
		if ((uint32_t)t->options.pids[i] == tgid)
			return true;
	}
	return false;
}

/* Add a process that nothing is known of but its pid; one of the same pid goes. NULL if memory ran out. */
static struct process *add(struct process_table *t, uint32_t tgid, uint64_t now_ns)
{
	CLEANUP(process_freep) struct process *p = calloc(1, sizeof(*p));
	if (!p || address_space_create(&t->account, &p->space))
		return NULL;

	p->tgid = tgid;
	p->serial = ++t->last_serial;
	p->used_ns = now_ns;
	p->thread_count = 1;
	p->selected = pid_is_wanted(t, tgid);

	size_t old = index_of(t, tgid);
	if (old != SIZE_MAX)
		remove_at(t, old);
	if (t->count >= PROCESS_TABLE_MAX)
		make_room(t);
	if (array_reserve((void **)&t->processes, &t->capacity, t->count + 1,
			  sizeof(t->processes[0])) ||
	    idmap_insert(&t->by_tgid, hash_combine(0, tgid), (uint32_t)t->count))
		return NULL;
	return t->processes[t->count++] = take_ptr(p);
}

/* --- /proc ---------------------------------------------------------------------------------------- */

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
	struct mapping mapping = {.start = m->start, .end = m->end, .offset = m->offset};
	int error =
		binary_cache_get(r->t->options.binaries, &place, &file, r->now_ns, &mapping.binary);
	if (error)
		return error;
	error = address_space_map(&r->space, &mapping);
	binary_unref(mapping.binary);
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
	const struct process *parent = process_table_find(t, p->parent);
	if (parent && parent->selected)
		p->selected = true;
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

	struct process *p = add(s->t, (uint32_t)pid, s->now_ns);
	if (!p)
		return -ENOMEM;

	/* Children of the wanted that run already are not "what they fork". */
	int error = read_process(s->t, p, &stat, s->now_ns);
	p->selected = pid_is_wanted(s->t, p->tgid);
	return error;
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

bool process_table_repair(struct process_table *t, struct process *p, uint64_t now_ns)
{
	if (p->exit_ns || now_ns < p->maps_retry_ns || !repair_allowed(t, now_ns))
		return false;

	p->maps_backoff_ns = p->maps_backoff_ns ? p->maps_backoff_ns * 2 : REPAIR_BACKOFF_NS;
	if (p->maps_backoff_ns > REPAIR_BACKOFF_MAX)
		p->maps_backoff_ns = REPAIR_BACKOFF_MAX;
	p->maps_retry_ns = now_ns + p->maps_backoff_ns;
	return read_maps(t, p, now_ns) == 0;
}

/* --- events --------------------------------------------------------------------------------------- */

static int apply_fork(struct process_table *t, const struct sideband_event *event)
{
	struct process *parent = process_table_find(t, event->parent_tgid);

	if (event->tgid == event->parent_tgid) {
		if (parent)
			parent->thread_count++;
		return 0;
	}

	/* add() may make room: hold what is inherited before. */
	struct address_space *space = parent ? address_space_ref(parent->space) : NULL;
	struct cgroup_labels *cgroup =
		parent && parent->cgroup ? cgroup_labels_ref(parent->cgroup) : NULL;
	char *exe = parent && parent->exe ? strdup(parent->exe) : NULL;
	bool selected = parent && parent->selected, stale = !parent || parent->stale;

	struct process *p = add(t, event->tgid, event->time_ns);
	if (!p) {
		address_space_unref(space);
		cgroup_labels_unref(cgroup);
		free(exe);
		return -ENOMEM;
	}
	p->parent = event->parent_tgid;
	p->selected |= selected;
	p->stale = stale;
	p->cgroup = cgroup;
	p->exe = exe;
	if (space) {
		address_space_unref(p->space);
		p->space = space;
	}
	return 0;
}

static struct process *find_or_add(struct process_table *t, uint32_t tgid, uint64_t now_ns)
{
	struct process *p = process_table_find(t, tgid);

	if (!p) {
		p = add(t, tgid, now_ns);
		if (p)
			p->stale = true;
	}
	return p;
}

static int apply_exec(struct process_table *t, const struct sideband_event *event)
{
	struct address_space *space;
	if (address_space_create(&t->account, &space))
		return -ENOMEM;
	struct process *p = find_or_add(t, event->tgid, event->time_ns);
	if (!p) {
		address_space_unref(space);
		return -ENOMEM;
	}

	address_space_unref(p->space);
	p->space = space;
	free(p->exe);
	p->exe = NULL;
	p->serial = ++t->last_serial;
	p->thread_count = 1;
	p->exit_ns = 0;
	p->stale = false; /* all mappings are new, and all are logged */
	p->cgroup_known = false;
	p->maps_retry_ns = p->maps_backoff_ns = 0;
	p->used_ns = event->time_ns;
	return 0;
}

static int apply_map(struct process_table *t, const struct sideband_event *event)
{
	struct process *p = find_or_add(t, event->tgid, event->time_ns);
	if (!p)
		return -ENOMEM;
	if (!event->bytes)
		return 0;

	const struct mapping_place place = {.pid = (pid_t)p->tgid,
					    .parent = (pid_t)p->parent,
					    .start = event->start,
					    .end = event->start + event->bytes};
	struct mapping mapping = {.start = place.start, .end = place.end, .offset = event->offset};
	int error = binary_cache_get(t->options.binaries, &place, &event->file, event->time_ns,
				     &mapping.binary);
	if (error)
		return error;
	error = address_space_map(&p->space, &mapping);
	/* The first file that an exec maps is the executable. */
	if (!p->exe && event->file.path[0] == '/' && event->file.path[1] != '/') {
		p->exe = strdup(event->file.path); /* no label if that fails */
		p->serial = ++t->last_serial;
	}
	binary_unref(mapping.binary);
	return error == -ENOSPC ? 0 : error; /* counted there */
}

static void apply_exit(struct process_table *t, const struct sideband_event *event)
{
	struct process *p = process_table_find(t, event->tgid);
	if (!p)
		return;

	if (p->thread_count)
		p->thread_count--;
	if (!p->thread_count)
		p->exit_ns = event->time_ns;
}

int process_table_apply(struct process_table *t, const struct sideband_event *event)
{
	switch (event->type) {
	case SIDEBAND_FORK:
		return apply_fork(t, event);
	case SIDEBAND_EXEC:
		return apply_exec(t, event);
	case SIDEBAND_MAP:
		return event->tgid == UINT32_MAX ? 0 : apply_map(t, event); /* -1: kernel code */
	case SIDEBAND_EXIT:
		apply_exit(t, event);
		return 0;
	default:
		return 0;
	}
}

void process_table_mark_stale(struct process_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		t->processes[i]->stale = true;
		t->processes[i]->maps_retry_ns = 0;
	}
}

/* --- samples -------------------------------------------------------------------------------------- */

/* Whether the process in the table can be the one of the sample. */
static bool is_same_process(const struct process_table *t, const struct process *p,
			    const struct sample_record *sample)
{
	if (p->start_boottime_ns)
		return p->start_boottime_ns == sample->start_boottime_ns;
	return !p->start_ticks ||
	       p->start_ticks == sample->start_boottime_ns / (NS_PER_S / t->ticks_per_s);
}

/* A process that no event told of. */
static struct process *add_unheard_of(struct process_table *t, const struct sample_record *sample,
				      uint64_t now_ns)
{
	struct process *p = add(t, sample->tgid, now_ns);
	if (!p)
		return NULL;

	struct procfs_stat stat;
	p->stale = true;
	if (!repair_allowed(t, now_ns) || procfs_read_stat((pid_t)p->tgid, &stat))
		return p;
	p->start_ticks = stat.start_ticks;
	if (!is_same_process(t, p, sample))
		return p; /* it is gone, and its pid taken */
	if (read_process(t, p, &stat, now_ns))
		return NULL;
	p->stale = false;
	return p;
}

static void update_cgroup(struct process_table *t, struct process *p,
			  const struct sample_record *sample)
{
	struct cgroup_labels *cgroup;

	if (p->cgroup_known && p->cgroup_v2_id == sample->cgroup_id)
		return;
	p->cgroup_known = true;
	p->cgroup_v2_id = sample->cgroup_id;
	if (cgroup_cache_get(&t->cgroups, sample->cgroup_id, (pid_t)p->tgid, &cgroup))
		return; /* what was inherited stays */
	cgroup_labels_unref(p->cgroup);
	p->cgroup = cgroup;
	p->serial = ++t->last_serial;
}

struct process *process_table_for_sample(struct process_table *t,
					 const struct sample_record *sample, uint64_t now_ns)
{
	struct process *p = process_table_find(t, sample->tgid);

	if (!p || !is_same_process(t, p, sample)) {
		p = add_unheard_of(t, sample, now_ns);
		if (!p)
			return NULL;
	}
	p->start_boottime_ns = sample->start_boottime_ns;
	p->used_ns = sample->time_ns;
	if (p->stale && process_table_repair(t, p, now_ns))
		p->stale = false;
	update_cgroup(t, p, sample);
	return p;
}

/* --- ends ----------------------------------------------------------------------------------------- */

void process_table_sweep(struct process_table *t, uint64_t applied_ns, uint64_t now_ns)
{
	bool look_for_missed = now_ns - t->missed_exits_ns >= MISSED_EXIT_NS;

	if (look_for_missed)
		t->missed_exits_ns = now_ns;
	for (size_t i = t->count; i-- > 0;) {
		struct process *p = t->processes[i];

		if (look_for_missed && !p->exit_ns && kill((pid_t)p->tgid, 0) && errno == ESRCH)
			p->exit_ns = applied_ns;
		if (p->exit_ns && applied_ns > p->exit_ns + EXITED_KEEP_NS)
			remove_at(t, i);
	}
}

void process_table_stats(const struct process_table *t, struct process_table_stats *ret)
{
	*ret = t->stats;
	ret->processes = t->count;
	ret->mappings = t->account.mappings;
	ret->mappings_refused = t->account.refused;
}
