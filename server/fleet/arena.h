/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once, with a hard limit: for the messages of one batch, whose number somebody else
 * decides. An empty message is two bytes on the wire and a hundred in memory.
 *
 * Invariants: nothing is freed before arena_release(); never more than limit_bytes are held.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_FLEET_ARENA_H
#define HEARTH_SERVER_FLEET_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* owned; newest first */
	size_t left;		    /* bytes free in the newest block */
	size_t held_bytes;
	size_t limit_bytes;
	bool exceeded;		     /* the limit refused something */
	bool failed;		     /* the machine had no memory */
	ProtobufCAllocator protobuf; /* for protobuf-c; points back here: the arena must not move */
};

/** Make @a empty. @limit_bytes: 0 = none. */
void arena_init(struct arena *a, size_t limit_bytes);

/** Free everything; NULL allowed. */
void arena_release(struct arena *a);

/** Bytes aligned for anything, not zeroed; NULL at the limit or without memory: see exceeded and failed. */
void *arena_alloc(struct arena *a, size_t bytes);

/** Zeroed items; NULL as arena_alloc(). */
void *arena_array(struct arena *a, size_t count, size_t item_bytes);

/** Why something was refused: -EFBIG, -ENOMEM, 0 if nothing was. */
int arena_error(const struct arena *a);

#endif
