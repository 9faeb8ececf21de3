/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Naming the frames of a profile, binary by binary, each address once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "server/query/profile.h"
#include "server/query/profile_index.h"

#define NO_BINARY	UINT32_MAX
#define TEXT_CACHE_SIZE 4096u /* a power of two */

DEFINE_CLEANUP(symfile_unref, struct symfile *)

/* Strings of a symbol file keep their place: most are interned without being read again. */
struct text_cache {
	const char *text;
	uint32_t id;
};

struct naming {
	struct profile *p;
	uint64_t *heat;	   /* per binary: samples that have a frame in it, once per frame */
	uint32_t *order;   /* frames, grouped by binary */
	uint32_t *starts;  /* per binary: its first place in order; one more at the end */
	uint32_t *by_heat; /* binaries, hottest first */
	struct text_cache *texts;
};

static void naming_release(struct naming *n)
{
	free(n->heat);
	free(n->order);
	free(n->starts);
	free(n->by_heat);
	free(n->texts);
}

static void measure_heat(struct naming *n)
{
	const struct profile *p = n->p;

	for (size_t i = 0; i < p->sample_count; i++) {
		const struct profile_stack *stack = &p->stacks[p->samples[i].stack];

		for (uint32_t j = 0; j < stack->count; j++) {
			uint32_t frame = p->stack_frames[stack->first + j];

			n->heat[p->frames[frame].binary] += p->samples[i].count;
		}
	}
}

static int compare_heat(const void *a, const void *b, void *arg)
{
	const uint64_t *heat = arg;
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	if (heat[x] != heat[y])
		return heat[x] > heat[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Counting sort of the frames by binary. */
static void group_frames(struct naming *n)
{
	const struct profile *p = n->p;

	for (size_t i = 0; i < p->frame_count; i++)
		n->starts[p->frames[i].binary + 1]++;
	for (size_t i = 0; i < p->binary_count; i++)
		n->starts[i + 1] += n->starts[i];
	for (size_t i = p->frame_count; i-- > 0;) {
		/* Filled from the back of each group, with the next group's start as the cursor. */
		uint32_t binary = p->frames[i].binary;

		n->order[--n->starts[binary + 1]] = (uint32_t)i;
	}
	/* Each cursor stands on its own group's start now, one place too far up: shift them back. */
	for (size_t i = 0; i < p->binary_count; i++)
		n->starts[i] = n->starts[i + 1];
	n->starts[p->binary_count] = (uint32_t)p->frame_count;
}

static int naming_prepare(struct naming *n)
{
	const struct profile *p = n->p;
	size_t binaries = p->binary_count;

	n->heat = calloc(binaries + 1, sizeof(*n->heat));
	n->order = calloc(p->frame_count + 1, sizeof(*n->order));
	n->starts = calloc(binaries + 2, sizeof(*n->starts));
	n->by_heat = calloc(binaries + 1, sizeof(*n->by_heat));
	n->texts = calloc(TEXT_CACHE_SIZE, sizeof(*n->texts));
	if (!n->heat || !n->order || !n->starts || !n->by_heat || !n->texts)
		return -ENOMEM;

	measure_heat(n);
	group_frames(n);
	for (size_t i = 0; i < binaries; i++)
		n->by_heat[i] = (uint32_t)i;
	qsort_r(n->by_heat, binaries, sizeof(*n->by_heat), compare_heat, n->heat);
	return 0;
}

static int intern(struct naming *n, const char *text, uint32_t *ret)
{
	if (!text || !*text) {
		*ret = 0;
		return 0;
	}

	struct text_cache *slot =
		&n->texts[((uintptr_t)text * 0x9e3779b97f4a7c15ull >> 40) & (TEXT_CACHE_SIZE - 1)];

	if (slot->text == text) {
		*ret = slot->id;
		return 0;
	}

	int err = strpool_add(&n->p->strings, text, ret);

	if (!err)
		*slot = (struct text_cache){text, *ret};
	return err;
}

static bool same_function(const struct profile_function *a, const struct profile_function *b)
{
	return a->name == b->name && a->system_name == b->system_name && a->file == b->file &&
	       a->start_line == b->start_line && a->binary == b->binary && a->kind == b->kind &&
	       a->resolved == b->resolved;
}

static int add_function(struct profile *p, const struct profile_function *f, uint32_t *ret)
{
	struct profile_index *x = p->index;
	uint64_t hash = hash_combine(hash_combine((uint64_t)f->name << 32 | f->system_name,
						  (uint64_t)f->file << 32 | f->start_line),
				     (uint64_t)f->binary << 32 | f->kind);

	for (struct idmap_probe at = idmap_find(&x->functions, hash); at.found;
	     idmap_next(&x->functions, &at))
		if (same_function(&p->functions[at.id], f)) {
			*ret = at.id;
			return 0;
		}

	if (array_reserve((void **)&p->functions, &x->function_capacity, p->function_count + 1,
			  sizeof(*p->functions)) ||
	    idmap_insert(&x->functions, hash, (uint32_t)p->function_count))
		return -ENOMEM;
	*ret = (uint32_t)p->function_count;
	p->functions[p->function_count++] = *f;
	return 0;
}

static int add_line(struct profile *p, struct profile_frame *frame,
		    const struct profile_function *function, struct profile_line line)
{
	int err = add_function(p, function, &line.function);

	if (err)
		return err;
	if (array_reserve((void **)&p->lines, &p->index->line_capacity, p->line_count + 1,
			  sizeof(*p->lines)))
		return -ENOMEM;
	if (!frame->line_count)
		frame->line_first = (uint32_t)p->line_count;
	p->lines[p->line_count++] = line;
	frame->line_count++;
	return 0;
}

static enum frame_kind kind_of(const struct profile *p, const struct profile_frame *frame)
{
	enum binary_kind kind = binary_kind(p->binaries[frame->binary]);

	if (frame->flags & FRAME_MARKER)
		return KIND_MARKER;
	if (frame->flags & FRAME_KERNEL || kind == BINARY_KERNEL)
		return KIND_KERNEL;
	if (frame->flags & FRAME_JIT || kind == BINARY_ANON)
		return KIND_JIT;
	return KIND_NATIVE;
}

/* "[libfoo.so]", the name of what could not be resolved. */
static int unresolved_name(struct profile *p, const struct binary *b, uint32_t *ret)
{
	const char *name = binary_basename(b);
	auto_free char *text = NULL;

	if (!*name)
		name = "[unknown]";
	if (*name == '[')
		return strpool_add(&p->strings, name, ret);
	if (asprintf(&text, "[%s]", name) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return strpool_add(&p->strings, text, ret);
}

static int name_unresolved(struct profile *p, struct profile_frame *frame)
{
	struct profile_function f = {.binary = frame->binary, .kind = kind_of(p, frame)};
	int err = unresolved_name(p, p->binaries[frame->binary], &f.name);

	if (err)
		return err;
	f.system_name = f.name;
	return add_line(p, frame, &f, (struct profile_line){0});
}

/* A name that was fixed when the window closed: kernel, JIT, marker. */
static int name_fixed(struct profile *p, struct profile_frame *frame)
{
	enum frame_kind kind = kind_of(p, frame);
	struct profile_function f = {
		.name = frame->name,
		.system_name = frame->name,
		.binary = kind == KIND_MARKER ? NO_BINARY : frame->binary,
		.kind = kind,
		.resolved = true,
	};

	return add_line(p, frame, &f, (struct profile_line){0});
}

static int name_one(struct naming *n, struct profile_frame *frame, const struct symfile_frame *s)
{
	struct profile *p = n->p;
	struct profile_function f = {.binary = frame->binary, .start_line = s->start_line};
	struct profile_line line = {.line = s->line, .column = s->column};
	int err = intern(n, s->function, &f.name);

	f.resolved = f.name != 0;
	f.kind = s->inlined ? KIND_INLINED : kind_of(p, frame);
	if (!err && !f.resolved)
		err = unresolved_name(p, p->binaries[frame->binary], &f.name);
	if (!err)
		err = intern(n, s->system_name, &f.system_name);
	if (!f.system_name)
		f.system_name = f.name;
	if (!err)
		err = intern(n, s->file, &f.file);
	return err ? err : add_line(p, frame, &f, line);
}

static int name_frame(struct naming *n, struct profile_frame *frame, const struct symfile *symbols,
		      struct symfile_frame *chain)
{
	if (frame->name)
		return name_fixed(n->p, frame);

	size_t count = symbols ? symfile_lookup(symbols, frame->addr, chain, SYMFILE_CHAIN_MAX) : 0;

	if (!count)
		return name_unresolved(n->p, frame);
	for (size_t i = 0; i < count; i++) {
		int err = name_one(n, frame, &chain[i]);

		if (err)
			return err;
	}
	return 0;
}

static int name_binary(struct naming *n, uint32_t binary, const struct symfile *symbols)
{
	auto_free struct symfile_frame *chain = calloc(SYMFILE_CHAIN_MAX, sizeof(*chain));

	if (!chain)
		return -ENOMEM;
	for (uint32_t i = n->starts[binary]; i < n->starts[binary + 1]; i++) {
		int err = name_frame(n, &n->p->frames[n->order[i]], symbols, chain);

		if (err)
			return err;
	}
	return profile_check_limit(n->p);
}

/* Each asking moves a binary to the head of the queue: coldest first leaves the hottest there. */
static void ask_for_all(const struct naming *n, struct symbolizer *symbolizer)
{
	for (size_t i = n->p->binary_count; i-- > 0;) {
		struct symfile *symbols = NULL;

		(void)symbolizer_get(symbolizer, n->p->binaries[n->by_heat[i]], 0,
				     &symbols); /* later */
		symfile_unref(symbols);
	}
}

int profile_prefetch(struct profile *p, struct symbolizer *symbolizer)
{
	CLEANUP(naming_release) struct naming n = {.p = p};
	int err = naming_prepare(&n);

	for (size_t i = 0; !err && i < p->binary_count; i++) {
		uint32_t binary = n.by_heat[i];

		err = symbolizer_want(symbolizer, p->binaries[binary]);
		symbolizer_heat(symbolizer, p->binaries[binary], n.heat[binary]);
	}
	return err;
}

int profile_symbolize(struct profile *p, struct symbolizer *symbolizer, uint64_t deadline_ns)
{
	CLEANUP(naming_release) struct naming n = {.p = p};
	int err = naming_prepare(&n);

	/* All are asked for before the first is waited for, so that workers run meanwhile. */
	if (!err && symbolizer)
		ask_for_all(&n, symbolizer);

	for (size_t i = 0; !err && i < p->binary_count; i++) {
		CLEANUP(symfile_unrefp) struct symfile *symbols = NULL;
		uint32_t binary = n.by_heat[i];

		if (symbolizer)
			(void)symbolizer_get(symbolizer, p->binaries[binary], deadline_ns,
					     &symbols); /* without a file the frames get [names] */
		memset(n.texts, 0, TEXT_CACHE_SIZE * sizeof(*n.texts)); /* the file may go */
		err = name_binary(&n, binary, symbols);
	}
	return err;
}
