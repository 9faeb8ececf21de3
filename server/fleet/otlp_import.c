/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "server/fleet/otlp_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/fleet/otlp_names.h"
#include "server/query/names.h"

#define WEIGHT_MAX     ((uint64_t)UINT16_MAX << 10) /* of one value */
#define SPREAD_MAX     60u	  /* parts that a value without times is spread over */
#define LABEL_SETS_MAX (1u << 14) /* of a window: who makes more has a label that is none */

/* What one unit of a profile's values stands for. */
struct unit {
	bool is_time;	    /* values are CPU time, not samples */
	uint64_t period_ns; /* CPU time of one sample */
	uint64_t rest_ns;   /* CPU time that did not make a whole period yet */
};

/* A profile on its way. */
struct source {
	const Otlp__ResourceProfiles *resource;
	const Otlp__Profile *profile;
	struct unit unit;
	uint64_t start_ns, end_ns;
};

static const char *type_name(const struct otlp_import *m, const Otlp__ValueType *t)
{
	return t ? otlp_text(m->d, t->type_strindex) : "";
}

static const char *type_unit(const struct otlp_import *m, const Otlp__ValueType *t)
{
	return t ? otlp_text(m->d, t->unit_strindex) : "";
}

/* Whether a profile is one of CPU time, and of which unit. */
static bool read_unit(const struct otlp_import *m, const Otlp__Profile *p, struct unit *ret)
{
	const char *name = type_name(m, p->sample_type);
	const char *unit = type_unit(m, p->sample_type);
	bool has_period = !strcmp(type_unit(m, p->period_type), "nanoseconds") && p->period > 0 &&
			  (uint64_t)p->period <= NS_PER_S;

	*ret = (struct unit){.period_ns = has_period ? (uint64_t)p->period : 10 * NS_PER_MS};
	if (!strcmp(unit, "count") && (!strcmp(name, "samples") || !strcmp(name, "sample")))
		return has_period;
	ret->is_time = !strcmp(unit, "nanoseconds") && !strcmp(name, "cpu");
	return ret->is_time;
}

/* Whether the same samples come as a count too: then the CPU time would be a second copy of them. */
static bool is_counted_elsewhere(const struct otlp_import *m, const Otlp__ScopeProfiles *scope,
				 const Otlp__Profile *p)
{
	for (size_t i = 0; i < scope->n_profiles; i++) {
		struct unit unit;

		if (scope->profiles[i] != p && read_unit(m, scope->profiles[i], &unit) &&
		    !unit.is_time && scope->profiles[i]->time_unix_nano == p->time_unix_nano)
			return true;
	}
	return false;
}

/* From the first to the last moment of a profile. */
static void read_span(struct source *s)
{
	const Otlp__Profile *p = s->profile;
	uint64_t end_ns;

	s->start_ns = p->time_unix_nano ? p->time_unix_nano : UINT64_MAX;
	if (__builtin_add_overflow(p->time_unix_nano, p->duration_nano, &end_ns))
		end_ns = UINT64_MAX;
	s->end_ns = end_ns;
	for (size_t i = 0; i < p->n_samples; i++)
		for (size_t k = 0; k < p->samples[i]->n_timestamps_unix_nano; k++) {
			uint64_t time_ns = p->samples[i]->timestamps_unix_nano[k];

			if (time_ns < s->start_ns)
				s->start_ns = time_ns;
			if (time_ns >= s->end_ns)
				s->end_ns = time_ns == UINT64_MAX ? time_ns : time_ns + 1;
		}
	if (s->end_ns == s->start_ns)
		s->end_ns++;
}

static bool accept_span(struct otlp_import *m, const struct source *s)
{
	const struct otlp_options *o = m->options;

	if (s->start_ns == UINT64_MAX)
		otlp_reject(m->result, "a profile without a time");
	else if (s->end_ns - s->start_ns > OTLP_SPAN_MAX_NS)
		otlp_reject(m->result, "a profile of %llu s: at most an hour is taken",
			    (unsigned long long)((s->end_ns - s->start_ns) / NS_PER_S));
	else if (o->wall_now_ns && s->end_ns > o->wall_now_ns + OTLP_AHEAD_MAX_NS)
		otlp_reject(m->result, "a profile that ends %llu s from now: set the clock",
			    (unsigned long long)((s->end_ns - o->wall_now_ns) / NS_PER_S));
	else if (s->end_ns <= o->oldest_wall_ns)
		otlp_reject(m->result, "a profile that is older than what is kept");
	else
		return true;
	return false;
}

static int open_group(struct otlp_import *m, const struct source *s, struct otlp_group **ret)
{
	struct otlp_group *g = &m->groups[m->group_count];
	struct window_limits limits = window_limits_default;

	limits.label_sets = LABEL_SETS_MAX;
	*g = (struct otlp_group){
		.start_ns = s->start_ns,
		.end_ns = s->end_ns,
		.period_ns = s->unit.period_ns,
	};
	window_builder_init(&g->builder, &limits);
	window_builder_open(&g->builder, s->start_ns, s->start_ns, s->unit.period_ns);
	m->group_count++;
	g->location_first =
		arena_array(m->arena, m->d->n_location_table + 1, sizeof(*g->location_first));
	g->location_count =
		arena_array(m->arena, m->d->n_location_table + 1, sizeof(*g->location_count));
	for (int i = 0; i < STACK_VERDICT_COUNT; i++)
		g->stacks[i] =
			arena_array(m->arena, m->d->n_stack_table + 1, sizeof(*g->stacks[i]));
	*ret = g;
	return arena_error(m->arena);
}

/* The window that a profile goes into. @ret: NULL = there are too many. */
static int find_group(struct otlp_import *m, const struct source *s, struct otlp_group **ret)
{
	for (size_t i = 0; i < m->group_count; i++) {
		struct otlp_group *g = &m->groups[i];

		if (g->start_ns == s->start_ns && g->end_ns == s->end_ns &&
		    g->period_ns == s->unit.period_ns) {
			*ret = g;
			return 0;
		}
	}
	*ret = NULL;
	return m->group_count < OTLP_GROUPS_MAX ? open_group(m, s, ret) : 0;
}

static int push_sample(struct otlp_group *g, uint64_t time_ns, uint64_t weight,
		       struct window_sample sample)
{
	while (weight) {
		if (g->sample_count >= g->builder.limits.samples)
			return -ENOSPC;
		if (array_reserve((void **)&g->samples, &g->sample_capacity, g->sample_count + 1,
				  sizeof(*g->samples)))
			return -ENOMEM;
		sample.weight = weight > UINT16_MAX ? UINT16_MAX : (uint16_t)weight;
		weight -= sample.weight;
		g->samples[g->sample_count++] = (struct otlp_sample){time_ns, sample};
	}
	return 0;
}

/* A value as samples. What is left of CPU time goes into the next one, so that the sum is right. */
static uint64_t weigh(struct unit *unit, int64_t value)
{
	if (!unit->is_time)
		return (uint64_t)value;

	uint64_t time_ns = (uint64_t)value + unit->rest_ns;

	unit->rest_ns = time_ns % unit->period_ns;
	return time_ns / unit->period_ns;
}

/* Samples whose times are not known, spread evenly: a part a second, at most. */
static int spread(struct otlp_group *g, uint64_t weight, struct window_sample sample)
{
	uint64_t span_ns = g->end_ns - g->start_ns;
	uint64_t parts = span_ns / NS_PER_S;
	int err = 0;

	if (parts > SPREAD_MAX)
		parts = SPREAD_MAX;
	if (parts > weight)
		parts = weight;
	if (!parts)
		parts = 1;
	for (uint64_t i = 0; i < parts && !err; i++) {
		uint64_t part = weight * (i + 1) / parts - weight * i / parts;
		uint64_t time_ns = g->start_ns + span_ns / parts * i + span_ns / parts / 2;

		err = push_sample(g, time_ns, part, sample);
	}
	return err;
}

/* What is said of a sample beside its labels. */
static void read_attributes(const struct otlp_import *m, const Otlp__Sample *s,
			    struct window_sample *sample, enum stack_verdict *verdict)
{
	for (size_t i = 0; i < s->n_attribute_indices; i++) {
		const char *key = otlp_attribute_key(m->d, s->attribute_indices[i]);
		bool is_cpu = !strcmp(key, OTLP_CPU);
		char text[32];

		if (!is_cpu && strcmp(key, OTLP_VERDICT) != 0)
			continue;

		const Otlp__Value *v = m->d->attribute_table[s->attribute_indices[i]]->value;
		const char *value = otlp_value_text(m->d, v, text, sizeof(text));

		if (is_cpu && v && v->value_case == OTLP__VALUE__VALUE_INT_VALUE &&
		    v->int_value >= 0 && v->int_value <= UINT16_MAX)
			sample->cpu = (uint16_t)v->int_value;
		for (int k = 0; !is_cpu && value && k < STACK_VERDICT_COUNT; k++)
			if (!strcmp(value, stack_verdict_name(k)))
				*verdict = (enum stack_verdict)k;
	}
}

static int add_sample(struct otlp_import *m, struct otlp_group *g, struct source *source,
		      const Otlp__Sample *s)
{
	struct window_sample sample = {0};
	enum stack_verdict verdict = STACK_COMPLETE;
	int err = otlp_import_labels(m, g, source->resource, s, &sample.labels);

	read_attributes(m, s, &sample, &verdict);
	if (!err)
		err = otlp_import_stack(m, g, s->stack_index, verdict, &sample.stack);
	for (size_t i = 0; i < s->n_timestamps_unix_nano && !err; i++) {
		uint64_t weight = s->n_values ? weigh(&source->unit, s->values[i]) : 1;

		err = weight > WEIGHT_MAX
			      ? -ENOSPC
			      : push_sample(g, s->timestamps_unix_nano[i], weight, sample);
	}
	if (err || s->n_timestamps_unix_nano)
		return err;

	uint64_t weight = weigh(&source->unit, s->values[0]);

	return weight > WEIGHT_MAX ? -ENOSPC : spread(g, weight, sample);
}

static void add_losses(const struct otlp_import *m, struct otlp_group *g, const Otlp__Profile *p)
{
	for (size_t i = 0; m->own && i < p->n_attribute_indices; i++) {
		const char *key = otlp_attribute_key(m->d, p->attribute_indices[i]);

		if (strncmp(key, OTLP_LOST, strlen(OTLP_LOST)) != 0)
			continue;

		const Otlp__Value *v = m->d->attribute_table[p->attribute_indices[i]]->value;

		for (int k = 0; k < LOST_REASON_COUNT; k++)
			if (!strcmp(key + strlen(OTLP_LOST), lost_reason_name(k)) && v &&
			    v->value_case == OTLP__VALUE__VALUE_INT_VALUE && v->int_value > 0)
				g->builder.w.lost[k] += (uint64_t)v->int_value;
	}
}

static int add_profile(struct otlp_import *m, struct source *s, struct otlp_group *g)
{
	size_t before = g->sample_count;

	for (size_t i = 0; i < s->profile->n_samples; i++) {
		int err = add_sample(m, g, s, s->profile->samples[i]);

		if (err == -ENOSPC) {
			g->full = true;
			otlp_reject(m->result,
				    "a window with more samples, stacks or label sets than are "
				    "taken at once: %zu of %zu samples of a profile were kept",
				    i, s->profile->n_samples);
			break;
		}
		if (err)
			return err;
	}
	add_losses(m, g, s->profile);
	m->result->samples += g->sample_count - before;
	m->result->profiles++;
	return 0;
}

/* The profile's own id, or one made of the whole request. */
static struct otlp_id identify(const Otlp__Profile *p, const XXH128_hash_t *request,
			       uint64_t number)
{
	static const struct otlp_id none;
	struct otlp_id id = none;
	XXH128_canonical_t hash;

	if (p->profile_id.len == sizeof(id))
		memcpy(id.bytes, p->profile_id.data, sizeof(id));
	if (memcmp(&id, &none, sizeof(id)) != 0)
		return id;
	XXH128_canonicalFromHash(&hash, XXH3_128bits_withSeed(request, sizeof(*request), number));
	memcpy(id.bytes, &hash, sizeof(id));
	return id;
}

static int take_profile(struct otlp_import *m, const Otlp__ScopeProfiles *scope, struct source *s,
			const XXH128_hash_t *request, uint64_t number)
{
	struct otlp_group *g = NULL;
	struct otlp_id id = identify(s->profile, request, number);

	if (!read_unit(m, s->profile, &s->unit)) {
		otlp_reject(m->result,
			    "a profile of '%.32s' in '%.32s': only CPU samples with a period in "
			    "nanoseconds are taken",
			    type_name(m, s->profile->sample_type),
			    type_unit(m, s->profile->sample_type));
		return 0;
	}
	if (s->unit.is_time && is_counted_elsewhere(m, scope, s->profile))
		return 0;
	read_span(s);
	if (!accept_span(m, s))
		return 0;

	int err = m->options->claim ? m->options->claim(&id, m->options->arg) : 0;

	if (err == -EALREADY) {
		m->result->repeated++;
		return 0;
	}
	if (!err)
		err = find_group(m, s, &g);
	if (err)
		return err;
	if (!g || g->full) {
		otlp_reject(m->result, g ? "more samples than are taken at once"
					 : "profiles of more than 64 different times at once");
		return 0;
	}
	return add_profile(m, s, g);
}

int otlp_import_all(struct otlp_import *m, const void *bytes, size_t length)
{
	const Otlp__Request *request = m->request;
	XXH128_hash_t hash = XXH3_128bits(bytes, length);
	uint64_t number = 0;

	for (size_t i = 0; i < request->n_resource_profiles; i++) {
		const Otlp__ResourceProfiles *resource = request->resource_profiles[i];

		for (size_t k = 0; k < resource->n_scope_profiles; k++) {
			const Otlp__ScopeProfiles *scope = resource->scope_profiles[k];

			for (size_t p = 0; p < scope->n_profiles; p++) {
				struct source s = {
					.resource = resource,
					.profile = scope->profiles[p],
				};
				int err = take_profile(m, scope, &s, &hash, number++);

				if (err)
					return err;
			}
		}
	}
	return 0;
}

static int compare_times(const void *left, const void *right)
{
	const struct otlp_sample *a = left, *b = right;

	return a->time_ns < b->time_ns ? -1 : a->time_ns > b->time_ns;
}

static int finish_group(struct otlp_group *g, struct window **ret)
{
	int err = 0;

	if (g->sample_count)
		qsort(g->samples, g->sample_count, sizeof(*g->samples), compare_times);
	for (size_t i = 0; i < g->sample_count && !err; i++)
		err = window_builder_sample(&g->builder, g->samples[i].time_ns,
					    &g->samples[i].sample);
	return err ? err : window_builder_finish(&g->builder, g->end_ns, ret);
}

static int compare_starts(const void *left, const void *right)
{
	const struct window *a = *(struct window *const *)left;
	const struct window *b = *(struct window *const *)right;

	return a->wall_start_ns < b->wall_start_ns ? -1 : a->wall_start_ns > b->wall_start_ns;
}

int otlp_import_finish(struct otlp_import *m)
{
	struct otlp_result *r = m->result;

	r->windows = calloc(m->group_count + 1, sizeof(*r->windows));
	if (!r->windows)
		return -ENOMEM;
	for (size_t i = 0; i < m->group_count; i++) {
		int err = finish_group(&m->groups[i], &r->windows[r->window_count]);

		if (err)
			return err;
		r->window_count++;
	}
	qsort(r->windows, r->window_count, sizeof(struct window *), compare_starts);
	return 0;
}

void otlp_import_release(struct otlp_import *m)
{
	for (size_t i = 0; i < m->group_count; i++) {
		struct otlp_group *g = &m->groups[i];

		window_builder_release(&g->builder);
		idmap_release(&g->label_set_ids);
		free(g->label_sets);
		free(g->samples);
		free(g->frames);
	}
}
