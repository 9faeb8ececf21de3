/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/keytable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"

void keytable_release(struct keytable *t)
{
	if (!t)
		return;
	strpool_release(&t->strings);
	idmap_release(&t->ids);
	free(t->keys);
	*t = (struct keytable){0};
}

static int add_key(struct keytable *t, uint32_t name, uint32_t binary, uint8_t kind, uint32_t *ret)
{
	uint8_t identity = t->merge_kinds && kind == KIND_INLINED ? KIND_NATIVE : kind;
	uint64_t hash = hash_combine((uint64_t)name << 32 | binary, identity);

	for (struct idmap_probe at = idmap_find(&t->ids, hash); at.found;
	     idmap_next(&t->ids, &at)) {
		const struct function_key *key = &t->keys[at.id];

		if (key->name == name && key->binary == binary && key->kind == identity) {
			*ret = at.id;
			return 0;
		}
	}

	if (array_reserve((void **)&t->keys, &t->capacity, t->count + 1, sizeof(*t->keys)) ||
	    idmap_insert(&t->ids, hash, (uint32_t)t->count))
		return -ENOMEM;
	*ret = (uint32_t)t->count;
	t->keys[t->count++] =
		(struct function_key){.name = name, .binary = binary, .kind = identity};
	return 0;
}

int keytable_add(struct keytable *t, const char *name, const char *binary, uint8_t kind,
		 uint32_t *ret)
{
	uint32_t name_id;
	uint32_t binary_id;

	if (strpool_add(&t->strings, name, &name_id) ||
	    strpool_add(&t->strings, binary, &binary_id))
		return -ENOMEM;
	return add_key(t, name_id, binary_id, kind, ret);
}

/* A declaration beats a line that merely ran; of two alike the one with more samples wins. */
static int learn_place(struct keytable *t, struct function_key *key, const struct profile *p,
		       const struct profile_line *line, uint64_t heat)
{
	const struct profile_function *f = &p->functions[line->function];
	bool declared = f->start_line != 0;

	if (!f->file || (key->file && key->declared > declared) ||
	    (key->file && key->declared == declared && key->heat >= heat))
		return 0;

	uint32_t file;
	int err = strpool_add(&t->strings, strpool_get(&p->strings, f->file), &file);

	if (err)
		return err;
	key->file = file;
	key->line = declared ? f->start_line : line->line;
	key->declared = declared;
	key->heat = heat;
	return 0;
}

static int learn_places(struct keytable *t, const struct profile *p, const uint32_t *map)
{
	auto_free uint64_t *heat = calloc(p->frame_count + 1, sizeof(*heat));

	if (!heat)
		return -ENOMEM;
	for (size_t i = 0; i < p->sample_count; i++) {
		const struct profile_stack *stack = &p->stacks[p->samples[i].stack];

		for (uint32_t j = 0; j < stack->count; j++)
			heat[p->stack_frames[stack->first + j]] += p->samples[i].count;
	}

	for (size_t i = 0; i < p->frame_count; i++)
		for (uint32_t j = 0; j < p->frames[i].line_count; j++) {
			const struct profile_line *line = &p->lines[p->frames[i].line_first + j];
			int err = learn_place(t, &t->keys[map[line->function]], p, line, heat[i]);

			if (err)
				return err;
		}
	return 0;
}

int keytable_map(struct keytable *t, const struct profile *p, uint32_t **ret_map)
{
	auto_free uint32_t *map = calloc(p->function_count + 1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	for (size_t i = 0; i < p->function_count; i++) {
		const struct profile_function *f = &p->functions[i];
		const char *binary =
			f->kind == KIND_MARKER ? "" : binary_path(p->binaries[f->binary]);
		int err = keytable_add(t, strpool_get(&p->strings, f->name), binary, f->kind,
				       &map[i]);

		if (err)
			return err;
	}

	int err = learn_places(t, p, map);

	if (err)
		return err;
	*ret_map = take_ptr(map);
	return 0;
}

static int compare_keys(const void *a, const void *b, void *arg)
{
	const struct keytable *t = arg;
	const struct function_key *x = &t->keys[*(const uint32_t *)a];
	const struct function_key *y = &t->keys[*(const uint32_t *)b];
	int order = x->name == y->name ? 0
				       : strcmp(strpool_get(&t->strings, x->name),
						strpool_get(&t->strings, y->name));

	if (!order && x->binary != y->binary)
		order = strcmp(strpool_get(&t->strings, x->binary),
			       strpool_get(&t->strings, y->binary));
	if (order)
		return order;
	return x->kind < y->kind ? -1 : x->kind > y->kind;
}

int keytable_rank(const struct keytable *t, uint32_t **ret_ranks)
{
	auto_free uint32_t *order = calloc(t->count + 1, sizeof(*order));
	auto_free uint32_t *ranks = calloc(t->count + 1, sizeof(*ranks));

	if (!order || !ranks)
		return -ENOMEM;
	for (size_t i = 0; i < t->count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, t->count, sizeof(*order), compare_keys, (void *)t);
	for (size_t i = 0; i < t->count; i++)
		ranks[order[i]] = (uint32_t)i;
	*ret_ranks = take_ptr(ranks);
	return 0;
}
