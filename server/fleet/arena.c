/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (256u << 10)
#define ALIGNMENT   16u

struct arena_block {
	struct arena_block *next;
	size_t bytes; /* of content */
	_Alignas(ALIGNMENT) char content[];
};

static void *protobuf_alloc(void *arena, size_t bytes)
{
	return arena_alloc(arena, bytes);
}

static void protobuf_free(void *arena, void *pointer)
{
	(void)arena;
	(void)pointer; /* with all the rest */
}

void arena_init(struct arena *a, size_t limit_bytes)
{
	*a = (struct arena){.limit_bytes = limit_bytes};
	a->protobuf = (ProtobufCAllocator){protobuf_alloc, protobuf_free, a};
}

void arena_release(struct arena *a)
{
	if (!a)
		return;
	for (struct arena_block *at = a->blocks; at;) {
		struct arena_block *next = at->next;

		free(at);
		at = next;
	}
	arena_init(a, a->limit_bytes);
}

/* What is large gets a block of its own size; what is left of the one before is given up. */
static bool add_block(struct arena *a, size_t least)
{
	size_t bytes = least > BLOCK_BYTES ? least : BLOCK_BYTES;

	if (a->limit_bytes && (least > a->limit_bytes || a->held_bytes > a->limit_bytes - least)) {
		a->exceeded = true;
		return false;
	}

	struct arena_block *block = malloc(sizeof(*block) + bytes);

	if (!block) {
		a->failed = true;
		return false;
	}
	block->bytes = bytes;
	block->next = a->blocks;
	a->blocks = block;
	a->left = bytes;
	a->held_bytes += bytes;
	return true;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t room = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

	if (room < bytes) {
		a->exceeded = true;
		return NULL;
	}
	if (!room)
		room = ALIGNMENT;
	if (room > a->left && !add_block(a, room))
		return NULL;

	void *found = a->blocks->content + a->blocks->bytes - a->left;

	a->left -= room;
	return found;
}

void *arena_array(struct arena *a, size_t count, size_t item_bytes)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, item_bytes, &bytes)) {
		a->exceeded = true;
		return NULL;
	}

	void *items = arena_alloc(a, bytes);

	return items ? memset(items, 0, bytes) : NULL;
}

int arena_error(const struct arena *a)
{
	if (a->exceeded)
		return -EFBIG;
	return a->failed ? -ENOMEM : 0;
}
