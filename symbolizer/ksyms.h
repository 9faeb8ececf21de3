/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel addresses: the image, modules and BPF programs, from /proc/kallsyms.
 *
 * Invariants: immutable after load; a newer state is a new object.
 * Thread rule: any thread may look up.
 */
#ifndef HEARTH_SYMBOLIZER_KSYMS_H
#define HEARTH_SYMBOLIZER_KSYMS_H

#include <stddef.h>
#include <stdint.h>

struct ksyms;

struct ksym {
	const char *name;   /* borrowed, valid until ksyms_destroy() */
	const char *module; /* "ext4", "bpf", ...; NULL = the kernel image */
	uint64_t start;
};

/**
 * Read kernel symbols.
 *
 * @path: normally "/proc/kallsyms"
 * @ret: on success owned by the caller, free with ksyms_destroy()
 *
 * Returns 0; -EPERM if all addresses read as zero (kptr_restrict or CAP_SYSLOG missing) or there are none; -EFBIG
 * beyond 4 million symbols; -ENOMEM; -errno of opening or reading.
 */
int ksyms_load(const char *path, struct ksyms **ret);

/** Free; NULL allowed. */
void ksyms_destroy(struct ksyms *k);

/**
 * Find the function that covers @addr (already PC-1 for a caller's frame). kallsyms knows no sizes: a function
 * reaches to the next symbol, but at most 256 KiB (a BPF program 4 MiB).
 *
 * Returns 0; -ENOENT.
 */
int ksyms_lookup(const struct ksyms *k, uint64_t addr, struct ksym *ret);

/** Symbols held. */
size_t ksyms_count(const struct ksyms *k);

#endif
