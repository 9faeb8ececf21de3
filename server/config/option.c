// SPDX-License-Identifier: Apache-2.0
/*
 * Setting options from texts.
 */
#include "server/config/option.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/parse.h"

int config_wrong(struct config_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error->text, sizeof(error->text), format, args); /* cut if too long */
	va_end(args);
	error->is_wrong = true;
	return -EINVAL;
}

static int no_memory(struct config_error *error)
{
	(void)config_wrong(error, "cannot read the configuration: out of memory");
	error->is_wrong = false;
	return -ENOMEM;
}

const char *config_text(struct config *c, const char *text)
{
	uint32_t id;

	return strpool_add(&c->texts, text, &id) ? NULL : strpool_get(&c->texts, id);
}

static void *field_of(const struct option_spec *o, struct config *c)
{
	return (char *)c + o->offset;
}

/* --- the kinds of values ----------------------------------------------------------------------- */

int option_set_text(const struct option_spec *o, const char *name, const char *text,
		    struct config *c)
{
	const char *copy = config_text(c, text);

	(void)name;
	if (!copy)
		return -ENOMEM;
	*(const char **)field_of(o, c) = copy;
	return 0;
}

int option_set_number(const struct option_spec *o, const char *name, const char *text,
		      struct config *c)
{
	(void)name;
	return parse_u32_range(text, (uint32_t)o->least, (uint32_t)o->most, field_of(o, c))
		       ? -EINVAL
		       : 0;
}

static int set_within(const struct option_spec *o, uint64_t value, struct config *c)
{
	if (value < o->least || value > o->most)
		return -EINVAL;
	*(uint64_t *)field_of(o, c) = value;
	return 0;
}

int option_set_size(const struct option_spec *o, const char *name, const char *text,
		    struct config *c)
{
	uint64_t bytes;

	(void)name;
	return parse_size(text, &bytes) ? -EINVAL : set_within(o, bytes, c);
}

int option_set_time(const struct option_spec *o, const char *name, const char *text,
		    struct config *c)
{
	uint64_t time_ns;

	(void)name;
	return parse_duration(text, &time_ns) ? -EINVAL : set_within(o, time_ns, c);
}

int option_set_switch(const struct option_spec *o, const char *name, const char *text,
		      struct config *c)
{
	static const char *const words[2][4] = {{"0", "false", "no", "off"},
						{"1", "true", "yes", "on"}};

	(void)name;
	for (size_t i = 0; i < 8; i++) {
		if (!strcmp(text, words[i / 4][i % 4])) {
			*(bool *)field_of(o, c) = i / 4;
			return 0;
		}
	}
	return -EINVAL;
}

int option_set_item(const struct option_spec *o, const char *name, const char *text,
		    struct config *c)
{
	struct config_items *list = field_of(o, c);
	struct config_item item = {.value = config_text(c, text)};
	uint32_t at = list->count;

	if (name)
		item.name = config_text(c, name);
	if (!item.value || (name && !item.name))
		return -ENOMEM;
	for (uint32_t i = 0; name && i < list->count; i++)
		if (!strcmp(list->items[i].name, name))
			at = i;
	if (at == CONFIG_ITEMS_MAX)
		return -EINVAL;
	list->items[at] = item;
	if (at == list->count)
		list->count++;
	return 0;
}

/* --- finding ----------------------------------------------------------------------------------- */

const char *option_key(const struct option_spec *o)
{
	return o->key ? o->key : o->name;
}

static bool same_key(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '_' && *b == '-'))
			return false;
	return *a == *b;
}

const struct option_spec *option_find(const char *key)
{
	for (size_t i = 0; i < option_count; i++)
		if (!option_table[i].not_in_file && same_key(key, option_key(&option_table[i])))
			return &option_table[i];
	return NULL;
}

/* Levenshtein's distance of short texts; anything longer is far away. */
static size_t distance(const char *a, const char *b)
{
	enum { SHORT = 32 };
	size_t row[SHORT + 1];
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);

	if (a_length > SHORT || b_length > SHORT)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t replace = diagonal + (a[i - 1] != b[j - 1]);
			size_t either = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = replace < either ? replace : either;
		}
	}
	return row[b_length];
}

const char *option_resembling(const char *key)
{
	const char *best = NULL;
	size_t least = strlen(key) / 3 + 1;

	for (size_t i = 0; i < option_count; i++) {
		const char *candidate = option_key(&option_table[i]);
		size_t d = option_table[i].not_in_file ? SIZE_MAX : distance(key, candidate);

		if (d < least + !best) {
			best = candidate;
			least = d;
		}
	}
	return best;
}

/* --- applying ---------------------------------------------------------------------------------- */

static int bad_value(const struct option_spec *o, const struct option_value *v,
		     struct config_error *error)
{
	return config_wrong(error, "bad value '%.128s%s%.256s' for %s: expected %s",
			    v->name ? v->name : "", v->name ? "=" : "", v->text, v->from,
			    o->expected);
}

int option_apply(struct config *c, const struct option_spec *o, const struct option_value *v,
		 struct config_error *error)
{
	struct config_origin *origin = &c->origins[o - option_table];

	if (o->shape == OPTION_LIST && v->source > origin->source)
		((struct config_items *)field_of(o, c))->count = 0;

	int err = o->set(o, v->name, v->text, c);
	const char *text = err ? NULL : config_text(c, v->text);

	if (err == -EINVAL)
		return bad_value(o, v, error);
	if (!text)
		return no_memory(error);
	*origin = (struct config_origin){.source = v->source, .line = v->line, .text = text};
	return 0;
}

static int apply_item(struct config *c, const struct option_spec *o, struct option_value v,
		      char *item, struct config_error *error)
{
	char *equals = o->shape == OPTION_MAP ? strchr(item, '=') : NULL;

	v.text = item;
	if (o->shape == OPTION_MAP) {
		if (!equals)
			return bad_value(o, &v, error);
		*equals = '\0';
		v.name = item;
		v.text = equals + 1;
	}
	return option_apply(c, o, &v, error);
}

int option_apply_joined(struct config *c, const struct option_spec *o, const struct option_value *v,
			struct config_error *error)
{
	if (o->shape == OPTION_ONE)
		return option_apply(c, o, v, error);

	auto_free char *copy = strdup(v->text);
	char *rest = copy;
	char *item;

	if (!copy)
		return no_memory(error);
	/* One flag is one item: a comma may be part of it. */
	if (v->source == CONFIG_FLAG)
		return apply_item(c, o, *v, copy, error);
	while ((item = strsep(&rest, ","))) {
		int err = *item ? apply_item(c, o, *v, item, error) : 0;

		if (err)
			return err;
	}
	return 0;
}
