/* SPDX-License-Identifier: Apache-2.0 */
/* The table that a symbol file is written from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "symbolizer/symfile_write.h"

void symtable_release(struct symtable *t)
{
	if (!t)
		return;
	strpool_release(&t->names);
	strpool_release(&t->files);
	free(t->symbols);
	free(t->functions);
	idmap_release(&t->function_ids);
	free(t->scopes);
	free(t->rows);
	free(t->chunks);
	*t = (struct symtable){0};
}

int symtable_text(struct strpool *pool, const char *text, uint32_t *ret)
{
	if (strpool_bytes(pool) > SYMTABLE_TEXT_MAX)
		return -EFBIG;
	return strpool_add_bytes(pool, text, text ? strnlen(text, SYMTABLE_NAME_MAX) : 0, ret);
}

int symtable_function(struct symtable *t, uint32_t name, uint32_t start_line, uint32_t *ret)
{
	uint64_t hash = hash_combine(name, start_line);

	for (struct idmap_probe p = idmap_find(&t->function_ids, hash); p.found;
	     idmap_next(&t->function_ids, &p)) {
		const struct symtable_function *known = &t->functions[p.id];

		if (known->name == name && known->start_line == start_line) {
			*ret = p.id;
			return 0;
		}
	}

	if (t->function_count >= SYMFILE_NONE - 1 ||
	    array_reserve((void **)&t->functions, &t->function_capacity, t->function_count + 1,
			  sizeof(*t->functions)))
		return -ENOMEM;

	uint32_t id = (uint32_t)t->function_count;
	int err = idmap_insert(&t->function_ids, hash, id);

	if (err)
		return err;
	t->functions[t->function_count++] =
		(struct symtable_function){.name = name, .start_line = start_line};
	*ret = id;
	return 0;
}

static int compare_chunks(const void *left, const void *right)
{
	const struct symtable_chunk *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

void symtable_sort_chunks(struct symtable *t)
{
	if (t->chunk_count)
		qsort(t->chunks, t->chunk_count, sizeof(*t->chunks), compare_chunks);
}
