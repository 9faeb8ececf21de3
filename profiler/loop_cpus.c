// SPDX-License-Identifier: Apache-2.0
/*
 * The loop's part for CPUs that come and go.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "profiler/profiler_internal.h"

#define SIDEBAND_BYTES (256u << 10)

static int follow_cpu(struct profiler *p, int cpu, bool sample, enum privilege_step *ret_step)
{
	if (!p->sideband[cpu]) {
		*ret_step = STEP_OPEN_SIDEBAND;
		int error = perf_ring_open(cpu, SIDEBAND_BYTES, &p->sideband[cpu]);
		if (error)
			return error;
		struct epoll_event event = {.events = EPOLLIN};
		event.data.fd = perf_ring_fd(p->sideband[cpu]);
		if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event))
			return -errno;
	}
	if (!sample)
		return 0;
	int error = bpf_side_attach(p->bpf, cpu, ret_step);
	if (!error)
		CPU_SET(cpu, &p->sampled);
	return error;
}

static void leave_cpu(struct profiler *p, int cpu)
{
	bpf_side_detach(p->bpf, cpu);
	perf_ring_close(p->sideband[cpu]); /* leaves the epoll set by itself */
	p->sideband[cpu] = NULL;
	CPU_CLR(cpu, &p->sampled);
}

void profiler_leave_cpus(struct profiler *p)
{
	for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (p->sideband[cpu] || CPU_ISSET(cpu, &p->sampled))
			leave_cpu(p, cpu);
	}
}

int profiler_follow_cpus(struct profiler *p, bool sample, enum privilege_step *ret_step)
{
	int followed = 0, first_error = -ENODEV;

	for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!CPU_ISSET(cpu, &p->online)) {
			if (p->sideband[cpu] || CPU_ISSET(cpu, &p->sampled))
				leave_cpu(p, cpu);
			continue;
		}
		int error = follow_cpu(p, cpu, sample, ret_step);
		if (!error)
			followed++;
		else if (first_error == -ENODEV)
			first_error = error;
	}
	return followed ? 0 : first_error;
}
