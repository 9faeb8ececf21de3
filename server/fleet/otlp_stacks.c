/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locations and stacks of a request as frames and stacks of a window, each once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "server/fleet/otlp_import.h"
#include "server/fleet/otlp_names.h"

static const char *type_of(const Otlp__Dictionary *d, const Otlp__Location *l)
{
	for (size_t i = 0; i < l->n_attribute_indices; i++) {
		int32_t index = l->attribute_indices[i];
		const Otlp__Value *v = index ? d->attribute_table[index]->value : NULL;

		if (strcmp(otlp_attribute_key(d, index), OTLP_FRAME_TYPE) != 0 || !v)
			continue;
		if (v->value_case == OTLP__VALUE__VALUE_STRING_VALUE)
			return v->string_value;
		if (v->value_case == OTLP__VALUE__VALUE_STRING_VALUE_STRINDEX)
			return otlp_text(d, v->string_value_strindex);
	}
	return "";
}

static uint32_t flags_of(const char *type)
{
	static const char *const native[] = {"", OTLP_FRAME_NATIVE, "go", "rust"};

	if (!strcmp(type, OTLP_FRAME_KERNEL))
		return FRAME_KERNEL;
	if (!strcmp(type, OTLP_FRAME_MARKER))
		return FRAME_MARKER;
	for (size_t i = 0; i < ARRAY_SIZE(native); i++)
		if (!strcmp(type, native[i]))
			return 0;
	return FRAME_JIT; /* of a language with a runtime of its own */
}

/* Name of a line; 0 if it has none. */
static int line_name(struct otlp_import *m, struct otlp_group *g, const Otlp__Line *line,
		     uint32_t *ret)
{
	const Otlp__Function *f =
		line->function_index ? m->d->function_table[line->function_index] : NULL;
	const char *name = f ? otlp_text(m->d, f->name_strindex) : "";

	if (f && !*name)
		name = otlp_text(m->d, f->system_name_strindex);
	if (strlen(name) < OTLP_TEXT_MAX)
		return window_builder_string(&g->builder, name, ret);

	auto_free char *start = strndup(name, OTLP_TEXT_MAX - 1);

	return start ? window_builder_string(&g->builder, start, ret) : -ENOMEM;
}

static int add_frame(struct otlp_group *g, const struct window_frame *frame)
{
	if (array_reserve((void **)&g->frames, &g->frame_capacity, g->frame_count + 1,
			  sizeof(*g->frames)))
		return -ENOMEM;

	int err = window_builder_frame(&g->builder, frame, &g->frames[g->frame_count]);

	g->frame_count += !err;
	return err;
}

/* The frames of a location: one, or one for each named line. */
static int make_location(struct otlp_import *m, struct otlp_group *g, int32_t index)
{
	const Otlp__Location *l = m->d->location_table[index];
	const struct otlp_place *place = l->mapping_index ? &m->places[l->mapping_index] : NULL;
	struct window_frame frame = {.addr = l->address, .flags = flags_of(type_of(m->d, l))};
	size_t lines = l->n_lines < OTLP_LINES_MAX ? l->n_lines : OTLP_LINES_MAX;
	size_t first = g->frame_count;
	struct binary *binary = m->binaries[place ? place->binary : m->binary_count];
	int err = window_builder_binary(&g->builder, binary, &frame.binary);

	if (place && l->address >= place->address)
		frame.addr = l->address - place->address + place->vaddr;
	for (size_t i = 0; i < lines && !err; i++) {
		err = line_name(m, g, l->lines[i], &frame.name);
		if (!err && frame.name)
			err = add_frame(g, &frame);
	}
	if (!err && g->frame_count == first) {
		frame.name = 0;
		err = add_frame(g, &frame);
	}
	if (err)
		return err;
	g->location_first[index] = (uint32_t)first;
	g->location_count[index] = (uint32_t)(g->frame_count - first);
	return 0;
}

/* A location that is none stands for code that nobody knows. */
static int make_unknown(struct otlp_import *m, struct otlp_group *g)
{
	struct window_frame frame = {0};
	size_t first = g->frame_count;
	int err = window_builder_binary(&g->builder, m->binaries[m->binary_count], &frame.binary);

	if (!err)
		err = add_frame(g, &frame);
	if (err)
		return err;
	g->location_first[0] = (uint32_t)first;
	g->location_count[0] = 1;
	return 0;
}

static int make_stack(struct otlp_import *m, struct otlp_group *g, int32_t index,
		      enum stack_verdict verdict, uint32_t *ret)
{
	const Otlp__Stack *s = index ? m->d->stack_table[index] : NULL;
	uint32_t frames[OTLP_STACK_FRAMES_MAX];
	size_t count = 0;

	for (size_t i = 0; s && i < s->n_location_indices; i++) {
		int32_t location = s->location_indices[i];

		if (!g->location_count[location]) {
			int err = location ? make_location(m, g, location) : make_unknown(m, g);

			if (err)
				return err;
		}
		for (uint32_t k = 0; k < g->location_count[location]; k++) {
			if (count == ARRAY_SIZE(frames)) {
				verdict = verdict == STACK_FAILED ? STACK_FAILED : STACK_TRUNCATED;
				return window_builder_stack(&g->builder, frames, count, verdict,
							    ret);
			}
			frames[count++] = g->frames[g->location_first[location] + k];
		}
	}
	return window_builder_stack(&g->builder, frames, count, verdict, ret);
}

int otlp_import_stack(struct otlp_import *m, struct otlp_group *g, int32_t stack,
		      enum stack_verdict verdict, uint32_t *ret)
{
	uint32_t *known = &g->stacks[verdict][stack];

	if (!*known) {
		int err = make_stack(m, g, stack, verdict, ret);

		if (err)
			return err;
		*known = *ret + 1;
	}
	*ret = *known - 1;
	return 0;
}
