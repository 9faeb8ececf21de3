/* SPDX-License-Identifier: Apache-2.0 */
#include "base/idmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16u

/* The slot index uses the low bits, so that the high half of a 64-bit hash must reach them too. */
static uint32_t fold(uint64_t hash)
{
	return (uint32_t)(hash ^ (hash >> 32));
}

void idmap_release(struct idmap *m)
{
	if (!m)
		return;
	free(m->slots);
	*m = (struct idmap){0};
}

void idmap_clear(struct idmap *m)
{
	if (m->slots)
		memset(m->slots, 0, ((size_t)m->mask + 1) * sizeof(*m->slots));
	m->count = 0;
}

static struct idmap_probe probe_from(const struct idmap *m, uint32_t hash, uint32_t slot)
{
	for (;; slot = (slot + 1) & m->mask) {
		const struct idmap_slot *s = &m->slots[slot];

		if (!s->ref)
			return (struct idmap_probe){.found = false};
		if (s->hash == hash)
			return (struct idmap_probe){true, s->ref - 1, slot, hash};
	}
}

struct idmap_probe idmap_find(const struct idmap *m, uint64_t hash)
{
	if (!m->count)
		return (struct idmap_probe){.found = false};
	return probe_from(m, fold(hash), fold(hash) & m->mask);
}

void idmap_next(const struct idmap *m, struct idmap_probe *p)
{
	*p = probe_from(m, p->hash, (p->slot + 1) & m->mask);
}

static void place(struct idmap *m, struct idmap_slot item)
{
	uint32_t slot = item.hash & m->mask;

	while (m->slots[slot].ref)
		slot = (slot + 1) & m->mask;
	m->slots[slot] = item;
}

static int grow(struct idmap *m)
{
	size_t slot_count = m->slots ? ((size_t)m->mask + 1) * 2 : FIRST_SLOTS;

	if (slot_count > (size_t)UINT32_MAX / 2)
		return -ENOMEM;

	struct idmap grown = {
		.slots = calloc(slot_count, sizeof(*grown.slots)),
		.mask = (uint32_t)(slot_count - 1),
		.count = m->count,
	};

	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; m->slots && i <= m->mask; i++)
		if (m->slots[i].ref)
			place(&grown, m->slots[i]);

	free(m->slots);
	*m = grown;
	return 0;
}

int idmap_insert(struct idmap *m, uint64_t hash, uint32_t id)
{
	if (id > IDMAP_ID_MAX)
		return -EOVERFLOW;
	if (!m->slots || (uint64_t)(m->count + 1) * 4 > ((uint64_t)m->mask + 1) * 3) {
		int err = grow(m);

		if (err)
			return err;
	}

	place(m, (struct idmap_slot){fold(hash), id + 1});
	m->count++;
	return 0;
}

/*
 * Close the gap at @hole: each following item of the same run moves back unless its home slot lies
 * between the hole and itself (cyclically), where a search would no longer reach it.
 */
static void close_gap(struct idmap *m, uint32_t hole)
{
	for (uint32_t at = (hole + 1) & m->mask; m->slots[at].ref; at = (at + 1) & m->mask) {
		uint32_t home = m->slots[at].hash & m->mask;

		if (((at - home) & m->mask) < ((at - hole) & m->mask))
			continue;
		m->slots[hole] = m->slots[at];
		hole = at;
	}
	m->slots[hole] = (struct idmap_slot){0};
}

bool idmap_remove(struct idmap *m, uint64_t hash, uint32_t id)
{
	for (struct idmap_probe p = idmap_find(m, hash); p.found; idmap_next(m, &p)) {
		if (p.id != id)
			continue;
		close_gap(m, p.slot);
		m->count--;
		return true;
	}
	return false;
}

size_t idmap_bytes(const struct idmap *m)
{
	return m->slots ? ((size_t)m->mask + 1) * sizeof(*m->slots) : 0;
}
