/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of the machine: what is mapped where, who they are, who of them is profiled.
 *
 * Kept exact by the kernel's own log of process events, which the caller applies merged with the samples in order
 * of time: the state of the table is the state of the machine at the time of the last event. Where events were
 * lost, or an address is not covered, /proc repairs it, within a rate limit.
 *
 * A process is (tgid, start time): exec replaces its address space, fork passes everything on, a reused pid is
 * another process.
 *
 * Invariants: one process per tgid at a time; bounded by PROCESS_TABLE_MAX, exited ones leave first.
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_PROCESS_TABLE_H
#define HEARTH_PROFILER_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/sample.h"
#include "profiler/binary_cache.h"
#include "profiler/cgroup_labels.h"
#include "profiler/jit_names.h"
#include "profiler/mapping.h"
#include "profiler/sideband.h"

#define PROCESS_TABLE_MAX 32768u

struct process {
	uint32_t tgid;
	uint32_t parent; /* tgid; 0 = unknown */
	uint64_t serial; /* unique in the table's life; another one after each change of labels */
	uint64_t start_boottime_ns; /* 0 = not known yet */
	uint64_t start_ticks;	    /* the same in clock ticks, from /proc; 0 = unknown */
	uint64_t used_ns;	    /* last event or sample */
	uint64_t exit_ns;	    /* when its last thread ended; 0 = it runs */
	uint64_t maps_retry_ns;	    /* not before this time is /proc/PID/maps read again */
	uint64_t maps_backoff_ns;
	uint32_t thread_count; /* as far as known */
	bool selected;	       /* its samples are wanted */
	bool stale;	       /* events were lost: read its maps again */
	bool cgroup_known;     /* cgroup is that of cgroup_v2_id */
	uint64_t cgroup_v2_id;
	struct address_space *space;
	/*
	 * The one before the last exec, while that may still run: samples inside execve() were called from there.
	 * Dropped as soon as the new program is seen running; NULL = none.
	 */
	struct address_space *previous_space;
	struct cgroup_labels *cgroup; /* NULL = unknown */
	struct jit_names *jit;	      /* of the program that runs now; NULL = never needed any */
	char *exe;		      /* path; NULL = unknown or a kernel thread */
};

struct process_table_options {
	struct binary_cache *binaries; /* borrowed */
	const pid_t *pids;	       /* profile these and what they fork; NULL = all */
	size_t pid_count;
	/*
	 * Whether events wait that replace the process's address space: what /proc says now is then of another
	 * time than the sample in hand. NULL = never.
	 */
	bool (*replacement_waits)(void *arg, uint32_t tgid);
	void *arg;
};

struct process_table_stats {
	uint64_t processes;	   /* now */
	uint64_t mappings;	   /* now */
	uint64_t evicted;	   /* processes dropped to keep the bound */
	uint64_t repairs;	   /* address spaces read from /proc */
	uint64_t repairs_refused;  /* by the rate limit */
	uint64_t mappings_refused; /* by the bound of a process */
};

struct process_table;

/** Make an empty table. Returns 0 with @ret owned by the caller, free with process_table_destroy(); -ENOMEM. */
int process_table_create(const struct process_table_options *options, struct process_table **ret);

/** Free; NULL allowed. */
void process_table_destroy(struct process_table *t);

/** Read all processes from /proc. Returns 0; -ENOMEM; -errno of /proc. */
int process_table_scan(struct process_table *t, uint64_t now_ns);

/** Apply a process event. Events of other kinds do nothing. Returns 0; -ENOMEM. */
int process_table_apply(struct process_table *t, const struct sideband_event *event);

/** Say that events were lost: every process is repaired before its next sample. */
void process_table_mark_stale(struct process_table *t);

/** The process with this tgid; borrowed until the next call that changes the table; NULL if unknown. */
struct process *process_table_find(struct process_table *t, uint32_t tgid);

/**
 * The process of a sample: made from /proc if it is not known or another one had its pid, repaired if stale, its
 * cgroup up to date.
 *
 * Returns the process, borrowed as above; NULL if memory ran out.
 */
struct process *process_table_for_sample(struct process_table *t,
					 const struct sample_record *sample, uint64_t now_ns);

/**
 * Read a process's maps again because an address is not covered; less and less often if that does not help.
 *
 * Returns whether the address space may have changed.
 */
bool process_table_repair(struct process_table *t, struct process *p, uint64_t now_ns);

/**
 * Drop processes that ended.
 *
 * @applied_ns: time up to which events and samples were applied
 * @now_ns: for finding those whose end was missed, at most every half minute
 */
void process_table_sweep(struct process_table *t, uint64_t applied_ns, uint64_t now_ns);

/**
 * Name the executable of a process that has no name yet by the first file that its exec maps.
 *
 * @path: as the kernel's log gives it; what is no file's path is passed over
 */
void process_table_name_executable(struct process_table *t, struct process *p, const char *path);

/** Forget the address space from before the last exec: the new program was seen running. */
void process_drop_previous(struct process *p);

/** Counters. */
void process_table_stats(const struct process_table *t, struct process_table_stats *ret);

#endif
