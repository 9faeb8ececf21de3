/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of a request as labels.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "server/fleet/otlp_import.h"
#include "server/fleet/otlp_names.h"

/** Label sets that were made, by what they were made of. */
struct otlp_label_set {
	const Otlp__ResourceProfiles *resource;
	const Otlp__Sample *sample; /* its attributes */
	uint32_t id;
};

/* Labels while they are collected. */
struct labels {
	struct window_label items[OTLP_LABELS_MAX];
	size_t count;
	bool has_host;
};

const char *otlp_text(const Otlp__Dictionary *d, int32_t index)
{
	return index ? d->string_table[index] : "";
}

const char *otlp_attribute_key(const Otlp__Dictionary *d, int32_t index)
{
	return index ? otlp_text(d, d->attribute_table[index]->key_strindex) : "";
}

static const char *cut(const char *from, char *text, size_t size)
{
	if (strlen(from) < size)
		return from;
	memcpy(text, from, size - 1);
	text[size - 1] = '\0';
	return text;
}

const char *otlp_value_text(const Otlp__Dictionary *d, const Otlp__Value *v, char *text,
			    size_t size)
{
	if (!v)
		return NULL;
	switch (v->value_case) {
	case OTLP__VALUE__VALUE_STRING_VALUE:
		return cut(v->string_value, text, size);
	case OTLP__VALUE__VALUE_STRING_VALUE_STRINDEX:
		return cut(otlp_text(d, v->string_value_strindex), text, size);
	case OTLP__VALUE__VALUE_INT_VALUE:
		(void)snprintf(text, size, "%" PRId64, v->int_value); /* fits */
		return text;
	case OTLP__VALUE__VALUE_BOOL_VALUE:
		return v->bool_value ? "true" : "false";
	default: /* lists and bytes are no labels, a fraction would make one of every sample */
		return NULL;
	}
}

/* Adds a label, or gives one that is there another value: what is closer to the sample counts. */
static int add_label(struct otlp_group *g, struct labels *labels, const char *name,
		     const char *value, uint64_t *dropped)
{
	struct window_label label;

	if (!*value)
		return 0;
	if (window_builder_string(&g->builder, name, &label.name) ||
	    window_builder_string(&g->builder, value, &label.value))
		return -ENOSPC;
	labels->has_host |= !strcmp(name, "host");
	for (size_t i = 0; i < labels->count; i++)
		if (labels->items[i].name == label.name) {
			labels->items[i].value = label.value;
			return 0;
		}
	if (labels->count == OTLP_LABELS_MAX) {
		(*dropped)++;
		return 0;
	}
	labels->items[labels->count++] = label;
	return 0;
}

static int add_attribute(struct otlp_import *m, struct otlp_group *g, struct labels *labels,
			 const char *key, const Otlp__Value *v)
{
	char name_text[OTLP_LABEL_NAME_MAX];
	char value_text[OTLP_VALUE_MAX];
	const char *name = otlp_label_of_attribute(key, name_text);
	const char *value = name ? otlp_value_text(m->d, v, value_text, sizeof(value_text)) : NULL;

	if (!value)
		return 0;
	return add_label(g, labels, name, value, &m->result->labels_dropped);
}

static int collect(struct otlp_import *m, struct otlp_group *g,
		   const Otlp__ResourceProfiles *resource, const Otlp__Sample *s,
		   struct labels *labels)
{
	const Otlp__Resource *r = resource->resource;
	int err = 0;

	for (size_t i = 0; r && i < r->n_attributes && !err; i++) {
		const Otlp__KeyValue *a = r->attributes[i];
		const char *key = *a->key ? a->key : otlp_text(m->d, a->key_strindex);

		err = add_attribute(m, g, labels, key, a->value);
	}
	for (size_t i = 0; i < s->n_attribute_indices && !err; i++) {
		int32_t index = s->attribute_indices[i];

		if (index)
			err = add_attribute(m, g, labels, otlp_attribute_key(m->d, index),
					    m->d->attribute_table[index]->value);
	}
	if (!err && !labels->has_host && m->options->default_host)
		err = add_label(g, labels, "host", m->options->default_host,
				&m->result->labels_dropped);
	return err;
}

static bool same_source(const struct otlp_label_set *a, const Otlp__ResourceProfiles *resource,
			const Otlp__Sample *s)
{
	return a->resource == resource &&
	       a->sample->n_attribute_indices == s->n_attribute_indices &&
	       (!s->n_attribute_indices ||
		!memcmp(a->sample->attribute_indices, s->attribute_indices,
			s->n_attribute_indices * sizeof(*s->attribute_indices)));
}

int otlp_import_labels(struct otlp_import *m, struct otlp_group *g,
		       const Otlp__ResourceProfiles *resource, const Otlp__Sample *s, uint32_t *ret)
{
	uint64_t hash =
		hash_combine(hash_bytes(s->attribute_indices,
					s->n_attribute_indices * sizeof(*s->attribute_indices)),
			     (uintptr_t)resource);
	struct labels labels = {.count = 0};
	uint32_t id;

	for (struct idmap_probe p = idmap_find(&g->label_set_ids, hash); p.found;
	     idmap_next(&g->label_set_ids, &p))
		if (same_source(&g->label_sets[p.id], resource, s)) {
			*ret = g->label_sets[p.id].id;
			return 0;
		}

	int err = collect(m, g, resource, s, &labels);

	if (!err)
		err = window_builder_labels(&g->builder, labels.items, labels.count, &id);
	if (err)
		return err;
	if (array_reserve((void **)&g->label_sets, &g->label_set_capacity, g->label_set_count + 1,
			  sizeof(*g->label_sets)) ||
	    idmap_insert(&g->label_set_ids, hash, (uint32_t)g->label_set_count))
		return -ENOMEM;
	g->label_sets[g->label_set_count++] = (struct otlp_label_set){resource, s, id};
	*ret = id;
	return 0;
}
