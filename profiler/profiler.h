/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiler: samples every CPU through the BPF side, knows the processes, and makes windows.
 *
 * Life cycle: create (opens and loads the BPF side) -> start (attaches, runs the loop thread) -> stop -> destroy.
 * Thread rule: create, start, stop and destroy by one thread; the others by any.
 */
#ifndef HEARTH_PROFILER_PROFILER_H
#define HEARTH_PROFILER_PROFILER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/unwind_format.h"
#include "profiler/table_ledger.h"
#include "profiler/window.h"
#include "symbolizer/symbolizer.h"

struct profiler;

/** Called on the loop thread with each window as it closes; @w is borrowed: take a reference to keep it. */
typedef void (*profiler_window_fn)(struct window *w, void *arg);

struct profiler_options {
	uint32_t frequency_hz;	   /* samples a second and busy CPU; 0 = 99 */
	uint64_t window_ns;	   /* length of a window; 0 = 10 s */
	uint64_t bpf_memory_bytes; /* most memory of all BPF maps; 0 = 64 MiB */
	bool bounded;		   /* take the program for kernels before 5.17 on newer ones, too */
	double cpu_budget; /* most of the machine's CPU time to use, as a fraction; 0 = no limit */
	const pid_t *pids; /* only these processes and what they fork; NULL = all */
	size_t pid_count;
	struct symbolizer *symbolizer; /* is told of every binary seen; may be NULL; borrowed */
	const char *
		table_dir; /* where unwind tables are kept; NULL = nowhere; borrowed for the call */
	uint64_t table_limit_bytes;   /* of it; 0 = UNWIND_CACHE_DEFAULT_BYTES */
	profiler_window_fn on_window; /* NULL allowed */
	void *on_window_arg;
};

#define PROFILER_LABELS_MAX 80 /* static labels */

/** A label that everything sampled carries. */
struct profiler_label {
	const char *name;
	const char *value;
};

struct profiler_stats {
	uint64_t samples_user;
	uint64_t samples_kernel;
	uint64_t lost[LOST_REASON_COUNT];
	uint64_t verdicts[STACK_VERDICT_COUNT];
	uint64_t unwind_ends
		[UNWIND_END_COUNT]; /* user stacks by how unwinding in the kernel ended */
	uint64_t stash_sent;	    /* stacks that were left to user space */
	uint64_t stash_bytes;
	uint64_t stash_limited;		       /* not sent: a CPU was over its bytes a second */
	uint64_t stash_limited_process;	       /* not sent: a process was over its bytes a second */
	uint64_t stash_lost;		       /* not sent: their ring was full */
	uint64_t stash_ends[UNWIND_END_COUNT]; /* stashes by how unwinding them ended */
	uint64_t unwind_table_bytes;	       /* rows in the kernel's memory now */
	uint64_t unwind_pages;		       /* of them now */
	uint64_t unwind_page_loads;
	uint64_t unwind_page_evictions;
	uint64_t unwind_tables_built;  /* by workers */
	uint64_t unwind_tables_cached; /* and failures, found on disk */
	uint64_t unwind_tables_failed;
	uint64_t sideband_lost; /* process events lost and repaired from /proc */
	uint64_t processes;	/* known now */
	uint64_t processes_evicted;
	uint64_t mappings; /* known now */
	uint64_t binaries; /* known now */
	uint64_t bpf_map_bytes;
	uint64_t bpf_run_ns; /* only while kernel.bpf_stats_enabled */
	uint64_t bpf_run_count;
	uint64_t bpf_verified;	 /* instructions that the verifier walked; 0 before Linux 5.16 */
	uint64_t sampler_run_ns; /* CPU time of the BPF program on ticks that were sampled */
	uint64_t paused_ns;	 /* nothing was sampled for the budget of CPU time */
	double cpu_used; /* of the machine's CPU time over the last seconds, BPF program included */
	double cpu_budget; /* as asked for; 0 = no limit */
	uint32_t online_cpus;
	uint32_t sampled_cpus;
	uint32_t frequency_hz; /* ticks a second */
	uint32_t thinning;     /* of which one in so many is sampled, weighing as much */
};

/**
 * Load the BPF side and read the processes that run already. Nothing is sampled yet.
 *
 * @error_text: on failure one line for a person: what failed, why, what to do
 * @ret: on success owned by the caller, free with profiler_destroy()
 *
 * Returns 0; -EPERM, -EACCES (privileges, perf_event_paranoid); -ENOTSUP (the kernel lacks BTF or a feature);
 * -ENOMEM; other -errno of loading.
 */
int profiler_create(const struct profiler_options *options, struct profiler **ret, char *error_text,
		    size_t error_size);

/** Stop if need be and free everything, BPF side included; NULL allowed. */
void profiler_destroy(struct profiler *p);

/** Attach on every online CPU and start the loop thread. Returns 0; -errno with @error_text as above. */
int profiler_start(struct profiler *p, char *error_text, size_t error_size);

/** Detach, drain, close the last window (on_window is called with it) and end the loop thread. */
void profiler_stop(struct profiler *p);

/**
 * A frozen copy of the window that is open now, with everything sampled up to this call in it.
 *
 * @ret: on success one reference, drop with window_unref()
 *
 * Returns 0; -ESHUTDOWN if the profiler does not run; -ENOMEM.
 */
int profiler_snapshot(struct profiler *p, struct window **ret);

/**
 * What is known about the unwind table of an executable: its size, how it was made, or why there is none.
 *
 * @id: as binary_build_id() has it
 *
 * Returns 0; -ENOENT if no stack that was unwound by user space has touched it yet, or its entry was forgotten
 * (TABLE_LEDGER_ENTRIES_MAX).
 */
int profiler_table_facts(struct profiler *p, const struct build_id *id, struct table_facts *ret);

/**
 * Put labels on everything that is sampled, from the next window on, instead of those of the last call. One of them
 * goes before a label of the same name that is read from what runs.
 *
 * @labels: copied
 *
 * Returns 0; -E2BIG if there are more than PROFILER_LABELS_MAX; -ENOMEM: those of the last call stay.
 */
int profiler_set_labels(struct profiler *p, const struct profiler_label *labels, size_t count);

/** Counters since create. */
void profiler_stats(struct profiler *p, struct profiler_stats *ret);

#endif
