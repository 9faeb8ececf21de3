/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/pprof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "server/encode/encode.h"
#include "server/encode/gzip.h"
#include "server/query/names.h"
#include "version.h"

#define GZIP_LEVEL   5
#define COMMENTS_MAX 4

static void pprof_release(struct pprof *b)
{
	strpool_release(&b->strings);
	idmap_release(&b->function_ids);
	free(b->string_map);
	free(b->function_map);
	free(b->mappings);
	free(b->mapping_slots);
	free(b->slot_starts);
	free(b->heat);
	free(b->functions);
	free(b->locations);
	free(b->lines);
	free(b->line_refs);
	free(b->location_ids);
	free(b->labels);
	free(b->label_refs);
	free(b->label_lists);
	free(b->samples);
	free(b->values);
}

int pprof_string(struct pprof *b, const char *text, int64_t *ret)
{
	uint32_t id;
	int err = utf8_add_clean(&b->strings, text, &id);

	if (!err)
		*ret = id;
	return err;
}

int pprof_profile_string(struct pprof *b, uint32_t id, int64_t *ret)
{
	if (!b->string_map[id]) {
		int64_t mapped;
		int err = pprof_string(b, strpool_get(&b->p->strings, id), &mapped);

		if (err)
			return err;
		b->string_map[id] = (uint32_t)mapped + 1;
	}
	*ret = b->string_map[id] - 1;
	return 0;
}

static int allocate(struct pprof *b)
{
	const struct profile *p = b->p;

	b->string_map = calloc(strpool_count(&p->strings) + 1u, sizeof(*b->string_map));
	b->function_map = calloc(p->function_count + 1, sizeof(*b->function_map));
	b->functions = calloc(p->function_count + 1, sizeof(*b->functions));
	b->locations = calloc(p->frame_count + 1, sizeof(*b->locations));
	b->lines = calloc(p->line_count + 1, sizeof(*b->lines));
	b->line_refs = calloc(p->line_count + 1, sizeof(*b->line_refs));
	b->location_ids = calloc(p->stack_frame_count + 1, sizeof(*b->location_ids));
	b->labels = calloc(p->label_pair_count + 1, sizeof(*b->labels));
	b->label_refs = calloc(p->label_pair_count + 1, sizeof(Pprof__Label *));
	b->label_lists = calloc(p->label_set_count + 1, sizeof(*b->label_lists));
	b->samples = calloc(p->sample_count + 1, sizeof(*b->samples));
	b->values = calloc(2 * (p->sample_count + 1), sizeof(*b->values));
	return b->string_map && b->function_map && b->functions && b->locations && b->lines &&
			       b->line_refs && b->location_ids && b->labels && b->label_refs &&
			       b->label_lists && b->samples && b->values
		       ? 0
		       : -ENOMEM;
}

/* Functions of the profile differ by binary and kind as well; here the same source is the same function. */
static int intern_function(struct pprof *b, const Pprof__Function *f, uint32_t *ret)
{
	uint64_t hash = hash_combine((uint64_t)f->name << 32 | (uint32_t)f->system_name,
				     (uint64_t)f->filename << 32 | (uint32_t)f->start_line);

	for (struct idmap_probe at = idmap_find(&b->function_ids, hash); at.found;
	     idmap_next(&b->function_ids, &at)) {
		const Pprof__Function *other = &b->functions[at.id];

		if (other->name == f->name && other->system_name == f->system_name &&
		    other->filename == f->filename && other->start_line == f->start_line) {
			*ret = at.id;
			return 0;
		}
	}

	*ret = (uint32_t)b->function_count;
	b->functions[b->function_count] = *f;
	b->functions[b->function_count].id = b->function_count + 1;
	return idmap_insert(&b->function_ids, hash, (uint32_t)b->function_count++);
}

static int build_functions(struct pprof *b)
{
	const struct profile *p = b->p;

	for (size_t i = 0; i < p->function_count; i++) {
		const struct profile_function *from = &p->functions[i];
		Pprof__Function f = PPROF__FUNCTION__INIT;

		f.start_line = from->start_line;
		if (pprof_profile_string(b, from->name, &f.name) ||
		    pprof_profile_string(b, from->system_name, &f.system_name) ||
		    pprof_profile_string(b, from->file, &f.filename) ||
		    intern_function(b, &f, &b->function_map[i]))
			return -ENOMEM;
	}
	return 0;
}

static void build_locations(struct pprof *b)
{
	const struct profile *p = b->p;

	for (size_t i = 0; i < p->line_count; i++) {
		pprof__line__init(&b->lines[i]);
		b->lines[i].function_id = b->functions[b->function_map[p->lines[i].function]].id;
		b->lines[i].line = p->lines[i].line;
		b->lines[i].column = p->lines[i].column;
		b->line_refs[i] = &b->lines[i];
	}
	for (size_t i = 0; i < p->frame_count; i++) {
		Pprof__Location *location = &b->locations[i];

		pprof__location__init(location);
		location->id = i + 1;
		location->address = p->frames[i].flags & FRAME_MARKER ? 0 : p->frames[i].addr;
		location->line = b->line_refs + p->frames[i].line_first;
		location->n_line = p->frames[i].line_count;
	}
	for (size_t i = 0; i < p->stack_frame_count; i++)
		b->location_ids[i] = p->stack_frames[i] + 1u;
}

/* Numbers are numbers for readers, which select them by range; one that is none is left out. */
static int build_label(struct pprof *b, const struct profile_label *pair, Pprof__Label *label,
		       bool *ret_valid)
{
	const struct profile *p = b->p;
	const char *name = strpool_get(&p->strings, pair->name);
	uint64_t number = 0;

	pprof__label__init(label);
	*ret_valid = true;
	if (pprof_profile_string(b, pair->name, &label->key))
		return -ENOMEM;
	if (strcmp(name, "pid") != 0 && strcmp(name, "tid") != 0)
		return pprof_profile_string(b, pair->value, &label->str);

	*ret_valid = !parse_u64(strpool_get(&p->strings, pair->value), &number) && number &&
		     number <= INT64_MAX;
	label->num = (int64_t)number;
	return 0;
}

static int build_labels(struct pprof *b)
{
	const struct profile *p = b->p;

	for (size_t i = 0; i < p->label_set_count; i++) {
		const struct profile_label_set *set = &p->label_sets[i];
		struct pprof_label_list *list = &b->label_lists[i];

		list->labels = b->label_refs + set->first;
		for (uint32_t j = set->first; j < set->first + set->count; j++) {
			bool valid;
			int err = build_label(b, &p->label_pairs[j], &b->labels[j], &valid);

			if (err)
				return err;
			if (valid)
				list->labels[list->count++] = &b->labels[j];
		}
	}
	return 0;
}

static void build_samples(struct pprof *b)
{
	const struct profile *p = b->p;

	for (size_t i = 0; i < p->sample_count; i++) {
		const struct profile_sample *from = &p->samples[i];
		const struct profile_stack *stack = &p->stacks[from->stack];
		Pprof__Sample *sample = &b->samples[i];

		pprof__sample__init(sample);
		sample->location_id = b->location_ids + stack->first;
		sample->n_location_id = stack->count;
		sample->label = b->label_lists[from->labels].labels;
		sample->n_label = b->label_lists[from->labels].count;
		sample->value = b->values + 2 * i;
		sample->n_value = 2;
		sample->value[0] = (int64_t)from->count;
		sample->value[1] = (int64_t)from->cpu_ns;
	}
}

static int add_comment(struct pprof *b, Pprof__Profile *m, const char *text)
{
	int err = pprof_string(b, text, &m->comment[m->n_comment]);

	m->n_comment += !err;
	return err;
}

/* For people: who made this, of what, and how complete it is. */
static int build_comments(struct pprof *b, Pprof__Profile *m, const char *query)
{
	const struct profile *p = b->p;
	auto_buffer text = BUFFER_INIT;
	int err = add_comment(b, m, "Hearth " HEARTH_VERSION);

	if (!err && query && *query) {
		buffer_printf(&text, "query: %s", query);
		err = buffer_terminate(&text) ? add_comment(b, m, text.bytes) : text.error;
	}
	if (err)
		return err;

	buffer_clear(&text);
	buffer_puts(&text, "stacks:");
	for (int i = 0; i < STACK_VERDICT_COUNT; i++)
		buffer_printf(&text, " %s %llu", stack_verdict_name(i),
			      (unsigned long long)p->verdicts[i]);
	buffer_puts(&text, "; samples lost:");
	for (int i = 0; i < LOST_REASON_COUNT; i++)
		if (p->lost[i])
			buffer_printf(&text, " %s %llu", lost_reason_name(i),
				      (unsigned long long)p->lost[i]);
	if (text.length && text.bytes[text.length - 1] == ':')
		buffer_puts(&text, " none");
	return buffer_terminate(&text) ? add_comment(b, m, text.bytes) : text.error;
}

/* An array of pointers to the items of an array. */
#define POINTERS_TO(items, count)                                                   \
	({                                                                          \
		__typeof__(*(items)) **refs_ = calloc((count) + 1, sizeof(*refs_)); \
		for (size_t i_ = 0; refs_ && i_ < (count); i_++)                    \
			refs_[i_] = &(items)[i_];                                   \
		refs_;                                                              \
	})

static int pack(const Pprof__Profile *m, struct buffer *out)
{
	size_t bytes = pprof__profile__get_packed_size(m);
	auto_free uint8_t *packed = malloc(bytes + 1);

	if (!packed)
		return -ENOMEM;
	if (pprof__profile__pack(m, packed) != bytes)
		return -EIO;
	return gzip_append(out, packed, bytes, GZIP_LEVEL);
}

/* Hangs everything below the root message and writes it. */
static int finish(struct pprof *b, Pprof__Profile *m, struct buffer *out)
{
	const struct profile *p = b->p;
	size_t string_count = strpool_count(&b->strings);
	auto_free char **strings = calloc(string_count + 1, sizeof(*strings));
	auto_free Pprof__Sample **samples = POINTERS_TO(b->samples, p->sample_count);
	auto_free Pprof__Mapping **mappings = POINTERS_TO(b->mappings, b->mapping_count);
	auto_free Pprof__Location **locations = POINTERS_TO(b->locations, p->frame_count);
	auto_free Pprof__Function **functions = POINTERS_TO(b->functions, b->function_count);

	if (!strings || !samples || !mappings || !locations || !functions)
		return -ENOMEM;
	for (size_t i = 0; i < string_count; i++)
		strings[i] = (char *)strpool_get(&b->strings, (uint32_t)i); /* only read */

	m->string_table = strings;
	m->n_string_table = string_count;
	m->sample = samples;
	m->n_sample = p->sample_count;
	m->mapping = mappings;
	m->n_mapping = b->mapping_count;
	m->location = locations;
	m->n_location = p->frame_count;
	m->function = functions;
	m->n_function = b->function_count;
	return pack(m, out);
}

static int build(struct pprof *b)
{
	int err = allocate(b);

	if (!err)
		err = build_functions(b);
	if (err)
		return err;
	build_locations(b);
	err = pprof_build_mappings(b);
	if (!err)
		err = build_labels(b);
	if (!err)
		build_samples(b);
	return err;
}

int encode_pprof(const struct profile *p, const struct encode_options *options, struct buffer *out)
{
	CLEANUP(pprof_release) struct pprof b = {.p = p};
	Pprof__ValueType count = PPROF__VALUE_TYPE__INIT;
	Pprof__ValueType cpu = PPROF__VALUE_TYPE__INIT;
	Pprof__ValueType *types[] = {&count, &cpu};
	int64_t comments[COMMENTS_MAX];
	Pprof__Profile m = PPROF__PROFILE__INIT;
	int err = build(&b);

	if (err)
		return err;
	if (pprof_string(&b, "samples", &count.type) || pprof_string(&b, "count", &count.unit) ||
	    pprof_string(&b, "cpu", &cpu.type) || pprof_string(&b, "nanoseconds", &cpu.unit))
		return -ENOMEM;

	m.sample_type = types;
	m.n_sample_type = ARRAY_SIZE(types);
	m.period_type = &cpu;
	m.period = (int64_t)p->period_ns;
	m.default_sample_type = cpu.type;
	m.time_nanos = (int64_t)p->wall_from_ns;
	m.duration_nanos = (int64_t)(p->wall_to_ns - p->wall_from_ns);
	m.comment = comments;
	err = build_comments(&b, &m, options->query);
	return err ? err : finish(&b, &m, out);
}
