/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable part of an address space: which binary lies where.
 *
 * Processes that share their memory layout after fork share one object until one of them changes it.
 *
 * Invariants: mappings are sorted by start and do not overlap; `generation` changes with every change, and no two
 * different states of any address spaces of one account have the same.
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_MAPPING_H
#define HEARTH_PROFILER_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "symbolizer/binary.h"

#define ADDRESS_SPACE_MAPPINGS_MAX 8192u /* executable mappings of one process */

struct mapping {
	uint64_t start;
	uint64_t end;	       /* exclusive */
	uint64_t offset;       /* in the file, of start */
	struct binary *binary; /* one reference */
};

/** Sums over all address spaces of a process table. */
struct mapping_account {
	uint64_t last_generation;
	uint64_t mappings; /* held now */
	uint64_t refused;  /* mappings beyond ADDRESS_SPACE_MAPPINGS_MAX */
};

struct address_space {
	struct mapping *mappings;
	size_t count, capacity;
	uint64_t generation;
	uint32_t ref_count;
	struct mapping_account *account; /* borrowed, outlives the object */
};

/** Make an empty address space. Returns 0 with one reference in @ret, drop with address_space_unref(); -ENOMEM. */
int address_space_create(struct mapping_account *account, struct address_space **ret);

/** Take another reference. Returns @space. */
struct address_space *address_space_ref(struct address_space *space);

/** Drop a reference; NULL allowed. */
void address_space_unref(struct address_space *space);

/**
 * Put a mapping where others may lie: those are cut or go.
 *
 * @space: replaced by a copy if others hold it too
 * @mapping: start below end; its binary gets a reference of its own
 *
 * Returns 0; -ENOSPC at the limit (counted); -ENOMEM; the state is unchanged then.
 */
int address_space_map(struct address_space **space, const struct mapping *mapping);

/** Give the address space another generation: what was derived from it is out of date. */
void address_space_touch(struct address_space *space);

/** The mapping that covers @addr, borrowed until the next change; NULL if none does. */
const struct mapping *address_space_find(const struct address_space *space, uint64_t addr);

#endif
