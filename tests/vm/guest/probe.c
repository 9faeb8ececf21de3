// SPDX-License-Identifier: Apache-2.0
/*
 * What the machine itself allows, asked without Hearth: a cpu-clock event and a BPF program of four
 * instructions on every CPU.
 *
 * When this fails the machine (or the harness that booted it) is at fault; when it passes and Hearth fails, Hearth
 * is. Raw system calls and no library, so that nothing stands between the question and the kernel.
 *
 *	probe SECONDS	prints "cpus N events N runs N", status 0 if the program ran on every online CPU
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX     64
#define FREQUENCY_HZ 99

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int counter_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 8,
		.max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* *(u64 *)map_value += 1 for each tick; the map value is addressed directly, without a helper. */
static int counter_program(int map_fd, char *log, size_t log_size)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = 1, .src_reg = 0, .imm = BPF_ADD},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_PERF_EVENT,
		.insns = (uintptr_t)instructions,
		.insn_cnt = sizeof(instructions) / sizeof(instructions[0]),
		.license = (uintptr_t) "GPL",
		.log_buf = (uintptr_t)log,
		.log_size = (uint32_t)log_size,
		.log_level = 1,
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int tick_on(int cpu, int program_fd)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = FREQUENCY_HZ,
		.freq = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0 && ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd) != 0)
		return -1;
	return fd;
}

/* One spinning child for each CPU, so that none of them idles through the test. */
static void spin(int children, double seconds)
{
	for (int i = 0; i < children; i++) {
		if (fork() != 0)
			continue;
		alarm((unsigned int)(seconds + 1));
		clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
		while (clock() < end)
			;
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
}

static int fail(const char *what, const char *detail)
{
	printf("%s: %s%s%s\n", what, strerror(errno), detail ? ": " : "", detail ? detail : "");
	return 1;
}

int main(int argc, char **argv)
{
	static char log[4096];
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	int configured = (int)sysconf(_SC_NPROCESSORS_CONF);
	int map_fd = counter_map();

	if (map_fd < 0)
		return fail("bpf(MAP_CREATE)", NULL);
	int program_fd = counter_program(map_fd, log, sizeof(log));
	if (program_fd < 0)
		return fail("bpf(PROG_LOAD)", log);

	int events = 0;
	for (int cpu = 0; cpu < configured && cpu < CPUS_MAX; cpu++) {
		if (tick_on(cpu, program_fd) >= 0)
			events++;
		else if (errno != ENODEV) /* ENODEV: the CPU is offline */
			return fail("perf_event_open(cpu-clock)", NULL);
	}
	spin(cpus, seconds);

	uint32_t key = 0;
	uint64_t runs = 0;
	union bpf_attr attr = {
		.map_fd = (uint32_t)map_fd, .key = (uintptr_t)&key, .value = (uintptr_t)&runs};
	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr) != 0)
		return fail("bpf(MAP_LOOKUP_ELEM)", NULL);
	printf("cpus %d events %d runs %llu\n", cpus, events, (unsigned long long)runs);
	return events == cpus && runs > 0 ? 0 : 1;
}
