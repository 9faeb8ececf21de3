/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of struct process_table: what the table itself (process_table.c), the process events (process_events.c)
 * and the reading of /proc (process_repair.c) share.
 *
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_PROCESS_TABLE_INTERNAL_H
#define HEARTH_PROFILER_PROCESS_TABLE_INTERNAL_H

#include "base/idmap.h"
#include "profiler/process_table.h"

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

/** Add a process that nothing is known of but its pid; one of the same pid goes. NULL if memory ran out. */
struct process *process_table_add(struct process_table *t, uint32_t tgid, uint64_t now_ns);

/** Whether the pid is among those asked for, or none were. */
bool process_table_wants(const struct process_table *t, uint32_t tgid);

/**
 * Fill in what /proc says of the process of a sample, which was just added: marked as ended if it is gone, as stale
 * if the rate limit says no.
 *
 * Returns 0; -ENOMEM.
 */
int process_table_read(struct process_table *t, struct process *p,
		       const struct sample_record *sample, uint64_t now_ns);

#endif
