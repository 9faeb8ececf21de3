/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window as a request: one resource for each set of labels that belong to a resource (host, service, container), one
 * profile in each. Samples of one stack, label set and CPU become one sample with many times.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/parse.h"
#include "server/fleet/otlp.h"
#include "server/fleet/otlp_names.h"
#include "server/fleet/otlp_tables.h"
#include "server/query/names.h"
#include "version.h"

#define LABELS_MAX 64

/* What a label set of the window becomes. */
struct label_list {
	uint32_t group;	     /* its resource */
	int32_t *attributes; /* of its samples; in the arena */
	uint32_t count;
};

/* A resource and its samples. */
struct group {
	uint32_t label_set; /* one of those that have this resource */
	uint32_t first;	    /* in the order of samples */
	uint32_t count;
};

struct encoder {
	const struct window *w;
	const struct otlp_source *source;
	struct arena arena;
	struct otlp_tables tables;
	struct label_list *lists; /* per label set */
	struct group *groups;
	size_t group_count, group_capacity;
	struct idmap group_ids;
	uint32_t *order; /* samples by group, stack, labels, CPU, time */
};

static void encoder_release(struct encoder *e)
{
	otlp_tables_release(&e->tables);
	arena_release(&e->arena);
	free(e->lists);
	free(e->groups);
	idmap_release(&e->group_ids);
	free(e->order);
}

static const char *label_text(const struct window *w, uint32_t id)
{
	return strpool_get(&w->strings, id);
}

static bool is_of_resource(const struct window *w, const struct window_label *label)
{
	const struct otlp_name *name = otlp_name_of_label(label_text(w, label->name));

	return name && name->resource;
}

/* The labels of a set that belong to its resource; sets are sorted, so equal ones come in the same order. */
static size_t resource_labels(const struct window *w, uint32_t label_set, struct window_label *ret)
{
	const struct window_label_set *set = &w->label_sets[label_set];
	size_t count = 0;

	for (uint32_t i = 0; i < set->count && count < LABELS_MAX; i++)
		if (is_of_resource(w, &w->labels[set->first + i]))
			ret[count++] = w->labels[set->first + i];
	return count;
}

static int find_group(struct encoder *e, uint32_t label_set, uint32_t *ret)
{
	struct window_label mine[LABELS_MAX], other[LABELS_MAX];
	size_t bytes = resource_labels(e->w, label_set, mine) * sizeof(*mine);
	uint64_t hash = hash_bytes(mine, bytes);

	for (struct idmap_probe p = idmap_find(&e->group_ids, hash); p.found;
	     idmap_next(&e->group_ids, &p))
		if (resource_labels(e->w, e->groups[p.id].label_set, other) * sizeof(*other) ==
			    bytes &&
		    !memcmp(mine, other, bytes)) {
			*ret = p.id;
			return 0;
		}
	if (array_reserve((void **)&e->groups, &e->group_capacity, e->group_count + 1,
			  sizeof(*e->groups)) ||
	    idmap_insert(&e->group_ids, hash, (uint32_t)e->group_count))
		return -ENOMEM;
	*ret = (uint32_t)e->group_count;
	e->groups[e->group_count++] = (struct group){.label_set = label_set};
	return 0;
}

/* Only what reads the same when it comes back: no leading zero, no sign. */
static bool is_plain_number(const char *text, int64_t *ret)
{
	uint64_t number;

	if ((text[0] == '0' && text[1]) || parse_u64(text, &number) || number > INT64_MAX)
		return false;
	*ret = (int64_t)number;
	return true;
}

static int add_label(struct encoder *e, const struct window_label *label, int32_t *ret)
{
	const char *text = label_text(e->w, label->value);
	const char *key = label_text(e->w, label->name);
	const struct otlp_name *name = otlp_name_of_label(key);
	int64_t number;

	if (name)
		key = name->attribute;
	if (name && name->number && is_plain_number(text, &number))
		return otlp_tables_number(&e->tables, key, number, ret);
	return otlp_tables_text(&e->tables, key, text, ret);
}

static int build_lists(struct encoder *e)
{
	const struct window *w = e->w;

	e->lists = calloc(w->label_set_count + 1u, sizeof(*e->lists));
	if (!e->lists)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->label_set_count; i++) {
		const struct window_label_set *set = &w->label_sets[i];
		struct label_list *list = &e->lists[i];

		list->attributes =
			arena_array(&e->arena, set->count + 1u, sizeof(*list->attributes));
		if (!list->attributes || find_group(e, i, &list->group))
			return -ENOMEM;
		for (uint32_t k = 0; k < set->count; k++) {
			const struct window_label *label = &w->labels[set->first + k];

			if (is_of_resource(w, label))
				continue;
			if (add_label(e, label, &list->attributes[list->count++]))
				return -ENOMEM;
		}
	}
	return 0;
}

static int compare_samples(const void *left, const void *right, void *arg)
{
	const struct encoder *e = arg;
	uint32_t i = *(const uint32_t *)left, k = *(const uint32_t *)right;
	const struct window_sample *a = &e->w->samples[i], *b = &e->w->samples[k];
	uint32_t group_a = e->lists[a->labels].group, group_b = e->lists[b->labels].group;

	if (group_a != group_b)
		return group_a < group_b ? -1 : 1;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	if (a->labels != b->labels)
		return a->labels < b->labels ? -1 : 1;
	if (a->cpu != b->cpu)
		return a->cpu < b->cpu ? -1 : 1;
	return i < k ? -1 : i > k;
}

static int sort_samples(struct encoder *e)
{
	const struct window *w = e->w;

	e->order = malloc((w->sample_count + 1u) * sizeof(*e->order));
	if (!e->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->sample_count; i++) {
		e->order[i] = i;
		e->groups[e->lists[w->samples[i].labels].group].count++;
	}
	qsort_r(e->order, w->sample_count, sizeof(*e->order), compare_samples, e);
	for (size_t i = 1; i < e->group_count; i++)
		e->groups[i].first = e->groups[i - 1].first + e->groups[i - 1].count;
	return 0;
}

static bool same_series(const struct window_sample *a, const struct window_sample *b)
{
	return a->stack == b->stack && a->labels == b->labels && a->cpu == b->cpu;
}

/* The label set's attributes with the CPU and, where it is not complete, the verdict of the stack. */
static int set_attributes(struct encoder *e, const struct window_sample *s, Otlp__Sample *m)
{
	const struct label_list *list = &e->lists[s->labels];
	uint8_t verdict = e->w->stacks[s->stack].verdict;

	m->attribute_indices =
		arena_array(&e->arena, list->count + 2u, sizeof(*m->attribute_indices));
	if (!m->attribute_indices)
		return -ENOMEM;
	if (list->count)
		memcpy(m->attribute_indices, list->attributes,
		       list->count * sizeof(*list->attributes));
	m->n_attribute_indices = list->count;
	if (otlp_tables_number(&e->tables, OTLP_CPU, s->cpu,
			       &m->attribute_indices[m->n_attribute_indices++]))
		return -ENOMEM;
	if (verdict == STACK_COMPLETE)
		return 0;
	return otlp_tables_text(&e->tables, OTLP_VERDICT, stack_verdict_name(verdict),
				&m->attribute_indices[m->n_attribute_indices++]);
}

/* @count samples of one series from @at in the order. */
static Otlp__Sample *make_sample(struct encoder *e, uint32_t at, uint32_t count)
{
	const struct window *w = e->w;
	Otlp__Sample *m = OTLP_NEW(&e->arena, Otlp__Sample, otlp__sample__init);
	const struct window_sample *first = &w->samples[e->order[at]];
	bool thinned = false;

	if (!m || set_attributes(e, first, m))
		return NULL;
	m->stack_index = (int32_t)first->stack + 1;
	m->timestamps_unix_nano = arena_array(&e->arena, count, sizeof(uint64_t));
	if (!m->timestamps_unix_nano)
		return NULL;
	m->n_timestamps_unix_nano = count;
	for (uint32_t i = 0; i < count; i++) {
		const struct window_sample *s = &w->samples[e->order[at + i]];

		m->timestamps_unix_nano[i] = w->wall_start_ns + s->time_us * 1000ull;
		thinned |= s->weight != 1;
	}
	if (!thinned)
		return m;
	m->values = arena_array(&e->arena, count, sizeof(int64_t));
	if (!m->values)
		return NULL;
	m->n_values = count;
	for (uint32_t i = 0; i < count; i++)
		m->values[i] = w->samples[e->order[at + i]].weight;
	return m;
}

static int add_samples(struct encoder *e, const struct group *g, Otlp__Profile *p)
{
	const struct window *w = e->w;

	p->samples = arena_array(&e->arena, g->count + 1u, sizeof(*p->samples));
	if (!p->samples)
		return -ENOMEM;
	for (uint32_t at = g->first; at < g->first + g->count;) {
		uint32_t end = at + 1;

		while (end < g->first + g->count &&
		       same_series(&w->samples[e->order[at]], &w->samples[e->order[end]]))
			end++;
		p->samples[p->n_samples] = make_sample(e, at, end - at);
		if (!p->samples[p->n_samples++])
			return -ENOMEM;
		at = end;
	}
	return 0;
}

static Otlp__ValueType *value_type(struct encoder *e, const char *type, const char *unit)
{
	Otlp__ValueType *m = OTLP_NEW(&e->arena, Otlp__ValueType, otlp__value_type__init);

	if (!m || otlp_tables_string(&e->tables, type, &m->type_strindex) ||
	    otlp_tables_string(&e->tables, unit, &m->unit_strindex))
		return NULL;
	return m;
}

/* What the window lost, once a window: with its first profile. */
static int add_losses(struct encoder *e, Otlp__Profile *p)
{
	p->attribute_indices =
		arena_array(&e->arena, LOST_REASON_COUNT, sizeof(*p->attribute_indices));
	if (!p->attribute_indices)
		return -ENOMEM;
	for (int i = 0; i < LOST_REASON_COUNT; i++) {
		char key[64];

		if (!e->w->lost[i])
			continue;
		(void)snprintf(key, sizeof(key), OTLP_LOST "%s", lost_reason_name(i)); /* fits */
		if (otlp_tables_number(&e->tables, key, (int64_t)e->w->lost[i],
				       &p->attribute_indices[p->n_attribute_indices++]))
			return -ENOMEM;
	}
	return 0;
}

static Otlp__Profile *make_profile(struct encoder *e, uint32_t group)
{
	const struct window *w = e->w;
	Otlp__Profile *p = OTLP_NEW(&e->arena, Otlp__Profile, otlp__profile__init);
	struct otlp_id *id = arena_alloc(&e->arena, sizeof(*id));

	if (!p || !id)
		return NULL;
	*id = e->source->batch;
	for (int i = 0; i < 4; i++)
		id->bytes[OTLP_ID_BYTES - 1 - i] = (uint8_t)(group >> (8 * i));
	p->profile_id = (ProtobufCBinaryData){sizeof(id->bytes), id->bytes};
	p->sample_type = value_type(e, "samples", "count");
	p->period_type = value_type(e, "cpu", "nanoseconds");
	p->period = (int64_t)w->period_ns;
	p->time_unix_nano = w->wall_start_ns;
	p->duration_nano = w->wall_end_ns - w->wall_start_ns;
	if (!p->sample_type || !p->period_type || (!group && add_losses(e, p)) ||
	    add_samples(e, &e->groups[group], p))
		return NULL;
	return p;
}

static Otlp__KeyValue *make_key_value(struct encoder *e, const char *key, const char *text)
{
	Otlp__KeyValue *m = OTLP_NEW(&e->arena, Otlp__KeyValue, otlp__key_value__init);
	Otlp__Value *value = OTLP_NEW(&e->arena, Otlp__Value, otlp__value__init);
	int32_t index;

	/* The pool is where clean text lives; an entry that no index refers to costs a few bytes. */
	if (!m || !value || otlp_tables_string(&e->tables, text, &index))
		return NULL;
	value->value_case = OTLP__VALUE__VALUE_STRING_VALUE;
	value->string_value = (char *)strpool_get(&e->tables.strings, (uint32_t)index);
	m->key = (char *)key; /* a constant, only read */
	m->value = value;
	return m;
}

static Otlp__Resource *make_resource(struct encoder *e, uint32_t group)
{
	const struct window *w = e->w;
	struct window_label labels[LABELS_MAX];
	size_t count = resource_labels(w, e->groups[group].label_set, labels);
	Otlp__Resource *m = OTLP_NEW(&e->arena, Otlp__Resource, otlp__resource__init);
	bool has_host = false;

	if (m)
		m->attributes = arena_array(&e->arena, count + 1, sizeof(*m->attributes));
	if (!m || !m->attributes)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct otlp_name *name = otlp_name_of_label(label_text(w, labels[i].name));

		has_host |= !strcmp(name->label, "host");
		m->attributes[i] =
			make_key_value(e, name->attribute, label_text(w, labels[i].value));
		if (!m->attributes[i])
			return NULL;
	}
	m->n_attributes = count;
	if (has_host || !e->source->host)
		return m;
	m->attributes[count] = make_key_value(e, "host.name", e->source->host);
	m->n_attributes++;
	return m->attributes[count] ? m : NULL;
}

static Otlp__ResourceProfiles *make_resource_profiles(struct encoder *e, uint32_t group)
{
	Otlp__ResourceProfiles *m =
		OTLP_NEW(&e->arena, Otlp__ResourceProfiles, otlp__resource_profiles__init);
	Otlp__ScopeProfiles *scope =
		OTLP_NEW(&e->arena, Otlp__ScopeProfiles, otlp__scope_profiles__init);
	Otlp__Profile **profiles = arena_array(&e->arena, 1, sizeof(*profiles));
	Otlp__ScopeProfiles **scopes = arena_array(&e->arena, 1, sizeof(*scopes));

	if (!m || !scope || !profiles || !scopes)
		return NULL;
	scope->scope = OTLP_NEW(&e->arena, Otlp__Scope, otlp__scope__init);
	m->resource = make_resource(e, group);
	profiles[0] = make_profile(e, group);
	if (!scope->scope || !m->resource || !profiles[0])
		return NULL;
	scope->scope->name = (char *)OTLP_SCOPE; /* constants, only read */
	scope->scope->version = (char *)HEARTH_VERSION;
	scope->profiles = profiles;
	scope->n_profiles = 1;
	scopes[0] = scope;
	m->scope_profiles = scopes;
	m->n_scope_profiles = 1;
	return m;
}

static int pack(const Otlp__Request *request, struct buffer *out)
{
	size_t bytes = otlp__request__get_packed_size(request);
	char *to = buffer_reserve(out, bytes);

	if (!to)
		return out->error;
	out->length += otlp__request__pack(request, (uint8_t *)to);
	return 0;
}

static int encode(struct encoder *e, struct buffer *out)
{
	Otlp__Request request = OTLP__REQUEST__INIT;
	Otlp__Dictionary dictionary = OTLP__DICTIONARY__INIT;
	int err = otlp_tables_init(&e->tables, e->w, &e->arena);

	if (!err)
		err = otlp_tables_build(&e->tables);
	if (!err)
		err = build_lists(e);
	if (!err)
		err = sort_samples(e);
	if (err)
		return err;

	request.resource_profiles =
		arena_array(&e->arena, e->group_count + 1, sizeof(*request.resource_profiles));
	if (!request.resource_profiles)
		return -ENOMEM;
	for (uint32_t i = 0; i < e->group_count; i++) {
		request.resource_profiles[i] = make_resource_profiles(e, i);
		if (!request.resource_profiles[i])
			return -ENOMEM;
	}
	request.n_resource_profiles = e->group_count;
	request.dictionary = &dictionary;
	err = otlp_tables_finish(&e->tables, &dictionary);
	return err ? err : pack(&request, out);
}

int otlp_encode(const struct window *w, const struct otlp_source *source, struct buffer *out)
{
	CLEANUP(encoder_release) struct encoder e = {.w = w, .source = source};

	arena_init(&e.arena, 0);
	return encode(&e, out);
}
