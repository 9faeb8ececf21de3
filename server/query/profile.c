/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "server/query/profile_index.h"

#define DEFAULT_LIMIT_BYTES (256u << 20)

int profile_create(const struct profile_options *options, struct profile **ret)
{
	static const struct profile_options defaults;
	const struct profile_options *o = options ? options : &defaults;
	CLEANUP(profile_destroyp) struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->index = calloc(1, sizeof(*p->index));
	if (!p->index)
		return -ENOMEM;

	struct profile_index *index = p->index;
	size_t count = 0;

	index->limit_bytes = o->limit_bytes ? o->limit_bytes : DEFAULT_LIMIT_BYTES;
	index->keep_all = o->all_labels;
	while (o->labels && o->labels[count])
		count++;
	index->keep = calloc(count + 1, sizeof(*index->keep));
	if (!index->keep)
		return -ENOMEM;
	for (; index->keep_count < count; index->keep_count++) {
		index->keep[index->keep_count] = strdup(o->labels[index->keep_count]);
		if (!index->keep[index->keep_count])
			return -ENOMEM;
	}

	*ret = take_ptr(p);
	return 0;
}

static void destroy_index(struct profile_index *index)
{
	if (!index)
		return;
	idmap_release(&index->binaries);
	idmap_release(&index->frames);
	idmap_release(&index->stacks);
	idmap_release(&index->label_sets);
	idmap_release(&index->samples);
	idmap_release(&index->functions);
	for (size_t i = 0; i < index->keep_count; i++)
		free(index->keep[i]);
	free(index->keep);
	free(index);
}

void profile_destroy(struct profile *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->binary_count; i++)
		binary_unref(p->binaries[i]);
	strpool_release(&p->strings);
	destroy_index(p->index);
	free(p->binaries);
	free(p->frames);
	free(p->stack_frames);
	free(p->stacks);
	free(p->label_pairs);
	free(p->label_sets);
	free(p->samples);
	free(p->functions);
	free(p->lines);
	free(p);
}

size_t profile_bytes(const struct profile *p)
{
	const struct profile_index *x = p->index;

	return sizeof(*p) + sizeof(*x) + strpool_bytes(&p->strings) + idmap_bytes(&x->binaries) +
	       idmap_bytes(&x->frames) + idmap_bytes(&x->stacks) + idmap_bytes(&x->label_sets) +
	       idmap_bytes(&x->samples) + idmap_bytes(&x->functions) +
	       x->binary_capacity * sizeof(*p->binaries) + x->frame_capacity * sizeof(*p->frames) +
	       x->stack_frame_capacity * sizeof(*p->stack_frames) +
	       x->stack_capacity * sizeof(*p->stacks) +
	       x->label_pair_capacity * sizeof(*p->label_pairs) +
	       x->label_set_capacity * sizeof(*p->label_sets) +
	       x->sample_capacity * sizeof(*p->samples) +
	       x->function_capacity * sizeof(*p->functions) + x->line_capacity * sizeof(*p->lines);
}

int profile_check_limit(const struct profile *p)
{
	return profile_bytes(p) > p->index->limit_bytes ? -EFBIG : 0;
}

const char *profile_label_value(const struct profile *p, uint32_t label_set, const char *name)
{
	const struct profile_label_set *set = &p->label_sets[label_set];

	for (uint32_t i = set->first; i < set->first + set->count; i++)
		if (!strcmp(strpool_get(&p->strings, p->label_pairs[i].name), name))
			return strpool_get(&p->strings, p->label_pairs[i].value);
	return NULL;
}
