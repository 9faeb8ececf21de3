/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel code, as of now: kallsyms, read again when code came or went.
 *
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_KERNEL_NAMES_H
#define HEARTH_PROFILER_KERNEL_NAMES_H

#include <stdint.h>

#include "symbolizer/binary.h"

struct kernel_names;

/** What is known of a kernel address. */
struct kernel_name {
	const char *function; /* NULL = unknown; borrowed until the next call */
	struct binary
		*binary; /* "[kernel.kallsyms]" or "[module]"; borrowed, valid until destroy */
};

/**
 * Begin to read the kernel's symbols, in the background; without the right to see them all stay nameless.
 *
 * @ret: on success owned by the caller, free with kernel_names_destroy()
 *
 * Returns 0; -ENOMEM.
 */
int kernel_names_create(struct kernel_names **ret);

/** Free; NULL allowed. */
void kernel_names_destroy(struct kernel_names *k);

/** Say that kernel code came to or went from @bytes at @start. */
void kernel_names_mark_changed(struct kernel_names *k, uint64_t start, uint64_t bytes);

/**
 * Find what an address belongs to; waits for the first reading. If the address lies where code changed or is covered
 * by no symbol, it stays nameless for now, and the symbols are read again, now and then, in the background.
 */
void kernel_names_find(struct kernel_names *k, uint64_t addr, uint64_t now_ns,
		       struct kernel_name *ret);

#endif
