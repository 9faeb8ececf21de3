/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/textmap.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"

#define AREAS_MAX 4096

/* Areas are collected with absolute addresses first: the base is known when all are there. */
struct raw_area {
	uint64_t start, end;
};

struct raw_areas {
	struct raw_area *items;
	size_t count, capacity;
};

static int add_raw(struct raw_areas *raw, uint64_t start, uint64_t length)
{
	uint64_t end;

	if (!length || raw->count >= AREAS_MAX || __builtin_add_overflow(start, length, &end))
		return 0;
	if (array_reserve((void **)&raw->items, &raw->capacity, raw->count + 1,
			  sizeof(*raw->items)))
		return -ENOMEM;
	raw->items[raw->count++] = (struct raw_area){start, end};
	return 0;
}

static int collect(const struct elffile *f, struct raw_areas *raw)
{
	for (size_t i = 0; i < f->section_count; i++) {
		const ElfW(Shdr) *s = &f->sections[i];
		uint64_t wanted = SHF_ALLOC | SHF_EXECINSTR;

		if ((s->sh_flags & wanted) == wanted && add_raw(raw, s->sh_addr, s->sh_size))
			return -ENOMEM;
	}
	for (size_t i = 0; !raw->count && i < f->program_count; i++) {
		const ElfW(Phdr) *p = &f->programs[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) &&
		    add_raw(raw, p->p_vaddr, p->p_memsz))
			return -ENOMEM;
	}
	return 0;
}

static int compare_raw(const void *left, const void *right)
{
	const struct raw_area *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

int textmap_create(const struct elffile *f, struct textmap *ret)
{
	struct raw_areas raw = {0};
	int err = collect(f, &raw);
	auto_free struct raw_area *items = raw.items; /* goes on every way out */
	struct textmap m = {0};

	if (err)
		return err;
	if (raw.count) {
		qsort(items, raw.count, sizeof(*items), compare_raw);
		m.base = items[0].start;
	}
	for (size_t i = 0; i < raw.count; i++) {
		uint64_t start = items[i].start - m.base, end = items[i].end - m.base;

		if (m.area_count && start < m.areas[m.area_count - 1].end)
			start = m.areas[m.area_count - 1].end;
		if (end >= UINT32_MAX || end <= start)
			continue;
		if (array_reserve((void **)&m.areas, &m.area_capacity, m.area_count + 1,
				  sizeof(*m.areas))) {
			textmap_release(&m);
			return -ENOMEM;
		}
		m.areas[m.area_count++] = (struct textmap_area){(uint32_t)start, (uint32_t)end};
	}
	*ret = m;
	return 0;
}

void textmap_release(struct textmap *m)
{
	if (!m)
		return;
	free(m->areas);
	*m = (struct textmap){0};
}

const struct textmap_area *textmap_find(const struct textmap *m, uint64_t vaddr)
{
	if (vaddr < m->base || vaddr - m->base >= UINT32_MAX)
		return NULL;

	uint32_t address = (uint32_t)(vaddr - m->base);
	size_t low = 0, high = m->area_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->areas[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->area_count && m->areas[low].start <= address ? &m->areas[low] : NULL;
}

bool textmap_range(const struct textmap *m, uint64_t low, uint64_t high, uint32_t *ret_start,
		   uint32_t *ret_end)
{
	const struct textmap_area *area = textmap_find(m, low);

	if (!area || high <= low)
		return false;

	uint64_t end = high - m->base;

	*ret_start = (uint32_t)(low - m->base);
	*ret_end = end < area->end ? (uint32_t)end : area->end;
	return true;
}
