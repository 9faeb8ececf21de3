// SPDX-License-Identifier: Apache-2.0
#include "profiler/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define CAPABILITY_SYS_ADMIN 21 /* linux/capability.h */
#define CAPABILITY_PERFMON   38
#define CAPABILITY_BPF	     39

#define PARANOID_UNREADABLE  (-2)
#define PARANOID_NEEDS_ROOT \
	3 /* Debian's and Ubuntu's patch: above 2 only CAP_SYS_ADMIN may open events */

static int read_small(const char *path, char *text, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	ssize_t length = read(fd, text, size - 1);
	text[length > 0 ? length : 0] = '\0';
	return length < 0 ? -errno : 0;
}

/* A small number that may be negative, with a newline. */
static int parse_level(char *text)
{
	uint32_t level;
	bool negative = text[0] == '-';

	text[strcspn(text, "\n")] = '\0';
	if (parse_u32_range(text + negative, 0, INT_MAX, &level))
		return PARANOID_UNREADABLE;
	return negative ? -(int)level : (int)level;
}

void privileges_read(struct privileges *ret)
{
	const uint16_t btf_magic = 0xeb9f; /* linux/btf.h; a masked file is there, but empty */
	char text[4096];
	uint64_t capabilities = 0;

	*ret = (struct privileges){.paranoid = PARANOID_UNREADABLE};
	if (!read_small("/proc/self/status", text, sizeof(text))) {
		char *rest = strstr(text, "\nCapEff:\t");
		const char *mask = NULL;

		if (rest) {
			rest += strlen("\nCapEff:\t");
			mask = strsep(&rest, "\n");
		}
		if (!mask || parse_hex(mask, &capabilities))
			capabilities = 0;
	}
	ret->sys_admin = capabilities >> CAPABILITY_SYS_ADMIN & 1;
	ret->bpf = capabilities >> CAPABILITY_BPF & 1;
	ret->perfmon = capabilities >> CAPABILITY_PERFMON & 1;
	ret->has_btf = !read_small("/sys/kernel/btf/vmlinux", text, sizeof(btf_magic) + 1) &&
		       !memcmp(text, &btf_magic, sizeof(btf_magic));
	if (!read_small("/sys/kernel/security/lockdown", text, sizeof(text)))
		ret->locked_down = strstr(text, "[confidentiality]") != NULL;
	if (!read_small("/proc/sys/kernel/perf_event_paranoid", text, sizeof(text)))
		ret->paranoid = parse_level(text);
}

static const char *step_text(enum privilege_step step)
{
	switch (step) {
	case STEP_LOAD_BPF:
		return "cannot load the BPF sampler";
	case STEP_OPEN_CLOCK:
		return "cannot open the cpu-clock event";
	case STEP_OPEN_SIDEBAND:
		return "cannot follow process events";
	case STEP_ATTACH:
		return "cannot attach the BPF sampler";
	default:
		return "cannot start the sampler";
	}
}

/* The reason and the remedy; NULL if only the error itself is known. */
static const char *advice(const struct privileges *p, enum privilege_step step, int error)
{
	bool refused = error == -EPERM || error == -EACCES;
	bool is_event = step == STEP_OPEN_CLOCK || step == STEP_OPEN_SIDEBAND;

	if (step == STEP_LOAD_BPF && !p->has_btf)
		return "this kernel has no type information (/sys/kernel/btf/vmlinux); "
		       "boot one built with CONFIG_DEBUG_INFO_BTF=y";
	/* Helpers that read the kernel do not exist then, so that the verifier answers -EINVAL. */
	if (p->locked_down && (refused || step == STEP_LOAD_BPF))
		return "the kernel is locked down (confidentiality); boot without "
		       "lockdown=confidentiality";
	if (refused && is_event && p->paranoid >= PARANOID_NEEDS_ROOT && !p->sys_admin)
		return "kernel.perf_event_paranoid is above 2, which asks for CAP_SYS_ADMIN; "
		       "run `sysctl kernel.perf_event_paranoid=2` or run as root";
	if (refused && !p->sys_admin && (!p->bpf || !p->perfmon))
		return "CAP_BPF and CAP_PERFMON are missing; run as root or "
		       "`setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_checkpoint_restore,"
		       "cap_dac_read_search,cap_syslog+ep` the binary";
	if (error == -EPERM && step == STEP_OPEN_SIDEBAND && !p->sys_admin)
		return "the rings exceed the locked memory that is allowed; run `sysctl "
		       "kernel.perf_event_mlock_kb=4096` or with CAP_IPC_LOCK";
	if (refused)
		return "a container's seccomp profile or a security module forbids it; allow "
		       "bpf(2) and perf_event_open(2)";
	if (error == -EMFILE)
		return "too many open files; raise the limit (`ulimit -n 65536`, LimitNOFILE=)";
	if (error == -ENOMEM)
		return "out of memory, or over the memory limit of the cgroup; allow 64 MiB";
	if (error == -ENOSPC && step == STEP_LOAD_BPF)
		return "the budget for BPF memory does not hold the smallest buffers; allow more";
	if (error == -EAGAIN)
		return "the verifier was interrupted again and again; try once more";
	if (error == -ENOSYS)
		return "this kernel is built without it (CONFIG_BPF_SYSCALL, CONFIG_PERF_EVENTS)";
	if (step == STEP_LOAD_BPF)
		return "this kernel refused the program; Hearth needs Linux 5.10 or newer";
	return NULL;
}

void privileges_explain(const struct privileges *privileges, enum privilege_step step, int error,
			char *text, size_t size)
{
	const char *why = advice(privileges, step, error);

	(void)snprintf(text, size, "%s: %s%s%s", step_text(step), strerror(-error), why ? ": " : "",
		       why ? why : ""); /* cut at the caller's size */
}
