/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process itself uses, from the kernel's accounting.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SERVER_HTTP_SELF_H
#define HEARTH_SERVER_HTTP_SELF_H

#include <stdint.h>

struct self_stats {
	uint64_t cpu_ns;	  /* user and system */
	uint64_t children_cpu_ns; /* of children that have ended */
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t max_fds;
	uint32_t open_fds;
	uint32_t threads;
	double start_wall_seconds; /* Unix time, to the kernel's clock tick */
};

/** Fill @ret; what cannot be read stays 0. */
void self_stats(struct self_stats *ret);

#endif
