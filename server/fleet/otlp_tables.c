/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/otlp_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "server/fleet/otlp_names.h"

static int table_add(struct otlp_table *t, void *item)
{
	if (!item ||
	    array_reserve((void **)&t->items, &t->capacity, t->count + 1, sizeof(*t->items)))
		return -ENOMEM;
	t->items[t->count++] = item;
	return 0;
}

int otlp_tables_init(struct otlp_tables *t, const struct window *w, struct arena *arena)
{
	*t = (struct otlp_tables){.w = w, .arena = arena};
	t->string_map = calloc(strpool_count(&w->strings) + 1u, sizeof(*t->string_map));
	t->function_map = calloc(strpool_count(&w->strings) + 1u, sizeof(*t->function_map));
	t->mapping_base = calloc(w->binary_count + 1u, sizeof(*t->mapping_base));
	if (!t->string_map || !t->function_map || !t->mapping_base)
		return -ENOMEM;
	if (table_add(&t->attributes, OTLP_NEW(arena, Otlp__Attribute, otlp__attribute__init)) ||
	    table_add(&t->mappings, OTLP_NEW(arena, Otlp__Mapping, otlp__mapping__init)) ||
	    table_add(&t->functions, OTLP_NEW(arena, Otlp__Function, otlp__function__init)))
		return -ENOMEM;
	return 0;
}

void otlp_tables_release(struct otlp_tables *t)
{
	strpool_release(&t->strings);
	idmap_release(&t->attribute_ids);
	free(t->string_map);
	free(t->function_map);
	free(t->mapping_base);
	free(t->attributes.items);
	free(t->mappings.items);
	free(t->functions.items);
}

int otlp_tables_string(struct otlp_tables *t, const char *text, int32_t *ret)
{
	uint32_t id;
	int err = utf8_add_clean(&t->strings, text, &id);

	if (!err)
		*ret = (int32_t)id;
	return err;
}

int otlp_tables_window_string(struct otlp_tables *t, uint32_t id, int32_t *ret)
{
	if (!t->string_map[id]) {
		int32_t made;
		int err = otlp_tables_string(t, strpool_get(&t->w->strings, id), &made);

		if (err)
			return err;
		t->string_map[id] = (uint32_t)made + 1;
	}
	*ret = (int32_t)t->string_map[id] - 1;
	return 0;
}

static bool same_value(const Otlp__Value *a, const Otlp__Value *b)
{
	if (a->value_case != b->value_case)
		return false;
	if (a->value_case == OTLP__VALUE__VALUE_INT_VALUE)
		return a->int_value == b->int_value;
	return !strcmp(a->string_value, b->string_value);
}

/* Finds or adds an attribute; the value is copied into the arena, its text is borrowed from the string pool. */
static int add_attribute(struct otlp_tables *t, int32_t key, const Otlp__Value *value, int32_t *ret)
{
	bool number = value->value_case == OTLP__VALUE__VALUE_INT_VALUE;
	uint64_t hash = number ? (uint64_t)value->int_value
			       : hash_bytes(value->string_value, strlen(value->string_value));

	hash = hash_combine(hash, (uint32_t)key);
	for (struct idmap_probe p = idmap_find(&t->attribute_ids, hash); p.found;
	     idmap_next(&t->attribute_ids, &p)) {
		const Otlp__Attribute *a = t->attributes.items[p.id];

		if (a->key_strindex == key && same_value(a->value, value)) {
			*ret = (int32_t)p.id;
			return 0;
		}
	}

	Otlp__Attribute *a = OTLP_NEW(t->arena, Otlp__Attribute, otlp__attribute__init);
	Otlp__Value *copy = arena_alloc(t->arena, sizeof(*copy));
	uint32_t id = (uint32_t)t->attributes.count;

	if (!a || !copy || idmap_insert(&t->attribute_ids, hash, id))
		return -ENOMEM;
	*copy = *value;
	a->key_strindex = key;
	a->value = copy;
	*ret = (int32_t)id;
	return table_add(&t->attributes, a);
}

int otlp_tables_text(struct otlp_tables *t, const char *key, const char *text, int32_t *ret)
{
	Otlp__Value value = OTLP__VALUE__INIT;
	int32_t key_index, text_index;

	if (otlp_tables_string(t, key, &key_index) || otlp_tables_string(t, text, &text_index))
		return -ENOMEM;
	value.value_case = OTLP__VALUE__VALUE_STRING_VALUE;
	value.string_value = (char *)strpool_get(&t->strings, (uint32_t)text_index); /* only read */
	return add_attribute(t, key_index, &value, ret);
}

int otlp_tables_number(struct otlp_tables *t, const char *key, int64_t number, int32_t *ret)
{
	Otlp__Value value = OTLP__VALUE__INIT;
	int32_t key_index;

	if (otlp_tables_string(t, key, &key_index))
		return -ENOMEM;
	value.value_case = OTLP__VALUE__VALUE_INT_VALUE;
	value.int_value = number;
	return add_attribute(t, key_index, &value, ret);
}

/* One attribute as the list of a message. */
static int set_list(struct otlp_tables *t, int32_t attribute, int32_t **ret_list, size_t *ret_count)
{
	int32_t *list = arena_alloc(t->arena, sizeof(*list));

	if (!list)
		return -ENOMEM;
	*list = attribute;
	*ret_list = list;
	*ret_count = 1;
	return 0;
}

static int add_mapping(struct otlp_tables *t, const struct binary *b,
		       const struct binary_segment *segment)
{
	Otlp__Mapping *m = OTLP_NEW(t->arena, Otlp__Mapping, otlp__mapping__init);
	const struct build_id *id = binary_build_id(b);
	char text[BUILD_ID_HEX_MAX];
	int32_t attribute;

	if (!m || otlp_tables_string(t, binary_path(b), &m->filename_strindex))
		return -ENOMEM;
	if (segment) {
		m->memory_start = segment->vaddr;
		m->memory_limit = segment->vaddr + segment->memory_bytes;
		m->file_offset = segment->offset;
	}
	if (id->length &&
	    (otlp_tables_text(t, binary_has_build_id(b) ? OTLP_BUILD_ID : OTLP_BUILD_HASH,
			      build_id_format(id, text), &attribute) ||
	     set_list(t, attribute, &m->attribute_indices, &m->n_attribute_indices)))
		return -ENOMEM;
	return table_add(&t->mappings, m);
}

static int add_binary(struct otlp_tables *t, uint32_t index)
{
	const struct binary *b = t->w->binaries[index];
	size_t count;
	const struct binary_segment *segments = binary_segments(b, &count);
	int err = 0;

	t->mapping_base[index] = (uint32_t)t->mappings.count;
	for (size_t i = 0; i < count && !err; i++)
		if (segments[i].executable)
			err = add_mapping(t, b, &segments[i]);
	if (!err && t->mapping_base[index] == t->mappings.count)
		err = add_mapping(t, b, NULL);
	return err;
}

/* The mapping of a frame: that of the segment which holds the address, else the binary's first. */
static int32_t mapping_of(const struct otlp_tables *t, const struct window_frame *f)
{
	uint32_t base = t->mapping_base[f->binary];
	uint32_t end = f->binary + 1 < t->w->binary_count ? t->mapping_base[f->binary + 1]
							  : (uint32_t)t->mappings.count;

	for (uint32_t i = base; i < end; i++) {
		const Otlp__Mapping *m = t->mappings.items[i];

		if (f->addr >= m->memory_start && f->addr < m->memory_limit)
			return (int32_t)i;
	}
	return (int32_t)base;
}

static int function_of(struct otlp_tables *t, uint32_t name, int32_t *ret)
{
	if (!t->function_map[name]) {
		Otlp__Function *f = OTLP_NEW(t->arena, Otlp__Function, otlp__function__init);

		if (!f || otlp_tables_window_string(t, name, &f->name_strindex))
			return -ENOMEM;
		f->system_name_strindex = f->name_strindex;
		t->function_map[name] = (uint32_t)t->functions.count;
		if (table_add(&t->functions, f))
			return -ENOMEM;
	}
	*ret = (int32_t)t->function_map[name];
	return 0;
}

static const char *frame_type(uint32_t flags)
{
	if (flags & FRAME_MARKER)
		return OTLP_FRAME_MARKER;
	if (flags & FRAME_KERNEL)
		return OTLP_FRAME_KERNEL;
	return flags & FRAME_JIT ? OTLP_FRAME_JIT : OTLP_FRAME_NATIVE;
}

static int set_line(struct otlp_tables *t, uint32_t name, Otlp__Location *l)
{
	Otlp__Line *line = OTLP_NEW(t->arena, Otlp__Line, otlp__line__init);

	l->lines = arena_alloc(t->arena, sizeof(*l->lines));
	if (!line || !l->lines)
		return -ENOMEM;
	l->lines[0] = line;
	l->n_lines = 1;
	return function_of(t, name, &line->function_index);
}

static int build_locations(struct otlp_tables *t)
{
	const struct window *w = t->w;

	t->locations = arena_array(t->arena, w->frame_count + 1u, sizeof(*t->locations));
	if (!t->locations)
		return -ENOMEM;
	for (uint32_t i = 0; i <= w->frame_count; i++) {
		Otlp__Location *l = OTLP_NEW(t->arena, Otlp__Location, otlp__location__init);
		const struct window_frame *f = i ? &w->frames[i - 1] : NULL;
		int32_t type;

		t->locations[i] = l;
		if (!l)
			return -ENOMEM;
		if (!f)
			continue;
		l->address = f->addr;
		l->mapping_index = mapping_of(t, f);
		if (otlp_tables_text(t, OTLP_FRAME_TYPE, frame_type(f->flags), &type) ||
		    set_list(t, type, &l->attribute_indices, &l->n_attribute_indices) ||
		    (f->name && set_line(t, f->name, l)))
			return -ENOMEM;
	}
	return 0;
}

static int build_stacks(struct otlp_tables *t)
{
	const struct window *w = t->w;
	int32_t *indices = arena_array(t->arena, w->stack_frame_count + 1u, sizeof(*indices));

	t->stacks = arena_array(t->arena, w->stack_count + 1u, sizeof(*t->stacks));
	if (!indices || !t->stacks)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->stack_frame_count; i++)
		indices[i] = (int32_t)w->stack_frames[i] + 1;
	for (uint32_t i = 0; i <= w->stack_count; i++) {
		Otlp__Stack *s = OTLP_NEW(t->arena, Otlp__Stack, otlp__stack__init);

		t->stacks[i] = s;
		if (!s)
			return -ENOMEM;
		if (!i)
			continue;
		s->location_indices = indices + w->stacks[i - 1].first;
		s->n_location_indices = w->stacks[i - 1].count;
	}
	return 0;
}

int otlp_tables_build(struct otlp_tables *t)
{
	int err = 0;

	for (uint32_t i = 0; i < t->w->binary_count && !err; i++)
		err = add_binary(t, i);
	if (!err)
		err = build_locations(t);
	return err ? err : build_stacks(t);
}

int otlp_tables_finish(struct otlp_tables *t, Otlp__Dictionary *d)
{
	size_t count = strpool_count(&t->strings);
	ProtobufCBinaryData *links = arena_array(t->arena, 1, sizeof(*links));
	char **strings = arena_array(t->arena, count, sizeof(*strings));

	if (!links || !strings)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		strings[i] = (char *)strpool_get(&t->strings, (uint32_t)i); /* only read */
	d->string_table = strings;
	d->n_string_table = count;
	d->link_table = links;
	d->n_link_table = 1;
	d->mapping_table = (Otlp__Mapping **)t->mappings.items;
	d->n_mapping_table = t->mappings.count;
	d->function_table = (Otlp__Function **)t->functions.items;
	d->n_function_table = t->functions.count;
	d->attribute_table = (Otlp__Attribute **)t->attributes.items;
	d->n_attribute_table = t->attributes.count;
	d->location_table = t->locations;
	d->n_location_table = t->w->frame_count + 1u;
	d->stack_table = t->stacks;
	d->n_stack_table = t->w->stack_count + 1u;
	return 0;
}
