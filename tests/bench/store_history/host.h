/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated host: processes that play the programs of a recording on any number of CPUs.
 *
 * A process is one program with a pid, threads and a unit of its own, and runs through a part of its own of the program's
 * recorded stacks. Some processes are much busier than others. A CPU stays with a thread as often as the
 * recording says, else takes another by how busy it is; idle moments leave no sample. Every ten minutes one process
 * ends and another takes its place.
 *
 * What a host does at a time follows from its seed and that time, so that parts of its history can be left out.
 *
 * Thread rule: one owner.
 */
#ifndef HEARTH_TESTS_BENCH_STORE_HISTORY_HOST_H
#define HEARTH_TESTS_BENCH_STORE_HISTORY_HOST_H

#include "tests/bench/store_history/recording.h"

#define HOST_HZ		19
#define HOST_PERIOD_NS	(1000000000ull / HOST_HZ)
#define HOST_PROCESSES	500
#define HOST_CORES_MAX	256
#define HOST_RESTART_NS (600 * 1000000000ull) /* between two processes that end */

struct host_options {
	const struct recording *recording; /* borrowed */
	uint64_t seed;
	uint32_t cores;
	uint32_t busy_percent; /* of all CPUs */
};

struct host;

/** Make a host. @ret: free with host_destroy(). Returns 0; -ENOMEM. */
int host_create(const struct host_options *o, struct host **ret);

/** Free; NULL allowed. */
void host_destroy(struct host *h);

/** What it did in a span, as the profiler would report it. Returns 0; -ENOMEM; -EFBIG. */
int host_window(struct host *h, uint64_t wall_start_ns, uint64_t span_ns, struct window **ret);

/** The sum of what it did in a span, drawn series by series from what is expected. Returns as host_window(). */
int host_sum(struct host *h, uint64_t wall_start_ns, uint64_t span_ns, struct window **ret);

#endif
