/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs are online.
 *
 * Thread rule: any.
 */
#ifndef HEARTH_PROFILER_ONLINE_CPUS_H
#define HEARTH_PROFILER_ONLINE_CPUS_H

#include <sched.h>

#define CPUS_MAX CPU_SETSIZE

/** Parse a list such as "0-3,8". Returns 0; -EINVAL; -ERANGE if a CPU is CPUS_MAX or more. */
int cpu_list_parse(const char *text, cpu_set_t *ret);

/** Read /sys/devices/system/cpu/online. Returns 0; -EINVAL, -ERANGE; -errno. */
int online_cpus_read(cpu_set_t *ret);

#endif
