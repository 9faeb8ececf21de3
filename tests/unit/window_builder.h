/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows by hand, for tests of what reads them. Frames are named by text:
 *
 *	"main"     a native frame of the builder's current binary; its address is found again by frame_address()
 *	"k:read"   a kernel frame with that name
 *	"j:Foo"    a JIT frame
 *	"m:cut"    a marker
 *
 * Everything is sized for small tests; overflow fails an assertion.
 */
#ifndef HEARTH_TESTS_WINDOW_BUILDER_H
#define HEARTH_TESTS_WINDOW_BUILDER_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "profiler/window.h"

#define BUILDER_MAX 4096

struct window_builder {
	struct window w;
	struct binary *app;
	struct binary *kernel;
	struct binary *jit;
};

/* Addresses stand for names: the test's symbolizer turns them back. */
static const char *builder_names[BUILDER_MAX];
static uint32_t builder_name_count;

static inline uint64_t frame_address(const char *name)
{
	for (uint32_t i = 0; i < builder_name_count; i++)
		if (!strcmp(builder_names[i], name))
			return 0x1000 + 16 * i;
	assert(builder_name_count < BUILDER_MAX);
	builder_names[builder_name_count] = name;
	return 0x1000 + 16 * builder_name_count++;
}

static inline const char *frame_name_at(uint64_t addr)
{
	uint64_t index = (addr - 0x1000) / 16;

	return addr >= 0x1000 && index < builder_name_count ? builder_names[index] : NULL;
}

static inline uint32_t builder_binary(struct window_builder *b, struct binary *binary)
{
	for (uint32_t i = 0; i < b->w.binary_count; i++)
		if (b->w.binaries[i] == binary)
			return i;
	b->w.binaries[b->w.binary_count] = binary_ref(binary);
	return b->w.binary_count++;
}

static inline void builder_init(struct window_builder *b, uint64_t start_ns, uint64_t end_ns)
{
	*b = (struct window_builder){
		.w = {.wall_start_ns = start_ns, .wall_end_ns = end_ns, .period_ns = 10000000},
	};
	b->w.binaries = calloc(64, sizeof(*b->w.binaries));
	b->w.frames = calloc(BUILDER_MAX, sizeof(*b->w.frames));
	b->w.stack_frames = calloc(BUILDER_MAX * 4, sizeof(*b->w.stack_frames));
	b->w.stacks = calloc(BUILDER_MAX, sizeof(*b->w.stacks));
	b->w.labels = calloc(BUILDER_MAX, sizeof(*b->w.labels));
	b->w.label_sets = calloc(BUILDER_MAX, sizeof(*b->w.label_sets));
	b->w.samples = calloc(BUILDER_MAX, sizeof(*b->w.samples));
	assert(!binary_create_special(BINARY_ELF, "/bin/app", &b->app));
	assert(!binary_create_special(BINARY_KERNEL, "[kernel.kallsyms]", &b->kernel));
	assert(!binary_create_special(BINARY_ANON, "[anon]", &b->jit));
}

static inline void builder_release(struct window_builder *b)
{
	for (uint32_t i = 0; i < b->w.binary_count; i++)
		binary_unref(b->w.binaries[i]);
	strpool_release(&b->w.strings);
	free(b->w.binaries);
	free(b->w.frames);
	free(b->w.stack_frames);
	free(b->w.stacks);
	free(b->w.labels);
	free(b->w.label_sets);
	free(b->w.samples);
	binary_unref(b->app);
	binary_unref(b->kernel);
	binary_unref(b->jit);
}

static inline uint32_t builder_string(struct window_builder *b, const char *text)
{
	uint32_t id = 0;

	assert(!strpool_add(&b->w.strings, text, &id));
	return id;
}

static inline uint32_t builder_frame(struct window_builder *b, const char *name)
{
	struct window_frame f = {0};

	if (!strncmp(name, "k:", 2))
		f = (struct window_frame){frame_address(name), builder_binary(b, b->kernel),
					  builder_string(b, name + 2), FRAME_KERNEL};
	else if (!strncmp(name, "j:", 2))
		f = (struct window_frame){frame_address(name), builder_binary(b, b->jit),
					  builder_string(b, name + 2), FRAME_JIT};
	else if (!strncmp(name, "m:", 2))
		f = (struct window_frame){0, builder_binary(b, b->app), builder_string(b, name + 2),
					  FRAME_MARKER};
	else
		f = (struct window_frame){frame_address(name), builder_binary(b, b->app), 0, 0};

	for (uint32_t i = 0; i < b->w.frame_count; i++)
		if (!memcmp(&b->w.frames[i], &f, sizeof(f)))
			return i;
	assert(b->w.frame_count < BUILDER_MAX);
	b->w.frames[b->w.frame_count] = f;
	return b->w.frame_count++;
}

/* @frames: "root;...;leaf", borrowed for ever. */
static inline uint32_t builder_stack(struct window_builder *b, const char *frames)
{
	struct window_stack *s = &b->w.stacks[b->w.stack_count];
	char *copy = strdup(frames);
	char *names[64];
	uint16_t count = 0;

	for (char *name = strtok(copy, ";"); name; name = strtok(NULL, ";"))
		names[count++] = strdup(name); /* kept by frame_address(); tests end soon */
	*s = (struct window_stack){.first = b->w.stack_frame_count, .count = count};
	for (uint16_t i = count; i-- > 0;)
		b->w.stack_frames[b->w.stack_frame_count++] = builder_frame(b, names[i]);
	free(copy);
	return b->w.stack_count++;
}

/* @pairs: "comm=a,pid=1", in the order of the names. */
static inline uint32_t builder_labels(struct window_builder *b, const char *pairs)
{
	struct window_label_set *set = &b->w.label_sets[b->w.label_set_count];
	char *copy = strdup(pairs);

	*set = (struct window_label_set){.first = b->w.label_count};
	for (char *pair = strtok(copy, ","); pair; pair = strtok(NULL, ",")) {
		char *equals = strchr(pair, '=');

		*equals = '\0';
		b->w.labels[b->w.label_count++] = (struct window_label){
			builder_string(b, pair), builder_string(b, equals + 1)};
		set->count++;
	}
	free(copy);
	return b->w.label_set_count++;
}

static inline void builder_sample(struct window_builder *b, uint64_t after_ns, uint32_t stack,
				  uint32_t labels)
{
	assert(b->w.sample_count < BUILDER_MAX);
	b->w.samples[b->w.sample_count++] = (struct window_sample){
		.time_us = (uint32_t)(after_ns / NS_PER_US),
		.stack = stack,
		.labels = labels,
		.weight = 1,
	};
}

#endif
