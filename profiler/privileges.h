/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the kernel refused, in one line for a person: what failed, why, what to do.
 *
 * Thread rule: any.
 */
#ifndef HEARTH_PROFILER_PRIVILEGES_H
#define HEARTH_PROFILER_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

/** What of the system decides whether sampling is allowed. */
struct privileges {
	bool sys_admin;	  /* effective CAP_SYS_ADMIN */
	bool bpf;	  /* effective CAP_BPF */
	bool perfmon;	  /* effective CAP_PERFMON */
	bool has_btf;	  /* /sys/kernel/btf/vmlinux is there */
	bool locked_down; /* kernel lockdown in mode "confidentiality" */
	int paranoid;	  /* kernel.perf_event_paranoid; -2 = cannot be read */
};

enum privilege_step {
	STEP_LOAD_BPF,
	STEP_OPEN_CLOCK,    /* perf_event_open() of the sampling event */
	STEP_OPEN_SIDEBAND, /* perf_event_open() or mmap() of the process events */
	STEP_ATTACH,
	STEP_OTHER,
};

/** Read what holds for this process now. */
void privileges_read(struct privileges *ret);

/**
 * Write the line.
 *
 * @error: -errno of the step
 * @text: filled with at most @size bytes, always terminated
 */
void privileges_explain(const struct privileges *privileges, enum privilege_step step, int error,
			char *text, size_t size);

#endif
