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
#include <sys/types.h>

struct sandbox_limits {
	uint64_t memory_bytes; /* of writable memory; mapped files do not count */
	uint64_t file_bytes;   /* of a file written */
	uint32_t cpu_seconds;
	bool background; /* lowest CPU and IO priority */
};

struct sandbox;

/**
 * Make the seccomp filter, which takes longer than putting it to use: do it once, before forking.
 *
 * @ret: owned by the caller, free with sandbox_destroy()
 *
 * Returns 0; -ENOMEM; -errno.
 */
int sandbox_create(struct sandbox **ret);

/** Free; NULL allowed. */
void sandbox_destroy(struct sandbox *s);

/**
 * Set limits and the filter, and die with the parent. After this no file can be opened, no socket made, no program
 * run: such calls fail with EPERM.
 *
 * Returns 0; -errno of the step that failed.
 */
int sandbox_enter(const struct sandbox *s, const struct sandbox_limits *limits);

/** Give another process of ours the lowest CPU and IO priority; it may be gone. */
void sandbox_calm(pid_t pid);

#endif
