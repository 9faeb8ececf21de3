/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of struct profiler: what its life cycle (profiler.c) and its loop (loop.c) share.
 *
 * Thread rule: everything is the loop thread's from profiler_start() to profiler_stop(), except what `lock` guards
 * and the two wake-up fields.
 */
#ifndef HEARTH_PROFILER_PROFILER_INTERNAL_H
#define HEARTH_PROFILER_PROFILER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "profiler/bpf_side.h"
#include "profiler/event_queue.h"
#include "profiler/governor.h"
#include "profiler/online_cpus.h"
#include "profiler/perf_ring.h"
#include "profiler/profiler.h"
#include "profiler/resolver.h"
#include "profiler/stack_table.h"
#include "profiler/static_labels.h"
#include "profiler/unwind_loader.h"

struct profiler {
	struct profiler_options options; /* defaults filled in; pids and symbolizer borrowed */
	uint64_t period_ns;

	struct bpf_side *bpf;
	struct perf_ring *sideband[CPUS_MAX]; /* by CPU; NULL = none */
	cpu_set_t sampled;		      /* CPUs that are sampled */
	cpu_set_t online;		      /* as last read */
	uint64_t cpus_checked_ns;
	struct governor governor;
	uint64_t governed_ns; /* when the governor was last told */

	struct binary_cache *binaries;
	struct process_table *processes;
	struct kernel_names *kernel_names;
	struct event_queue queue;
	struct stack_table stacks[2]; /* of the epoch and the one before, by epoch & 1 */
	bool epoch_is_due;	      /* a window was closed since the epoch began */
	uint64_t epoch_since_ns;      /* samples behind this time are of this epoch */
	struct window_builder builder;
	struct resolver resolver;
	struct unwind_loader *unwind;
	struct {
		struct stash_record record;
		unsigned char stack[STASH_STACK_BYTES];
	} stash;		      /* at work */
	struct unwound_stack unwound; /* what became of it */
	struct static_labels *labels; /* of the open window; NULL = none */
	uint32_t epoch;		      /* the newest */
	uint64_t window_end_ns;	      /* of the open window, monotonic */
	uint64_t applied_ns;	      /* events and samples up to here are in */
	uint64_t ring_lost_at_open;   /* counters of the BPF side when the window was opened */
	struct profiler_stats totals; /* running counters */

	pthread_t thread;
	bool is_running; /* the thread was started and not joined */
	int wake_fd;	 /* eventfd: a snapshot is wanted, or the end */
	int epoll_fd;
	atomic_bool stopping;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t served;
	struct profiler_stats published;
	uint64_t snapshots_wanted; /* tickets drawn */
	uint64_t snapshots_served; /* tickets up to here are answered by `snapshot` */
	uint64_t snapshot_waiters;
	struct static_labels *next_labels; /* from the next window on; NULL = no change */
	struct window *snapshot;	   /* one reference; NULL if making it failed */
	bool loop_runs;
};

/** The loop: runs until `stopping`; closes the last window. @arg: struct profiler. */
void *profiler_loop(void *arg);

/**
 * Sample and follow every online CPU that is not yet, let go of those that went offline.
 *
 * @ret_step: what failed, for privileges_explain()
 *
 * Returns 0 if at least one CPU is sampled; -errno.
 */
int profiler_follow_cpus(struct profiler *p, bool sample, enum privilege_step *ret_step);

/** Sample and follow no CPU any more. */
void profiler_leave_cpus(struct profiler *p);

/** Tell the governor what was spent, now and then, and do as it decides. */
void profiler_govern(struct profiler *p, uint64_t now_ns);

/** Take everything that is in the rings into the queue, which is not in order afterwards. */
void profiler_take_in(struct profiler *p);

/**
 * Apply an event that was taken from the queue.
 *
 * @waited_ns: how old it is: from some age on it does not wait for what it lacks
 *
 * Returns 0 (losses are counted); -EAGAIN if it has to wait for another round.
 */
int profiler_apply(struct profiler *p, const struct queued_event *event, const void *bytes,
		   uint64_t waited_ns);

/** Open the first window. */
void profiler_open_window(struct profiler *p, uint64_t start_ns);

/** Put the static labels into force that were set since the last call. */
void profiler_take_labels(struct profiler *p);

/** Copy the running counters, with sizes filled in, to where profiler_stats() reads them. */
void profiler_publish(struct profiler *p);

/**
 * Unwind a stash into the stack table of the newest epoch.
 *
 * @bytes: a struct stash_record with its slice, @size bytes, at most sizeof(p->stash)
 * @last_chance: do not wait for tables that are being made
 * @ret_sample: its sample, which names the stack
 *
 * Returns 0; -EAGAIN if a table it needs is being made.
 */
int profiler_unwind_stash(struct profiler *p, const void *bytes, size_t size, bool last_chance,
			  struct sample_record *ret_sample);

/** Copy the unwinder's counters into p->totals. */
void profiler_publish_unwinder(struct profiler *p);

/** Whether process events that wait replace the address space of @tgid; for struct process_table_options. */
bool profiler_replacement_waits(void *arg, uint32_t tgid);

#endif
