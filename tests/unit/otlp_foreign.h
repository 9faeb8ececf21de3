/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as somebody else would send it, message by message, to be bent.
 */
#ifndef HEARTH_TESTS_OTLP_FOREIGN_H
#define HEARTH_TESTS_OTLP_FOREIGN_H

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "otlp.pb-c.h"
#include "server/fleet/otlp.h"
#include "server/fleet/otlp_names.h"

#define START  (1700000000 * NS_PER_S)
#define PERIOD 10101010u

/* A request of one sample, with every table, to be bent. */
struct foreign {
	Otlp__Request request;
	Otlp__Dictionary d;
	Otlp__ResourceProfiles resource;
	Otlp__ScopeProfiles scope;
	Otlp__Profile profile;
	Otlp__ValueType type, period;
	Otlp__Sample sample;
	Otlp__Mapping mapping[2];
	Otlp__Location location[2];
	Otlp__Function function[2];
	Otlp__Line line;
	Otlp__Stack stack[2];
	Otlp__Attribute attribute[2];
	Otlp__Value value;
	/* Pointers to them: */
	Otlp__ResourceProfiles *resources[1];
	Otlp__ScopeProfiles *scopes[1];
	Otlp__Profile *profiles[1];
	Otlp__Sample *samples[1];
	Otlp__Mapping *mappings[2];
	Otlp__Location *locations[2];
	Otlp__Function *functions[2];
	Otlp__Line *lines[1];
	Otlp__Stack *stacks[2];
	Otlp__Attribute *attributes[2];
	int32_t one[1], stack_list[1];
	int64_t values[1];
	char *strings[8];
};

static inline void foreign_init(struct foreign *f)
{
	static const char *const strings[] = {
		"", "samples", "count", "cpu", "nanoseconds", "main", "/opt/app", OTLP_BUILD_ID};

	memset(f, 0, sizeof(*f));
	otlp__request__init(&f->request);
	otlp__dictionary__init(&f->d);
	otlp__resource_profiles__init(&f->resource);
	otlp__scope_profiles__init(&f->scope);
	otlp__profile__init(&f->profile);
	otlp__value_type__init(&f->type);
	otlp__value_type__init(&f->period);
	otlp__sample__init(&f->sample);
	otlp__line__init(&f->line);
	otlp__value__init(&f->value);
	for (int i = 0; i < 2; i++) {
		otlp__mapping__init(&f->mapping[i]);
		otlp__location__init(&f->location[i]);
		otlp__function__init(&f->function[i]);
		otlp__stack__init(&f->stack[i]);
		otlp__attribute__init(&f->attribute[i]);
		f->mappings[i] = &f->mapping[i];
		f->locations[i] = &f->location[i];
		f->functions[i] = &f->function[i];
		f->stacks[i] = &f->stack[i];
		f->attributes[i] = &f->attribute[i];
	}
	memcpy(f->strings, strings, sizeof(strings));
	f->one[0] = f->stack_list[0] = 1;
	f->values[0] = 12;
	f->d.n_string_table = 8, f->d.string_table = f->strings;
	f->d.n_mapping_table = 2, f->d.mapping_table = f->mappings;
	f->d.n_location_table = 2, f->d.location_table = f->locations;
	f->d.n_function_table = 2, f->d.function_table = f->functions;
	f->d.n_stack_table = 2, f->d.stack_table = f->stacks;
	f->d.n_attribute_table = 2, f->d.attribute_table = f->attributes;
	f->value.value_case = OTLP__VALUE__VALUE_STRING_VALUE;
	f->value.string_value =
		(char *)"00112233445566778899aabbccddeeff00112233"; /* only read, like the strings */
	f->attribute[1].key_strindex = 7, f->attribute[1].value = &f->value;
	f->mapping[1].filename_strindex = 6;
	f->mapping[1].n_attribute_indices = 1, f->mapping[1].attribute_indices = f->one;
	f->function[1].name_strindex = 5;
	f->line.function_index = 1, f->lines[0] = &f->line;
	f->location[1].mapping_index = 1, f->location[1].address = 0x1234;
	f->stack[1].n_location_indices = 1, f->stack[1].location_indices = f->stack_list;
	f->type = (Otlp__ValueType){f->type.base, 1, 2};
	f->period = (Otlp__ValueType){f->period.base, 3, 4};
	f->sample.stack_index = 1, f->sample.n_values = 1, f->sample.values = f->values;
	f->samples[0] = &f->sample;
	f->profile.sample_type = &f->type, f->profile.period_type = &f->period;
	f->profile.period = PERIOD, f->profile.time_unix_nano = START;
	f->profile.duration_nano = 5 * NS_PER_S;
	f->profile.n_samples = 1, f->profile.samples = f->samples;
	f->profiles[0] = &f->profile;
	f->scope.n_profiles = 1, f->scope.profiles = f->profiles;
	f->scopes[0] = &f->scope;
	f->resource.n_scope_profiles = 1, f->resource.scope_profiles = f->scopes;
	f->resources[0] = &f->resource;
	f->request.n_resource_profiles = 1, f->request.resource_profiles = f->resources;
	f->request.dictionary = &f->d;
}

static inline int send(const struct foreign *f, struct otlp_result *r)
{
	struct otlp_options options = {.wall_now_ns = START + 60 * NS_PER_S,
				       .default_host = "peer"};
	size_t length = otlp__request__get_packed_size(&f->request);
	uint8_t *bytes = malloc(length + 1);

	otlp__request__pack(&f->request, bytes);

	int err = otlp_decode(bytes, length, &options, r);

	free(bytes);
	return err;
}

#endif
