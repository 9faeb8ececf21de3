/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned strings: each distinct byte string once, named by a dense number.
 *
 * Invariants: id 0 is the empty string; ids count up from there in order of first appearance; the text of an
 * id never moves or changes while the pool lives. A zeroed struct is an empty pool (id 0 exists in it too).
 *
 * Thread rule: one writer and no reader at a time, or readers only.
 */
#ifndef HEARTH_BASE_STRPOOL_H
#define HEARTH_BASE_STRPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"

struct strpool_block;

struct strpool {
	struct strpool_block *blocks; /* owned; newest first; texts live here and never move */
	const char **texts;	      /* owned array; texts[id - 1] is the text of id */
	size_t text_capacity;
	uint32_t count; /* distinct strings held, the empty one not counted */
	size_t bytes;	/* memory held by blocks */
	struct idmap ids;
};

/** Free what @p holds and make it empty; NULL allowed. */
void strpool_release(struct strpool *p);

/**
 * Find or add a string.
 *
 * @text: @length bytes, taken up to a NUL among them; NULL allowed when @length is 0
 * @ret_id: on success its id
 *
 * Returns 0; -ENOMEM with the pool unchanged.
 */
int strpool_add_bytes(struct strpool *p, const char *text, size_t length, uint32_t *ret_id);

/** strpool_add_bytes() of a NUL-terminated string; NULL counts as empty. */
int strpool_add(struct strpool *p, const char *text, uint32_t *ret_id);

/**
 * Add a string without looking for it, for pools that are read back: it gets the next id even if it is empty or there
 * already, and strpool_add() does not find it.
 *
 * Returns 0; -ENOMEM with the pool unchanged.
 */
int strpool_append(struct strpool *p, const char *text, uint32_t *ret_id);

/** Text of @id, NUL-terminated; borrowed, valid until strpool_release(). An unknown id reads "". */
const char *strpool_get(const struct strpool *p, uint32_t id);

/** Number of ids in use, id 0 included. */
uint32_t strpool_count(const struct strpool *p);

/** Bytes of memory the pool holds. */
size_t strpool_bytes(const struct strpool *p);

#endif
