/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel structures that the BPF side reads, by hand instead of a generated vmlinux.h. Only the fields
 * named here exist for us; their offsets are relocated at load time from the running kernel's BTF, so order and
 * gaps do not matter. Names after ___ are ours and ignored by the relocation.
 */
#ifndef HEARTH_BPF_KERNEL_H
#define HEARTH_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/types.h>
#include <stdbool.h>

#ifdef __bpf__
#define KERNEL_LAYOUT __attribute__((preserve_access_index))
#else
#define KERNEL_LAYOUT
#endif

/* include/linux/sched.h: task_struct.flags */
#define PF_KTHREAD 0x00200000u

struct mm_struct;

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm; /* NULL for kernel threads and late in exit */
	struct task_struct *group_leader;
	__u64 start_boottime; /* ns, CLOCK_BOOTTIME; since 5.5 under this name */
	__u64 self_exec_id;   /* counts exec(); 64 bits since 5.7 */
	void *stack;	      /* lowest byte of the kernel stack */
	char comm[16];
} KERNEL_LAYOUT;

#if defined(__TARGET_ARCH_x86)

/* The kernel's own view of the registers a thread entered the kernel with. */
struct pt_regs___kernel {
	unsigned long orig_ax; /* number of the system call; -1 after an interrupt or exception */
} KERNEL_LAYOUT;

static inline __attribute__((always_inline)) bool registers_in_user_mode(
	const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.cs & 3) == 3;
}

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs___kernel {
	int syscallno; /* -1 after an interrupt or exception */
} KERNEL_LAYOUT;

static inline __attribute__((always_inline)) bool registers_in_user_mode(
	const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.pstate & 0xf) == 0; /* PSR_MODE_MASK, PSR_MODE_EL0t */
}

#else
#error "not an architecture that Hearth knows"
#endif

#endif
