/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every index of a request, before anything is made of it. Index 0 means "none" and is fine in an empty table too.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/fleet/otlp_import.h"

int otlp_malformed(struct otlp_result *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!*r->reason)
		(void)vsnprintf(r->reason, sizeof(r->reason), format, args); /* cut */
	va_end(args);
	return -EBADMSG;
}

void otlp_reject(struct otlp_result *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!*r->reason)
		(void)vsnprintf(r->reason, sizeof(r->reason), format, args); /* cut */
	va_end(args);
	r->rejected++;
}

/* Whether @index, of the field @what, is one of a table of @count. */
static bool check(int32_t index, size_t count, const char *what, struct otlp_result *r)
{
	if (!index || (index > 0 && (size_t)index < count))
		return true;
	(void)otlp_malformed(r, "%s %d is out of range: the table has %zu entries", what, index,
			     count);
	return false;
}

static bool check_list(const int32_t *list, size_t length, size_t count, const char *what,
		       struct otlp_result *r)
{
	for (size_t i = 0; i < length; i++)
		if (!check(list[i], count, what, r))
			return false;
	return true;
}

static bool check_attributes(const int32_t *list, size_t length, const Otlp__Dictionary *d,
			     struct otlp_result *r)
{
	return check_list(list, length, d->n_attribute_table, "attribute index", r);
}

static bool check_value(const Otlp__Value *v, const Otlp__Dictionary *d, struct otlp_result *r)
{
	return !v || v->value_case != OTLP__VALUE__VALUE_STRING_VALUE_STRINDEX ||
	       check(v->string_value_strindex, d->n_string_table, "string index of a value", r);
}

static bool check_mappings(const Otlp__Dictionary *d, struct otlp_result *r)
{
	for (size_t i = 0; i < d->n_mapping_table; i++) {
		const Otlp__Mapping *m = d->mapping_table[i];

		if (!check(m->filename_strindex, d->n_string_table, "file name of a mapping", r) ||
		    !check_attributes(m->attribute_indices, m->n_attribute_indices, d, r))
			return false;
	}
	return true;
}

static bool check_functions(const Otlp__Dictionary *d, struct otlp_result *r)
{
	for (size_t i = 0; i < d->n_function_table; i++) {
		const Otlp__Function *f = d->function_table[i];

		if (!check(f->name_strindex, d->n_string_table, "name of a function", r) ||
		    !check(f->system_name_strindex, d->n_string_table, "name of a function", r) ||
		    !check(f->filename_strindex, d->n_string_table, "file name of a function", r))
			return false;
	}
	return true;
}

static bool check_locations(const Otlp__Dictionary *d, struct otlp_result *r)
{
	for (size_t i = 0; i < d->n_location_table; i++) {
		const Otlp__Location *l = d->location_table[i];

		if (!check(l->mapping_index, d->n_mapping_table, "mapping index", r) ||
		    !check_attributes(l->attribute_indices, l->n_attribute_indices, d, r))
			return false;
		for (size_t k = 0; k < l->n_lines; k++)
			if (!check(l->lines[k]->function_index, d->n_function_table,
				   "function index", r))
				return false;
	}
	return true;
}

static bool check_dictionary(const Otlp__Dictionary *d, struct otlp_result *r)
{
	for (size_t i = 0; i < d->n_attribute_table; i++)
		if (!check(d->attribute_table[i]->key_strindex, d->n_string_table,
			   "key of an attribute", r) ||
		    !check_value(d->attribute_table[i]->value, d, r))
			return false;
	for (size_t i = 0; i < d->n_stack_table; i++)
		if (!check_list(d->stack_table[i]->location_indices,
				d->stack_table[i]->n_location_indices, d->n_location_table,
				"location index", r))
			return false;
	return check_mappings(d, r) && check_functions(d, r) && check_locations(d, r);
}

static bool check_sample(const Otlp__Sample *s, const Otlp__Dictionary *d, struct otlp_result *r)
{
	if (!check(s->stack_index, d->n_stack_table, "stack index", r) ||
	    !check(s->link_index, d->n_link_table, "link index", r) ||
	    !check_attributes(s->attribute_indices, s->n_attribute_indices, d, r))
		return false;
	if (!s->n_values && !s->n_timestamps_unix_nano) {
		(void)otlp_malformed(r, "a sample has neither values nor timestamps");
		return false;
	}
	if (s->n_values && s->n_timestamps_unix_nano && s->n_values != s->n_timestamps_unix_nano) {
		(void)otlp_malformed(r, "a sample has %zu values and %zu timestamps", s->n_values,
				     s->n_timestamps_unix_nano);
		return false;
	}
	if (s->n_values > 1 && !s->n_timestamps_unix_nano) {
		(void)otlp_malformed(r, "a sample has %zu values and no timestamps", s->n_values);
		return false;
	}
	for (size_t i = 0; i < s->n_values; i++)
		if (s->values[i] < 0) {
			(void)otlp_malformed(r, "a sample has the value %lld",
					     (long long)s->values[i]);
			return false;
		}
	return true;
}

static bool check_type(const Otlp__ValueType *t, const Otlp__Dictionary *d, struct otlp_result *r)
{
	return !t || (check(t->type_strindex, d->n_string_table, "name of a type", r) &&
		      check(t->unit_strindex, d->n_string_table, "unit of a type", r));
}

static bool check_profile(const Otlp__Profile *p, const Otlp__Dictionary *d, struct otlp_result *r)
{
	if (!check_type(p->sample_type, d, r) || !check_type(p->period_type, d, r) ||
	    !check_attributes(p->attribute_indices, p->n_attribute_indices, d, r))
		return false;
	if (p->profile_id.len && p->profile_id.len != OTLP_ID_BYTES) {
		(void)otlp_malformed(r, "a profile id of %zu bytes instead of 16",
				     p->profile_id.len);
		return false;
	}
	for (size_t i = 0; i < p->n_samples; i++)
		if (!check_sample(p->samples[i], d, r))
			return false;
	return true;
}

static bool check_resource(const Otlp__Resource *m, const Otlp__Dictionary *d,
			   struct otlp_result *r)
{
	for (size_t i = 0; m && i < m->n_attributes; i++)
		if (!check(m->attributes[i]->key_strindex, d->n_string_table,
			   "key of a resource's attribute", r) ||
		    !check_value(m->attributes[i]->value, d, r))
			return false;
	return true;
}

int otlp_check(const Otlp__Request *request, const Otlp__Dictionary *d, struct otlp_result *r)
{
	if (!check_dictionary(d, r))
		return -EBADMSG;
	for (size_t i = 0; i < request->n_resource_profiles; i++) {
		const Otlp__ResourceProfiles *resource = request->resource_profiles[i];

		if (!check_resource(resource->resource, d, r))
			return -EBADMSG;
		for (size_t k = 0; k < resource->n_scope_profiles; k++)
			for (size_t p = 0; p < resource->scope_profiles[k]->n_profiles; p++)
				if (!check_profile(resource->scope_profiles[k]->profiles[p], d, r))
					return -EBADMSG;
	}
	return 0;
}
