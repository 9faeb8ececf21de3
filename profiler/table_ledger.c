// SPDX-License-Identifier: Apache-2.0
#include "profiler/table_ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/idmap.h"

struct table_ledger {
	pthread_mutex_t lock; /* guards all below */
	struct table_facts *entries;
	size_t count, capacity;
	size_t oldest;	  /* the entry that goes next, once it is full */
	struct idmap ids; /* hash of the build id -> index in entries */
};

int table_ledger_create(struct table_ledger **ret)
{
	struct table_ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	(void)pthread_mutex_init(&l->lock, NULL); /* cannot fail with default attributes */
	*ret = l;
	return 0;
}

void table_ledger_destroy(struct table_ledger *l)
{
	if (!l)
		return;
	free(l->entries);
	idmap_release(&l->ids);
	(void)pthread_mutex_destroy(&l->lock); /* nobody holds it any more */
	free(l);
}

void table_facts_describe(struct table_facts *facts, const struct unwind_file *f)
{
	const struct unwind_file_header *h = unwind_file_header(f);
	size_t size;

	(void)unwind_file_bytes(f, &size);
	facts->state = TABLE_READY;
	facts->sources = h->sources;
	facts->row_count = h->row_count;
	facts->rule_count = h->rule_count;
	facts->page_count = h->page_count;
	facts->fde_count = h->fde_count;
	facts->damaged_count = h->damaged_count;
	facts->expression_count = h->expression_count;
	facts->bytes = size;
	facts->build_ns = (uint64_t)h->build_us * 1000;
}

static uint64_t hash_of(const struct build_id *id)
{
	return hash_bytes(id->bytes, id->length);
}

/* The caller holds the lock. */
static struct table_facts *find(const struct table_ledger *l, const struct build_id *id)
{
	for (struct idmap_probe p = idmap_find(&l->ids, hash_of(id)); p.found;
	     idmap_next(&l->ids, &p)) {
		if (build_id_equal(&l->entries[p.id].id, id))
			return &l->entries[p.id];
	}
	return NULL;
}

static int add(struct table_ledger *l, const struct table_facts *facts)
{
	size_t at = l->count;

	if (at == TABLE_LEDGER_ENTRIES_MAX) {
		at = l->oldest;
		l->oldest = (at + 1) % TABLE_LEDGER_ENTRIES_MAX;
		idmap_remove(&l->ids, hash_of(&l->entries[at].id), (uint32_t)at);
	} else if (array_reserve((void **)&l->entries, &l->capacity, at + 1,
				 sizeof(l->entries[0]))) {
		return -ENOMEM;
	}
	/* Room is made before a full ledger needs it: removing and inserting one keeps its size. */
	if (idmap_insert(&l->ids, hash_of(&facts->id), (uint32_t)at))
		return -ENOMEM;
	l->entries[at] = *facts;
	l->count += at == l->count;
	return 0;
}

int table_ledger_put(struct table_ledger *l, const struct table_facts *facts)
{
	int error = 0;

	(void)pthread_mutex_lock(&l->lock); /* not recursive, not error-checking: cannot fail */
	struct table_facts *there = find(l, &facts->id);
	if (there)
		*there = *facts;
	else
		error = add(l, facts);
	(void)pthread_mutex_unlock(&l->lock);
	return error;
}

int table_ledger_get(struct table_ledger *l, const struct build_id *id, struct table_facts *ret)
{
	(void)pthread_mutex_lock(&l->lock); /* see above */
	const struct table_facts *there = find(l, id);
	if (there)
		*ret = *there;
	(void)pthread_mutex_unlock(&l->lock);
	return there ? 0 : -ENOENT;
}
