/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of hearth doctor that try BPF and perf events themselves: what counts is whether the kernel says yes, not
 * what a version or a setting promises.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <linux/version.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "server/cmd/doctor.h"

#define KERNEL_FLOOR	 KERNEL_VERSION(5, 10, 0)
#define PARANOID_PATH	 "/proc/sys/kernel/perf_event_paranoid"
#define PARANOID_HIGHEST 2 /* above it, distributions want CAP_SYS_ADMIN */

#define MEND_ROOT                                                                            \
	"run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_checkpoint_restore," \
	"cap_dac_read_search,cap_syslog,cap_sys_resource+ep $(readlink -f $(command -v hearth))"
#define MEND_SECCOMP                                                                           \
	"a seccomp filter forbids it; systemd: SystemCallFilter=bpf perf_event_open, Docker: " \
	"--security-opt seccomp=unconfined"

void doctor_kernel(const struct doctor_context *context, struct doctor_finding *ret)
{
	struct utsname name = {0};

	(void)uname(&name); /* fails only for a bad pointer */
	if (context->kernel && context->kernel < KERNEL_FLOOR) {
		doctor_say(ret, DOCTOR_FAIL, "%s, older than 5.10", name.release);
		doctor_mend(ret, "boot Linux 5.10 or later");
		return;
	}
	doctor_say(ret, DOCTOR_OK, "%s %s", name.release, name.machine);
}

void doctor_btf(const struct doctor_context *context, struct doctor_finding *ret)
{
	(void)context;
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0) {
		doctor_say(ret, DOCTOR_OK, "/sys/kernel/btf/vmlinux");
		return;
	}

	int err = errno;

	doctor_say(ret, DOCTOR_FAIL, "/sys/kernel/btf/vmlinux: %s", strerror(err));
	if (access("/sys/kernel", F_OK))
		doctor_mend(ret, "mount -t sysfs sysfs /sys");
	else
		doctor_mend(
			ret,
			"boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian: apt-get install "
			"linux-image-$(dpkg --print-architecture)); in a container show it the host's /sys");
}

/* The smallest program: returns 0. */
static int load_program(void)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "hearth_doctor", "GPL", program,
			     ARRAY_SIZE(program), NULL);
}

static bool may_sample(const struct doctor_context *context)
{
	return doctor_can(context, CAP_SYS_ADMIN) ||
	       (doctor_can(context, CAP_BPF) && doctor_can(context, CAP_PERFMON));
}

/* What to do about a no from bpf() or perf_event_open(). */
static void mend_refusal(const struct doctor_context *context, int err, struct doctor_finding *ret)
{
	if (err == ENOSYS)
		doctor_mend(ret, "boot a kernel built with CONFIG_BPF_SYSCALL=y and "
				 "CONFIG_PERF_EVENTS=y");
	else if (may_sample(context))
		doctor_mend(ret, MEND_SECCOMP);
	else
		doctor_mend(ret, MEND_ROOT);
}

void doctor_bpf(const struct doctor_context *context, struct doctor_finding *ret)
{
	auto_close int fd = load_program();

	if (fd >= 0) {
		doctor_say(ret, DOCTOR_OK, "a perf_event program loads");
		return;
	}

	int err = errno;

	doctor_say(ret, DOCTOR_FAIL, "cannot load a program: %s", strerror(err));
	mend_refusal(context, err, ret);
}

void doctor_ring_buffer(const struct doctor_context *context, struct doctor_finding *ret)
{
	auto_close int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "hearth_doctor", 0, 0,
					   (uint32_t)getpagesize(), NULL);

	if (fd >= 0) {
		doctor_say(ret, DOCTOR_OK, "there");
		return;
	}

	int err = errno;

	if (!may_sample(context)) {
		doctor_say(ret, DOCTOR_WARN, "unknown without the capabilities below");
		return;
	}
	doctor_say(ret, DOCTOR_FAIL, "cannot make one: %s", strerror(err));
	if (err == EINVAL)
		doctor_mend(ret, "boot Linux 5.10 or later");
	else
		mend_refusal(context, err, ret);
}

void doctor_bpf_loop(const struct doctor_context *context, struct doctor_finding *ret)
{
	if (!may_sample(context)) {
		doctor_say(ret, DOCTOR_WARN, "unknown without the capabilities below");
		return;
	}
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) > 0) {
		doctor_say(ret, DOCTOR_OK, "there: stacks of up to 512 frames");
		return;
	}
	doctor_say(ret, DOCTOR_WARN, "not there: stacks are cut after 127 frames");
	doctor_mend(ret, "boot Linux 5.17 or later");
}

void doctor_bpf_jit(const struct doctor_context *context, struct doctor_finding *ret)
{
	char text[32];
	int err = doctor_read("/proc/sys/net/core/bpf_jit_enable", text, sizeof(text));

	(void)context;
	if (err) {
		doctor_say(ret, DOCTOR_OK, "unknown: net.core.bpf_jit_enable: %s", strerror(-err));
		return;
	}
	if (text[0] == '0') {
		doctor_say(ret, DOCTOR_WARN, "off: programs are interpreted, samples cost more");
		doctor_mend(ret, "sysctl -w net.core.bpf_jit_enable=1");
		return;
	}
	doctor_say(ret, DOCTOR_OK, "on");
}

static int open_clock(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.freq = 1,
		.sample_freq = 99,
		.disabled = 1,
	};

	/* Every process on CPU 0: what sampling a machine asks for on each CPU. */
	return (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

/* kernel.perf_event_paranoid; -1 in *ret_known if it cannot be read. */
static int paranoid_level(bool *ret_known)
{
	char text[32];
	uint32_t level = 0;

	*ret_known = !doctor_read(PARANOID_PATH, text, sizeof(text));
	if (*ret_known && text[0] == '-')
		return -1;
	if (!*ret_known || parse_u32_range(text, 0, 100, &level))
		*ret_known = false;
	return (int)level;
}

void doctor_perf_event(const struct doctor_context *context, struct doctor_finding *ret)
{
	auto_close int fd = open_clock(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);

	if (fd >= 0) {
		doctor_say(ret, DOCTOR_OK, "the CPU clock of every process can be sampled");
		return;
	}

	int err = errno;
	bool known;
	int level = paranoid_level(&known);

	doctor_say(ret, DOCTOR_FAIL, "cannot sample every process: %s", strerror(err));
	if (known && level > PARANOID_HIGHEST && doctor_can(context, CAP_PERFMON))
		doctor_mend(ret, "sysctl -w kernel.perf_event_paranoid=%d", PARANOID_HIGHEST);
	else if (!may_sample(context))
		doctor_mend(ret, "as for BPF programs");
	else
		mend_refusal(context, err, ret);
}

void doctor_paranoid(const struct doctor_context *context, struct doctor_finding *ret)
{
	bool known;
	int level = paranoid_level(&known);

	if (!known) {
		doctor_say(ret, DOCTOR_WARN, "unreadable: " PARANOID_PATH);
		doctor_mend(ret,
			    "mount -t proc proc /proc, and a kernel with CONFIG_PERF_EVENTS=y");
		return;
	}
	if (level <= PARANOID_HIGHEST) {
		doctor_say(ret, DOCTOR_OK, "%d", level);
		return;
	}
	if (doctor_can(context, CAP_SYS_ADMIN)) {
		doctor_say(ret, DOCTOR_OK, "%d, which CAP_SYS_ADMIN overrides", level);
		return;
	}
	doctor_say(ret, DOCTOR_FAIL, "%d: only CAP_SYS_ADMIN may sample", level);
	doctor_mend(ret, "sysctl -w kernel.perf_event_paranoid=%d", PARANOID_HIGHEST);
}

void doctor_clock(const struct doctor_context *context, struct doctor_finding *ret)
{
	auto_close int fd = open_clock(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);

	(void)context;
	doctor_say(ret, DOCTOR_OK, "cpu-clock; hardware counters %s (not needed)",
		   fd >= 0 ? "exist" : "do not exist here");
}

static uint32_t read_limit(const char *path)
{
	char text[32];
	uint32_t value = 0;

	if (doctor_read(path, text, sizeof(text)) || parse_u32_range(text, 0, UINT32_MAX, &value))
		return 0;
	return value;
}

void doctor_perf_limits(const struct doctor_context *context, struct doctor_finding *ret)
{
	uint32_t rate = read_limit("/proc/sys/kernel/perf_event_max_sample_rate");
	uint32_t depth = read_limit("/proc/sys/kernel/perf_event_max_stack");

	(void)context;
	doctor_say(ret, DOCTOR_OK, "%u Hz, %u kernel frames", rate, depth);
	if (rate && rate < 99) {
		ret->level = DOCTOR_WARN;
		doctor_mend(ret, "sysctl -w kernel.perf_event_max_sample_rate=1000");
	} else if (depth && depth < 127) {
		ret->level = DOCTOR_WARN;
		doctor_mend(ret, "sysctl -w kernel.perf_event_max_stack=127");
	}
}
