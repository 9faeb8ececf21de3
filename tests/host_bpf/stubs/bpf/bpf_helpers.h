/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libbpf's header when BPF C is compiled for this machine: the helpers are functions of the test.
 */
#ifndef HEARTH_TESTS_HOST_BPF_STUBS_BPF_BPF_HELPERS_H
#define HEARTH_TESTS_HOST_BPF_STUBS_BPF_BPF_HELPERS_H

#include <linux/bpf.h>
#include <linux/types.h>

#define SEC(name)
#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

struct pt_regs___kernel;
struct task_struct;

/** Each as bpf-helpers(7) describes it. */
__u64 bpf_ktime_get_ns(void);
/** See above. */
__u64 bpf_get_current_pid_tgid(void);
/** See above. */
__u64 bpf_get_current_task(void);
/** See above. */
struct task_struct *bpf_get_current_task_btf(void);
/** See above. */
long bpf_task_pt_regs(struct task_struct *task);
/** See above. */
__u64 bpf_get_current_cgroup_id(void);
/** See above. */
__u32 bpf_get_smp_processor_id(void);
/** See above. */
long bpf_get_current_comm(void *comm, __u32 size);
/** See above. */
void *bpf_map_lookup_elem(void *map, const void *key);
/** See above. */
long bpf_get_stack(void *ctx, void *frames, __u32 size, __u64 flags);
/** See above. */
long bpf_ringbuf_output(void *ring, void *bytes, __u64 size, __u64 flags);
/** See above. */
__u64 bpf_ringbuf_query(void *ring, __u64 flags);

/** See above. */
long bpf_probe_read_user(void *to, __u32 size, const void *from);
/** See above. */
long bpf_probe_read_kernel(void *to, __u32 size, const void *from);
/** See above. */
long bpf_loop(__u32 count, void *step, void *context, __u64 flags);

#endif
