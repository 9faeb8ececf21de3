/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locking a process in before it touches hostile input.
 *
 * Thread rule: called once, in a process with one thread.
 */
#ifndef HEARTH_SYMBOLIZER_SANDBOX_H
#define HEARTH_SYMBOLIZER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

struct sandbox_limits {
	uint64_t memory_bytes; /* of writable memory; mapped files do not count */
	uint64_t file_bytes;   /* of a file written */
	uint32_t cpu_seconds;
	bool background; /* lowest CPU and IO priority */
};

/**
 * Set limits and a seccomp filter, and die with the parent. After this no file can be opened, no socket made, no
 * program run: such calls fail with EPERM.
 *
 * Returns 0; -errno of the step that failed.
 */
int sandbox_enter(const struct sandbox_limits *limits);

#endif
