/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as uint64_t nanoseconds: monotonic (CLOCK_MONOTONIC, what BPF and the samples use) unless a name says
 * wall_ (CLOCK_REALTIME, Unix time).
 */
#ifndef HEARTH_BASE_CLOCK_H
#define HEARTH_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/** Now, monotonic. */
uint64_t clock_now_ns(void);

/** Now, Unix time. */
uint64_t clock_wall_now_ns(void);

/**
 * What to add to a monotonic time to get Unix time, as of this call. Sampled so that the error stays below
 * 10 us even when the thread is interrupted between the two clocks.
 */
int64_t clock_wall_offset_ns(void);

/** CPU time this process has used, user and system together. */
uint64_t clock_process_cpu_ns(void);

#endif
