/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strpool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"

#define BLOCK_BYTES 16384u

struct strpool_block {
	struct strpool_block *next;
	size_t used;
	size_t size;
	char bytes[];
};

void strpool_release(struct strpool *p)
{
	if (!p)
		return;
	for (struct strpool_block *b = p->blocks; b;) {
		struct strpool_block *next = b->next;

		free(b);
		b = next;
	}
	free(p->texts);
	idmap_release(&p->ids);
	*p = (struct strpool){0};
}

/* Room for @length bytes that will never move; a long string gets a block of its own. */
static char *block_room(struct strpool *p, size_t length)
{
	struct strpool_block *b = p->blocks;

	if (!b || b->size - b->used < length) {
		size_t size = length > BLOCK_BYTES ? length : BLOCK_BYTES;

		b = malloc(sizeof(*b) + size);
		if (!b)
			return NULL;
		*b = (struct strpool_block){.next = p->blocks, .size = size};
		p->blocks = b;
		p->bytes += sizeof(*b) + size;
	}
	return b->bytes + b->used;
}

static int append(struct strpool *p, const char *text, size_t length, uint32_t *ret_id)
{
	if (p->count >= IDMAP_ID_MAX)
		return -ENOMEM;
	if (array_reserve((void **)&p->texts, &p->text_capacity, (size_t)p->count + 1,
			  sizeof(*p->texts)))
		return -ENOMEM;

	char *room = block_room(p, length + 1);

	if (!room)
		return -ENOMEM;
	memcpy(room, text, length);
	room[length] = '\0';
	p->blocks->used += length + 1;
	p->texts[p->count] = room;
	*ret_id = ++p->count;
	return 0;
}

int strpool_append(struct strpool *p, const char *text, uint32_t *ret_id)
{
	return append(p, text, strlen(text), ret_id);
}

int strpool_add_bytes(struct strpool *p, const char *text, size_t length, uint32_t *ret_id)
{
	if (length)
		length = strnlen(text, length);
	if (!length) {
		*ret_id = 0;
		return 0;
	}

	uint64_t hash = hash_bytes(text, length);

	for (struct idmap_probe at = idmap_find(&p->ids, hash); at.found;
	     idmap_next(&p->ids, &at)) {
		const char *known = p->texts[at.id];

		if (!strncmp(known, text, length) && !known[length]) {
			*ret_id = at.id + 1;
			return 0;
		}
	}
	if (idmap_insert(&p->ids, hash, p->count))
		return -ENOMEM;

	int err = append(p, text, length, ret_id);

	if (err)
		(void)idmap_remove(&p->ids, hash, p->count); /* it was added just now */
	return err;
}

int strpool_add(struct strpool *p, const char *text, uint32_t *ret_id)
{
	return strpool_add_bytes(p, text, text ? strlen(text) : 0, ret_id);
}

const char *strpool_get(const struct strpool *p, uint32_t id)
{
	return id && id <= p->count ? p->texts[id - 1] : "";
}

uint32_t strpool_count(const struct strpool *p)
{
	return p->count + 1;
}

size_t strpool_bytes(const struct strpool *p)
{
	return p->bytes + p->text_capacity * sizeof(*p->texts) + idmap_bytes(&p->ids);
}
