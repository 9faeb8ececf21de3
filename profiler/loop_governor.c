// SPDX-License-Identifier: Apache-2.0
/*
 * The loop's part for what the profiler itself costs.
 */
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "profiler/profiler_internal.h"

#define GOVERN_NS (1 * NS_PER_S)

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Of the children that have ended. */
static uint64_t children_cpu_ns(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_CHILDREN, &u); /* cannot fail for this argument */
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NS_PER_US;
}

/* Process events were missed: the table is repaired from /proc. */
static void resume(struct profiler *p)
{
	enum privilege_step step;

	(void)online_cpus_read(&p->online);
	(void)profiler_follow_cpus(p, true, &step); /* tried again in a second; the counts tell */
	process_table_mark_stale(p->processes);
}

void profiler_govern(struct profiler *p, uint64_t now_ns)
{
	struct governor *g = &p->governor;
	struct sampler_counters counters;
	uint64_t span_ns = now_ns - p->governed_ns;

	if (span_ns < GOVERN_NS)
		return;
	if (p->governed_ns && g->is_stopped)
		p->totals.paused_ns += span_ns;
	p->governed_ns = now_ns;
	if (bpf_side_counters(p->bpf, &counters))
		return;

	bool was_stopped = g->is_stopped;
	double machine_ns = (double)CPU_COUNT(&p->online) * NS_PER_S;
	uint64_t loop_ns = thread_cpu_ns();
	uint64_t others_ns = clock_process_cpu_ns() + children_cpu_ns() - loop_ns;

	g->budget_ns = (uint64_t)(p->options.cpu_budget * machine_ns);
	if (governor_tell(g, now_ns, loop_ns + counters.run_ns, others_ns)) {
		bpf_side_set_thinning(p->bpf, g->thinning);
		if (g->is_stopped)
			profiler_leave_cpus(p);
		else if (was_stopped)
			resume(p);
	}
	p->totals.thinning = g->thinning;
	p->totals.sampler_run_ns = counters.run_ns;
	p->totals.cpu_used = (double)(g->sampling_rate_ns + g->other_rate_ns) / machine_ns;
}
