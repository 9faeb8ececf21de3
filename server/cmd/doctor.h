/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `hearth doctor` looks at: one function a row of its table.
 *
 * A check looks at one thing, changes nothing, and fills its finding: how it stands, the value seen, what that
 * means and the command that mends it.
 *
 * Thread rule: main thread only.
 */
#ifndef HEARTH_SERVER_CMD_DOCTOR_H
#define HEARTH_SERVER_CMD_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARN, /* Hearth works, but shows less than it could */
	DOCTOR_FAIL, /* Hearth cannot sample */
};

struct doctor_finding {
	enum doctor_level level;
	char value[320]; /* what was found */
	char mend[320];	 /* what to do, "" if there is nothing to mend */
};

/** What the checks are asked for. */
struct doctor_context {
	const char *data_dir;
	uint64_t capabilities; /* effective ones, bit N = capability N */
	uint32_t kernel;       /* KERNEL_VERSION() of the running kernel, 0 if unreadable */
};

typedef void (*doctor_check_fn)(const struct doctor_context *context, struct doctor_finding *ret);

/** Fill a finding; @value as in printf(3). */
void doctor_say(struct doctor_finding *f, enum doctor_level level, const char *value, ...)
	__attribute__((format(printf, 3, 4)));

/** Say what mends it, as in printf(3). */
void doctor_mend(struct doctor_finding *f, const char *mend, ...)
	__attribute__((format(printf, 2, 3)));

/** Read a small file such as a sysctl into @text, without the newline at its end. Returns 0; -errno. */
int doctor_read(const char *path, char *text, uint32_t size);

/** Whether capability @number is effective. */
bool doctor_can(const struct doctor_context *context, unsigned int number);

/** Release of the kernel. */
void doctor_kernel(const struct doctor_context *context, struct doctor_finding *ret);

/** Type information of the kernel, which the BPF side needs to find fields. */
void doctor_btf(const struct doctor_context *context, struct doctor_finding *ret);

/** Whether a perf_event BPF program loads. */
void doctor_bpf(const struct doctor_context *context, struct doctor_finding *ret);

/** BPF ring buffer. */
void doctor_ring_buffer(const struct doctor_context *context, struct doctor_finding *ret);

/** bpf_loop(), which long native stacks need. */
void doctor_bpf_loop(const struct doctor_context *context, struct doctor_finding *ret);

/** Whether BPF programs are compiled. */
void doctor_bpf_jit(const struct doctor_context *context, struct doctor_finding *ret);

/** Whether the CPU clock of any process can be sampled. */
void doctor_perf_event(const struct doctor_context *context, struct doctor_finding *ret);

/** kernel.perf_event_paranoid. */
void doctor_paranoid(const struct doctor_context *context, struct doctor_finding *ret);

/** The clock that is sampled, and whether hardware counters exist. */
void doctor_clock(const struct doctor_context *context, struct doctor_finding *ret);

/** kernel.perf_event_max_sample_rate and perf_event_max_stack. */
void doctor_perf_limits(const struct doctor_context *context, struct doctor_finding *ret);

/** Effective capabilities. */
void doctor_capabilities(const struct doctor_context *context, struct doctor_finding *ret);

/** Whether kernel symbols show their addresses. */
void doctor_kernel_symbols(const struct doctor_context *context, struct doctor_finding *ret);

/** Kernel lockdown. */
void doctor_lockdown(const struct doctor_context *context, struct doctor_finding *ret);

/** Version of the cgroup hierarchy, from which container labels come. */
void doctor_cgroup(const struct doctor_context *context, struct doctor_finding *ret);

/** RLIMIT_MEMLOCK, which limited BPF memory before Linux 5.11. */
void doctor_memlock(const struct doctor_context *context, struct doctor_finding *ret);

/** Whether the processes of others are visible in /proc. */
void doctor_proc(const struct doctor_context *context, struct doctor_finding *ret);

/** Directories with separate debug files. */
void doctor_debug_files(const struct doctor_context *context, struct doctor_finding *ret);

/** Whether the data directory can be written. */
void doctor_data_dir(const struct doctor_context *context, struct doctor_finding *ret);

#endif
