/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a mapping says about its file to the binary, each file opened once.
 *
 * A file is known by the build id that the kernel put into the mapping record, or, where there is none, by device,
 * inode, size and time of change of the opened file. Different files with equal build ids are one binary.
 *
 * Files are opened through /proc/PID/map_files, which reaches deleted files and other mount namespaces; then as
 * /proc/PID/root/PATH; then, when the process is gone, as the same path seen from its parent's root and our own,
 * where the build id must agree.
 *
 * Invariants: bounded by BINARY_CACHE_MAX; the least recently used goes first, what is mapped keeps its reference.
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_BINARY_CACHE_H
#define HEARTH_PROFILER_BINARY_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/sideband.h"
#include "symbolizer/binary.h"
#include "symbolizer/symbolizer.h"

#define BINARY_CACHE_MAX 2048u

struct binary_cache;

/** Where a file is mapped, for opening it. */
struct mapping_place {
	pid_t pid;
	pid_t parent; /* 0 = unknown */
	uint64_t start;
	uint64_t end;
};

/**
 * Make an empty cache.
 *
 * @symbolizer: is told of every new binary; borrowed; NULL allowed
 * @ret: on success owned by the caller, free with binary_cache_destroy()
 *
 * Returns 0; -ENOMEM.
 */
int binary_cache_create(struct symbolizer *symbolizer, struct binary_cache **ret);

/** Free; NULL allowed. */
void binary_cache_destroy(struct binary_cache *c);

/**
 * Find or open the binary of a mapping.
 *
 * Memory without a file is "[anon]" (BINARY_ANON); files that are no ELF files are BINARY_ANON under their own
 * name; a file that could not be opened is BINARY_UNKNOWN under its own name, and is tried again later.
 *
 * @now_ns: monotonic
 * @ret: on success one reference, drop with binary_unref()
 *
 * Returns 0; -ENOMEM.
 */
int binary_cache_get(struct binary_cache *c, const struct mapping_place *place,
		     const struct mapped_file *file, uint64_t now_ns, struct binary **ret);

/** Binaries of the special kinds; borrowed, valid until binary_cache_destroy(). */
struct binary *binary_cache_unknown(struct binary_cache *c);

/** Files held now. */
size_t binary_cache_count(const struct binary_cache *c);

/** Files that could not be opened, since create. */
uint64_t binary_cache_failures(const struct binary_cache *c);

#endif
