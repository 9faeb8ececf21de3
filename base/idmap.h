/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one hash table: from a 64-bit hash to the index of an item in an array that the caller keeps.
 *
 * Open addressing with linear probing; 8 bytes a slot; removal shifts back, so there are no tombstones.
 * The table knows hashes and ids only: equality is the caller's, who looks at its own item.
 *
 *	for (struct idmap_probe p = idmap_find(&m, hash); p.found; idmap_next(&m, &p))
 *		if (items[p.id].key == key)
 *			return &items[p.id];
 *	items[count] = ...;
 *	return idmap_insert(&m, hash, count++);
 *
 * Invariants: at most 3/4 full; the number of slots is a power of two; a zeroed struct is an empty map.
 * Thread rule: one writer and no reader at a time, or readers only.
 */
#ifndef HEARTH_BASE_IDMAP_H
#define HEARTH_BASE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDMAP_ID_MAX (UINT32_MAX - 1)

struct idmap_slot {
	uint32_t hash; /* folded hash of the item */
	uint32_t ref;  /* id + 1; 0 = empty slot */
};

struct idmap {
	struct idmap_slot *slots; /* owned; NULL while empty */
	uint32_t mask;		  /* number of slots - 1; 0 while empty */
	uint32_t count;		  /* items held */
};

/** A position in a search; `id` is valid while `found`. */
struct idmap_probe {
	bool found;
	uint32_t id;
	uint32_t slot;
	uint32_t hash;
};

/** Free what @m holds and make it empty; NULL allowed. */
void idmap_release(struct idmap *m);

/** Forget all items, keep the memory. */
void idmap_clear(struct idmap *m);

/** Start looking for items with @hash; different items may share one. */
struct idmap_probe idmap_find(const struct idmap *m, uint64_t hash);

/** Go on to the next item with the same hash. */
void idmap_next(const struct idmap *m, struct idmap_probe *p);

/**
 * Add @id under @hash; does not look whether it is there already.
 *
 * Returns 0; -ENOMEM with the map unchanged; -EOVERFLOW if @id exceeds IDMAP_ID_MAX.
 */
int idmap_insert(struct idmap *m, uint64_t hash, uint32_t id);

/** Remove @id from under @hash. Returns true if it was there. */
bool idmap_remove(struct idmap *m, uint64_t hash, uint32_t id);

/** Bytes of memory the table holds. */
size_t idmap_bytes(const struct idmap *m);

#endif
