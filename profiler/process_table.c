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
#include "profiler/process_table_internal.h"

#define EXITED_KEEP_NS (2 * NS_PER_S)  /* samples of a process that just ended still come */
#define MISSED_EXIT_NS (30 * NS_PER_S) /* how often ends that were missed are looked for */
#define ANCESTORS_MAX  16u	       /* how far up a cgroup is looked for */

DEFINE_CLEANUP(process_table_destroy, struct process_table *)

static void process_free(struct process *p)
{
	if (!p)
		return;
	address_space_unref(p->space);
	address_space_unref(p->previous_space);
	cgroup_labels_unref(p->cgroup);
	jit_names_destroy(p->jit);
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
	if (options->pids) {
		t->pids = calloc(options->pid_count + 1, sizeof(t->pids[0]));
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

bool process_table_wants(const struct process_table *t, uint32_t tgid)
{
	if (!t->options.pids)
		return true;
	for (size_t i = 0; i < t->options.pid_count; i++) {
		if ((uint32_t)t->options.pids[i] == tgid)
			return true;
	}
	return false;
}

struct process *process_table_add(struct process_table *t, uint32_t tgid, uint64_t now_ns)
{
	CLEANUP(process_freep) struct process *p = calloc(1, sizeof(*p));
	if (!p || address_space_create(&t->account, &p->space))
		return NULL;

	p->tgid = tgid;
	p->serial = ++t->last_serial;
	p->used_ns = now_ns;
	p->thread_count = 1;
	p->selected = process_table_wants(t, tgid);

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

void process_table_mark_stale(struct process_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		t->processes[i]->stale = true;
		t->processes[i]->maps_retry_ns = 0;
	}
}

/* --- samples -------------------------------------------------------------------------------------- */

/* Whether the process in the table can be the one of the sample, by its start time. */
static bool is_process_of(const struct process_table *t, const struct process *p,
			  const struct sample_record *sample)
{
	if (p->start_boottime_ns)
		return p->start_boottime_ns == sample->start_boottime_ns;
	return !p->start_ticks ||
	       p->start_ticks == sample->start_boottime_ns / (NS_PER_S / t->ticks_per_s);
}

/*
 * The cgroup of a process that is gone, or whose id says nothing: that of the nearest ancestor, which it was born
 * in. Returns a reference; NULL if none is known.
 */
static struct cgroup_labels *inherited_cgroup(struct process_table *t, const struct process *p)
{
	for (size_t i = 0; i < ANCESTORS_MAX && p->parent; i++) {
		struct process *parent = process_table_find(t, p->parent);
		if (!parent)
			return NULL;

		if (!parent->cgroup)
			(void)cgroup_cache_get(&t->cgroups, 0, (pid_t)parent->tgid,
					       &parent->cgroup);
		if (parent->cgroup)
			return cgroup_labels_ref(parent->cgroup);
		p = parent;
	}
	return NULL;
}

static void update_cgroup(struct process_table *t, struct process *p,
			  const struct sample_record *sample)
{
	CLEANUP(cgroup_labels_unrefp) struct cgroup_labels *cgroup = NULL;

	if (p->cgroup_known && p->cgroup_v2_id == sample->cgroup_id)
		return;
	p->cgroup_known = true;
	p->cgroup_v2_id = sample->cgroup_id;
	if (cgroup_cache_get(&t->cgroups, sample->cgroup_id, (pid_t)p->tgid, &cgroup)) {
		if (p->cgroup)
			return; /* inherited at its birth */
		cgroup = inherited_cgroup(t, p);
	}
	if (cgroup == p->cgroup)
		return;
	cgroup_labels_unref(p->cgroup);
	p->cgroup = take_ptr(cgroup);
	p->serial = ++t->last_serial;
}

struct process *process_table_for_sample(struct process_table *t,
					 const struct sample_record *sample, uint64_t now_ns)
{
	struct process *p = process_table_find(t, sample->tgid);

	if (!p || !is_process_of(t, p, sample)) {
		p = process_table_add(t, sample->tgid, now_ns);
		if (!p || process_table_read(t, p, sample, now_ns))
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
