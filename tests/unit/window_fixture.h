/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows by hand, for tests of what reads them, and a symbolizer that knows their addresses.
 *
 *	"main"	       a native frame of /bin/app
 *	"lib:work"     a native frame of /lib/libwork.so
 *	"lib:outer<in" the same with "in" inlined into "outer"
 *	"lib:?"	       a frame that nobody can name
 *	"k:read"       a kernel frame, "j:Foo" a JIT frame, "m:cut short" a marker
 *
 * Everything is sized for small tests; overflow fails an assertion. Include it once per test program: it defines
 * the symbolizer's functions that profiles use, in place of the real ones.
 */
#ifndef HEARTH_TESTS_WINDOW_FIXTURE_H
#define HEARTH_TESTS_WINDOW_FIXTURE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "profiler/window.h"
#include "symbolizer/symbolizer.h"

#define FIXTURE_MAX    4096
#define FIXTURE_PERIOD (10 * NS_PER_MS)

/* --- names behind addresses -------------------------------------------------------------------- */

static char *fixture_names[FIXTURE_MAX];
static uint32_t fixture_name_count;

static inline uint64_t fixture_address(const char *name)
{
	for (uint32_t i = 0; i < fixture_name_count; i++)
		if (!strcmp(fixture_names[i], name))
			return 0x1000 + 16 * i;
	assert(fixture_name_count < FIXTURE_MAX);
	fixture_names[fixture_name_count] = strdup(name);
	return 0x1000 + 16 * fixture_name_count++;
}

/* --- the symbolizer ---------------------------------------------------------------------------- */

static uint64_t fixture_waited_until_ns;
static unsigned int fixture_got;

enum symbol_state symbolizer_get(struct symbolizer *s, struct binary *b, uint64_t deadline_ns,
				 struct symfile **ret)
{
	(void)s;
	(void)b;
	fixture_got++;
	fixture_waited_until_ns = deadline_ns;
	*ret = (struct symfile *)fixture_names; /* only has to be something */
	return SYMBOLS_FULL;
}

static unsigned int fixture_wanted;
static uint64_t fixture_heat;

int symbolizer_want(struct symbolizer *s, struct binary *b)
{
	(void)s;
	(void)b;
	fixture_wanted++;
	return 0;
}

void symbolizer_heat(struct symbolizer *s, const struct binary *b, uint64_t samples)
{
	(void)s;
	(void)b;
	fixture_heat += samples;
}

void symfile_unref(struct symfile *f)
{
	(void)f;
}

/* "lib:outer<in" at line 10 of lib.c, with "in" of line 20. */
size_t symfile_lookup(const struct symfile *f, uint64_t addr, struct symfile_frame *chain,
		      size_t chain_size)
{
	static char parts[FIXTURE_MAX][2][64];
	uint64_t index = (addr - 0x1000) / 16;
	const char *name =
		addr >= 0x1000 && index < fixture_name_count ? fixture_names[index] : "?";
	size_t count = 0;

	(void)f;
	assert(chain_size >= 2);
	if (!strncmp(name, "lib:", 4))
		name += 4;
	if (!strcmp(name, "?"))
		return 0;

	const char *inner = strchr(name, '<');
	int length = inner ? (int)(inner - name) : (int)strlen(name);

	snprintf(parts[index][0], sizeof(parts[index][0]), "%.*s", length, name);
	if (inner) {
		snprintf(parts[index][1], sizeof(parts[index][1]), "%s", inner + 1);
		chain[count++] = (struct symfile_frame){.function = parts[index][1],
							.system_name = "_Zinner",
							.file = "/src/in.h",
							.line = 25,
							.start_line = 20,
							.inlined = true};
	}
	chain[count++] = (struct symfile_frame){
		.function = parts[index][0], .file = "/src/app.c", .line = (uint32_t)index + 100};
	return count;
}

/* --- windows ------------------------------------------------------------------------------------ */

struct fixture {
	struct window w;
	struct binary *binaries[4]; /* app, lib, kernel, jit */
};

static inline void fixture_init(struct fixture *f, uint64_t start_ns, uint64_t end_ns)
{
	static const enum binary_kind kinds[] = {BINARY_ELF, BINARY_ELF, BINARY_KERNEL,
						 BINARY_ANON};
	static const char *const paths[] = {"/bin/app", "/lib/libwork.so", "[kernel.kallsyms]",
					    "[anon]"};
	struct window *w = &f->w;

	*w = (struct window){.wall_start_ns = start_ns,
			     .wall_end_ns = end_ns,
			     .period_ns = FIXTURE_PERIOD,
			     .ref_count = 1000000}; /* never freed by unref */
	w->binaries = calloc(4, sizeof(*w->binaries));
	w->frames = calloc(FIXTURE_MAX, sizeof(*w->frames));
	w->stack_frames = calloc(FIXTURE_MAX * 4, sizeof(*w->stack_frames));
	w->stacks = calloc(FIXTURE_MAX, sizeof(*w->stacks));
	w->labels = calloc(FIXTURE_MAX, sizeof(*w->labels));
	w->label_sets = calloc(FIXTURE_MAX, sizeof(*w->label_sets));
	w->samples = calloc(FIXTURE_MAX, sizeof(*w->samples));
	for (int i = 0; i < 4; i++) {
		int err = binary_create_special(kinds[i], paths[i], &f->binaries[i]);

		assert(!err);
		(void)err;
		w->binaries[i] = f->binaries[i];
	}
	w->binary_count = 4;
}

static inline void fixture_release(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		binary_unref(f->binaries[i]);
	strpool_release(&f->w.strings);
	free(f->w.binaries);
	free(f->w.frames);
	free(f->w.stack_frames);
	free(f->w.stacks);
	free(f->w.labels);
	free(f->w.label_sets);
	free(f->w.samples);
}

/* The window as a counted one, exactly as large as it has to be; the fixture is empty afterwards. */
static inline struct window *fixture_take(struct fixture *f)
{
	struct window *w = calloc(1, sizeof(*w));

	*w = f->w;
	w->ref_count = 1;
	w->frames = realloc(w->frames, (w->frame_count + 1) * sizeof(*w->frames));
	w->stack_frames =
		realloc(w->stack_frames, (w->stack_frame_count + 1) * sizeof(*w->stack_frames));
	w->stacks = realloc(w->stacks, (w->stack_count + 1) * sizeof(*w->stacks));
	w->labels = realloc(w->labels, (w->label_count + 1) * sizeof(*w->labels));
	w->label_sets = realloc(w->label_sets, (w->label_set_count + 1) * sizeof(*w->label_sets));
	w->samples = realloc(w->samples, (w->sample_count + 1) * sizeof(*w->samples));
	*f = (struct fixture){0}; /* the window has the references to the binaries now */
	return w;
}

static inline uint32_t fixture_string(struct fixture *f, const char *text)
{
	uint32_t id = 0;
	int err = strpool_add(&f->w.strings, text, &id);

	assert(!err);
	(void)err;
	return id;
}

static inline uint32_t fixture_frame(struct fixture *f, const char *name)
{
	struct window_frame frame = {.addr = fixture_address(name)};

	if (!strncmp(name, "k:", 2))
		frame = (struct window_frame){frame.addr, 2, fixture_string(f, name + 2),
					      FRAME_KERNEL};
	else if (!strncmp(name, "j:", 2))
		frame = (struct window_frame){frame.addr, 3, fixture_string(f, name + 2),
					      FRAME_JIT};
	else if (!strncmp(name, "m:", 2))
		frame = (struct window_frame){0, 0, fixture_string(f, name + 2), FRAME_MARKER};
	else if (!strncmp(name, "lib:", 4))
		frame.binary = 1;

	for (uint32_t i = 0; i < f->w.frame_count; i++)
		if (!memcmp(&f->w.frames[i], &frame, sizeof(frame)))
			return i;
	assert(f->w.frame_count < FIXTURE_MAX);
	f->w.frames[f->w.frame_count] = frame;
	return f->w.frame_count++;
}

/* @frames: "root;...;leaf". */
static inline uint32_t fixture_stack(struct fixture *f, const char *frames)
{
	char *copy = strdup(frames);
	uint32_t ids[256];
	uint16_t count = 0;

	for (char *name = strtok(copy, ";"); name; name = strtok(NULL, ";"))
		ids[count++] = fixture_frame(f, name);
	free(copy);
	f->w.stacks[f->w.stack_count] =
		(struct window_stack){.first = f->w.stack_frame_count, .count = count};
	for (uint16_t i = count; i-- > 0;)
		f->w.stack_frames[f->w.stack_frame_count++] = ids[i];
	return f->w.stack_count++;
}

/* @pairs: "comm=a,pid=1", in the order of the names. */
static inline uint32_t fixture_labels(struct fixture *f, const char *pairs)
{
	struct window_label_set *set = &f->w.label_sets[f->w.label_set_count];
	char *copy = strdup(pairs);

	*set = (struct window_label_set){.first = f->w.label_count};
	for (char *pair = strtok(copy, ","); pair; pair = strtok(NULL, ",")) {
		char *equals = strchr(pair, '=');

		*equals = '\0';
		f->w.labels[f->w.label_count++] = (struct window_label){
			fixture_string(f, pair), fixture_string(f, equals + 1)};
		set->count++;
	}
	free(copy);
	return f->w.label_set_count++;
}

/* @count samples at the same moment after the start. */
static inline void fixture_samples(struct fixture *f, uint64_t after_ns, uint32_t stack,
				   uint32_t labels, int count)
{
	for (int i = 0; i < count; i++) {
		assert(f->w.sample_count < FIXTURE_MAX);
		f->w.samples[f->w.sample_count++] = (struct window_sample){
			.time_us = (uint32_t)(after_ns / NS_PER_US),
			.stack = stack,
			.labels = labels,
			.weight = 1,
		};
	}
}

#endif
