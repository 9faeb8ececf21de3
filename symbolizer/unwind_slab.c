/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_slab.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "symbolizer/unwind_buddy.h"

#define EVICT_BATCH 64 /* pages freed for one wait */

struct chunk {
	char *bytes;
	struct unwind_buddy buddy;
};

struct block {
	uint32_t ref;
	uint32_t bytes;
};

/** A loaded page. */
struct page {
	struct block block;
	uint32_t exe;
	uint32_t index; /* in its directory */
};

struct exe {
	struct unwind_file *file; /* NULL = no table, or unknown */
	struct block directory;
};

struct unwind_slab {
	struct unwind_slab_options options;
	uint32_t *directories; /* chunk 0 */
	struct chunk *chunks;  /* chunk_count, from number 1 on */
	uint32_t chunk_count;
	struct exe *exes; /* by number */
	size_t exe_capacity;
	uint32_t exe_end; /* numbers below this were used */
	struct page *pages;
	size_t page_count, page_capacity;
	size_t hand;	     /* of the clock */
	struct block *limbo; /* freed, but maybe still read */
	size_t limbo_count, limbo_capacity;
	char *scratch; /* a page under construction */
	struct unwind_slab_stats stats;
};

static uint32_t units(uint32_t bytes)
{
	return (bytes + UNWIND_BLOCK_ALIGN - 1) / UNWIND_BLOCK_ALIGN;
}

static char *block_bytes(const struct unwind_slab *s, uint32_t ref)
{
	return s->chunks[UNWIND_REF_CHUNK(ref) - 1].bytes + UNWIND_REF_OFFSET(ref);
}

/** Let unwinders see @ref only after what it refers to. */
static void publish(uint32_t *at, uint32_t ref)
{
	__atomic_store_n(at, ref, __ATOMIC_RELEASE);
}

/* --- blocks ----------------------------------------------------------------------------------------- */

static void free_limbo(struct unwind_slab *s)
{
	if (s->limbo_count && s->options.grace)
		s->options.grace(s->options.arg);
	for (size_t i = 0; i < s->limbo_count; i++) {
		const struct block *b = &s->limbo[i];

		unwind_buddy_give(&s->chunks[UNWIND_REF_CHUNK(b->ref) - 1].buddy,
				  UNWIND_REF_OFFSET(b->ref) / UNWIND_BLOCK_ALIGN, units(b->bytes));
	}
	s->limbo_count = 0;
}

/** Free a block that no reference leads to any more. */
static void free_block(struct unwind_slab *s, struct block b)
{
	if (!b.ref)
		return;
	s->stats.block_bytes -= b.bytes;
	if (array_reserve((void **)&s->limbo, &s->limbo_capacity, s->limbo_count + 1,
			  sizeof(*s->limbo))) {
		if (s->options.grace)
			s->options.grace(s->options.arg);
		unwind_buddy_give(&s->chunks[UNWIND_REF_CHUNK(b.ref) - 1].buddy,
				  UNWIND_REF_OFFSET(b.ref) / UNWIND_BLOCK_ALIGN, units(b.bytes));
		return;
	}
	s->limbo[s->limbo_count++] = b;
}

static void drop_page(struct unwind_slab *s, size_t i)
{
	struct page p = s->pages[i];
	struct unwind_directory *d = (void *)block_bytes(s, s->exes[p.exe].directory.ref);

	publish(&d->pages[p.index], UNWIND_REF_NONE);
	free_block(s, p.block);
	s->stats.page_bytes -= p.block.bytes;
	s->pages[i] = s->pages[--s->page_count];
}

/** Evict pages that were not used since the clock's hand passed them last. Returns whether there were any. */
static bool evict(struct unwind_slab *s)
{
	size_t evicted = 0;

	for (size_t looked = 0;
	     s->page_count && evicted < EVICT_BATCH && looked < 2 * s->page_count; looked++) {
		if (s->hand >= s->page_count)
			s->hand = 0;

		struct unwind_page *page = (void *)block_bytes(s, s->pages[s->hand].block.ref);

		if (__atomic_exchange_n(&page->used, 0, __ATOMIC_RELAXED)) {
			s->hand++;
		} else {
			drop_page(s, s->hand);
			evicted++;
		}
	}
	s->stats.page_evictions += evicted;
	return evicted > 0;
}

static bool take_from(struct unwind_slab *s, uint32_t chunk, uint32_t bytes, struct block *ret)
{
	int unit = unwind_buddy_take(&s->chunks[chunk].buddy, units(bytes));

	if (unit < 0)
		return false;
	*ret = (struct block){(chunk + 1) << UNWIND_REF_OFFSET_BITS | (uint32_t)unit, bytes};
	s->stats.block_bytes += bytes;
	return true;
}

/** Take a block from the chunks there are, the older first, so that the last ones may become empty. */
static bool take_block(struct unwind_slab *s, uint32_t bytes, struct block *ret)
{
	for (uint32_t i = 0; i < s->chunk_count; i++)
		if (take_from(s, i, bytes, ret))
			return true;
	return false;
}

/** Make another chunk. Returns 0; -ENOMEM at the limit; -errno of the owner. */
static int grow(struct unwind_slab *s)
{
	if (s->chunk_count + 1 >= s->options.chunk_max)
		return -ENOMEM;

	struct chunk *c = &s->chunks[s->chunk_count];
	void *bytes;
	int error = s->options.add_chunk(s->options.arg, s->chunk_count + 1, &bytes);

	if (error)
		return error;
	c->bytes = bytes;
	unwind_buddy_init(&c->buddy);
	s->chunk_count++;
	s->stats.bytes += UNWIND_CHUNK_BYTES;
	return 0;
}

static int new_block(struct unwind_slab *s, uint32_t bytes, struct block *ret)
{
	if (take_block(s, bytes, ret))
		return 0;
	if (s->limbo_count >= EVICT_BATCH) {
		free_limbo(s);
		if (take_block(s, bytes, ret))
			return 0;
	}
	if (!grow(s) && take_block(s, bytes, ret))
		return 0;
	do {
		free_limbo(s);
		if (take_block(s, bytes, ret))
			return 0;
	} while (evict(s));
	s->stats.refused++;
	return -ENOMEM;
}

/* --- executables ------------------------------------------------------------------------------------- */

static struct exe *get_exe(struct unwind_slab *s, uint32_t number)
{
	size_t before = s->exe_capacity;

	if (!number || number >= UNWIND_EXES)
		return NULL;
	if (array_reserve((void **)&s->exes, &s->exe_capacity, number + 1, sizeof(*s->exes)))
		return NULL;
	if (s->exe_capacity > before)
		memset(s->exes + before, 0, (s->exe_capacity - before) * sizeof(*s->exes));
	if (number >= s->exe_end)
		s->exe_end = number + 1;
	return &s->exes[number];
}

void unwind_slab_drop_exe(struct unwind_slab *s, uint32_t number)
{
	if (!number || number >= s->exe_end)
		return;

	struct exe *e = &s->exes[number];

	publish(&s->directories[number], UNWIND_REF_NONE);
	for (size_t i = 0; i < s->page_count && e->directory.ref;) {
		if (s->pages[i].exe == number)
			drop_page(s, i);
		else
			i++;
	}
	if (e->file)
		s->stats.exes--;
	free_block(s, e->directory);
	unwind_file_unref(e->file);
	*e = (struct exe){0};
}

int unwind_slab_set_table(struct unwind_slab *s, uint32_t number, struct unwind_file *file)
{
	unwind_slab_drop_exe(s, number);

	struct exe *e = get_exe(s, number);

	if (!e)
		return number && number < UNWIND_EXES ? -ENOMEM : -EINVAL;
	if (!file) {
		publish(&s->directories[number], UNWIND_REF_NO_TABLE);
		return 0;
	}

	const struct unwind_file_header *h = unwind_file_header(file);
	uint32_t bytes = (uint32_t)sizeof(struct unwind_directory) + h->page_count * 4;
	int error = new_block(s, bytes, &e->directory);

	e->file = unwind_file_ref(file);
	s->stats.exes++;
	if (error)
		return error;

	struct unwind_directory *d = (void *)block_bytes(s, e->directory.ref);

	memset(d, 0, bytes);
	d->exe = number;
	d->first_page = h->first_page;
	d->page_count = h->page_count;
	publish(&s->directories[number], e->directory.ref);
	return 0;
}

const struct unwind_file *unwind_slab_file(const struct unwind_slab *s, uint32_t number)
{
	return number && number < s->exe_end ? s->exes[number].file : NULL;
}

int unwind_slab_load_page(struct unwind_slab *s, uint32_t number, uint32_t page)
{
	if (!number || number >= s->exe_end || !s->exes[number].file)
		return -ENOENT;
	if (!s->exes[number].directory.ref)
		return -ENOMEM;

	const struct exe *e = &s->exes[number];
	const struct unwind_file_header *h = unwind_file_header(e->file);
	uint32_t index = page - h->first_page, bytes;

	if (index >= h->page_count)
		return -ENOENT;

	struct unwind_directory *d = (void *)block_bytes(s, e->directory.ref);

	if (d->pages[index])
		return d->pages[index] == UNWIND_REF_TOO_BIG ? -EFBIG : 0;

	int error = unwind_file_make_page(e->file, page, s->scratch, &bytes);

	if (error == -EFBIG) {
		s->stats.pages_too_big++;
		publish(&d->pages[index], UNWIND_REF_TOO_BIG);
	}
	if (error)
		return error;
	if (array_reserve((void **)&s->pages, &s->page_capacity, s->page_count + 1,
			  sizeof(*s->pages)))
		return -ENOMEM;

	struct page p = {.exe = number, .index = index};

	error = new_block(s, bytes, &p.block);
	if (error)
		return error;
	memcpy(block_bytes(s, p.block.ref), s->scratch, bytes);
	s->pages[s->page_count++] = p;
	s->stats.page_loads++;
	s->stats.page_bytes += bytes;
	publish(&d->pages[index], p.block.ref);
	return 0;
}

/* --- processes --------------------------------------------------------------------------------------- */

static int put_table(struct unwind_slab *s, const struct unwind_mapping *mappings, uint32_t count,
		     uint32_t *ret_ref)
{
	struct block b;
	int error = new_block(s, count * (uint32_t)sizeof(*mappings), &b);

	if (error)
		return error;
	memcpy(block_bytes(s, b.ref), mappings, b.bytes);
	*ret_ref = b.ref;
	return 0;
}

int unwind_slab_put_process(struct unwind_slab *s, const struct unwind_mapping *mappings,
			    uint32_t count, struct unwind_process *ret)
{
	struct unwind_process p = {0};
	struct unwind_table_ref list[UNWIND_PROCESS_TABLES];
	struct block b;
	int error = 0;

	/* The vsyscall page lies in the kernel's half, where the unwinder's search does not compare. */
	while (count && mappings[count - 1].end >> 63)
		count--;
	if (count <= UNWIND_TABLE_MAPPINGS) {
		p.count = count;
		if (count)
			error = put_table(s, mappings, count, &p.table);
		if (!error)
			*ret = p;
		return error;
	}
	if ((count - 1) / UNWIND_TABLE_MAPPINGS >= UNWIND_PROCESS_TABLES)
		return -E2BIG;
	while (count && !error) {
		uint32_t part = count < UNWIND_TABLE_MAPPINGS ? count : UNWIND_TABLE_MAPPINGS;
		struct unwind_table_ref *t = &list[p.tables];

		t->start = mappings->start;
		t->count = part;
		error = put_table(s, mappings, part, &t->table);
		if (!error)
			p.tables++;
		mappings += part;
		count -= part;
	}
	if (!error)
		error = new_block(s, p.tables * (uint32_t)sizeof(list[0]), &b);
	if (error) {
		for (uint32_t i = 0; i < p.tables; i++)
			free_block(s, (struct block){list[i].table,
						     list[i].count * (uint32_t)sizeof(*mappings)});
		return error;
	}
	memcpy(block_bytes(s, b.ref), list, b.bytes);
	p.table = b.ref;
	*ret = p;
	return 0;
}

void unwind_slab_free_process(struct unwind_slab *s, const struct unwind_process *p)
{
	const uint32_t size = sizeof(struct unwind_mapping);

	if (!p->tables) {
		free_block(s, (struct block){p->table, p->count * size});
		return;
	}

	const struct unwind_table_ref *list = (const void *)block_bytes(s, p->table);

	for (uint32_t i = 0; i < p->tables; i++)
		free_block(s, (struct block){list[i].table, list[i].count * size});
	free_block(s, (struct block){p->table, p->tables * (uint32_t)sizeof(*list)});
}

/* --- the slab ---------------------------------------------------------------------------------------- */

int unwind_slab_create(const struct unwind_slab_options *options, struct unwind_slab **ret)
{
	struct unwind_slab *s = calloc(1, sizeof(*s));
	void *bytes;
	int error = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->chunks = calloc(options->chunk_max, sizeof(*s->chunks));
	s->scratch = malloc(UNWIND_CHUNK_BYTES / 2);
	if (s->chunks && s->scratch)
		error = options->add_chunk(options->arg, 0, &bytes);
	if (error) {
		unwind_slab_destroy(s);
		return error;
	}
	s->directories = bytes;
	s->stats.bytes = UNWIND_CHUNK_BYTES;
	*ret = s;
	return 0;
}

void unwind_slab_destroy(struct unwind_slab *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->exe_end; i++)
		unwind_file_unref(s->exes[i].file);
	free(s->exes);
	free(s->pages);
	free(s->limbo);
	free(s->scratch);
	free(s->chunks);
	free(s);
}

const void *unwind_slab_chunk(const struct unwind_slab *s, uint32_t index)
{
	if (!index)
		return s->directories;
	return index <= s->chunk_count ? s->chunks[index - 1].bytes : NULL;
}

void unwind_slab_stats(const struct unwind_slab *s, struct unwind_slab_stats *ret)
{
	*ret = s->stats;
	ret->pages = s->page_count;
}
