/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings: one per (build id, offset, size), which is one per executable segment that was hit. Addresses are those
 * of the file's own address space, so that equal code is equal on every host and in every process.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/encode/pprof.h"

#define PAGE_BYTES 4096ull
/* Where kernels live: the upper half, from the lowest 64-bit kernel base there is (arm64 with 52-bit addresses). */
#define KERNEL_START 0xfff0000000000000ull
#define USER_LIMIT   0x0100000000000000ull
#define VDSO_LIMIT   0x10000ull

/* What mappings are sorted by. */
struct pprof_heat {
	uint32_t mapping;
	bool executable; /* a program, no library */
	uint64_t samples;
};

static const struct binary_segment *find_segment(const struct binary *b, uint64_t addr,
						 size_t *ret_index)
{
	size_t count;
	const struct binary_segment *segments = binary_segments(b, &count);

	for (size_t i = 0; i < count; i++)
		if (segments[i].executable && addr >= segments[i].vaddr &&
		    addr - segments[i].vaddr < segments[i].memory_bytes) {
			*ret_index = i;
			return &segments[i];
		}
	*ret_index = count;
	return NULL;
}

static void set_range(Pprof__Mapping *m, const struct binary *b, const struct binary_segment *s)
{
	m->memory_limit = USER_LIMIT;
	if (s) {
		uint64_t skew = s->vaddr % PAGE_BYTES;

		m->memory_start = s->vaddr - skew;
		m->memory_limit = (s->vaddr + s->memory_bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
		m->file_offset = s->offset >= skew ? s->offset - skew : s->offset;
	} else if (binary_kind(b) == BINARY_KERNEL) {
		m->memory_start = KERNEL_START;
		m->memory_limit = UINT64_MAX;
	} else if (binary_kind(b) == BINARY_VDSO) {
		m->memory_limit = VDSO_LIMIT;
	}
}

static int add_mapping(struct pprof *b, const struct binary *binary, const struct binary_segment *s)
{
	Pprof__Mapping *m = &b->mappings[b->mapping_count++];
	char text[BUILD_ID_HEX_MAX];
	const char *path = binary_path(binary);

	pprof__mapping__init(m);
	set_range(m, binary, s);
	if (binary_has_build_id(binary) &&
	    pprof_string(b, build_id_format(binary_build_id(binary), text), &m->build_id))
		return -ENOMEM;
	return pprof_string(b, *path ? path : "[unknown]", &m->filename);
}

/* A claim holds as soon as one frame shows that the work was done. */
static void claim(Pprof__Mapping *m, const struct profile *p, const struct profile_frame *frame)
{
	for (uint32_t i = 0; i < frame->line_count; i++) {
		const struct profile_line *line = &p->lines[frame->line_first + i];
		const struct profile_function *f = &p->functions[line->function];

		m->has_functions |= f->resolved;
		m->has_filenames |= f->file != 0;
		m->has_line_numbers |= line->line != 0;
	}
	/* Lines come from DWARF, and whoever read it for lines read the inline chains. */
	m->has_inline_frames = m->has_line_numbers;
}

static bool is_program(const struct binary *b)
{
	return binary_kind(b) == BINARY_ELF && !strstr(binary_basename(b), ".so");
}

static int place_frame(struct pprof *b, uint32_t id, uint64_t samples)
{
	const struct profile *p = b->p;
	const struct profile_frame *frame = &p->frames[id];
	struct binary *binary = p->binaries[frame->binary];
	size_t index;

	if (frame->flags & FRAME_MARKER)
		return 0;

	const struct binary_segment *segment = find_segment(binary, frame->addr, &index);
	uint32_t *slot = &b->mapping_slots[b->slot_starts[frame->binary] + index];

	if (!*slot) {
		int err = add_mapping(b, binary, segment);

		if (err)
			return err;
		*slot = (uint32_t)b->mapping_count;
		b->heat[*slot - 1] = (struct pprof_heat){
			.mapping = *slot - 1,
			.executable = is_program(binary),
		};
	}
	claim(&b->mappings[*slot - 1], p, frame);
	b->heat[*slot - 1].samples += samples;
	b->locations[id].mapping_id = *slot;
	return 0;
}

static int compare_heat(const void *a, const void *b)
{
	const struct pprof_heat *x = a;
	const struct pprof_heat *y = b;

	if (x->executable != y->executable)
		return x->executable ? -1 : 1;
	if (x->samples != y->samples)
		return x->samples > y->samples ? -1 : 1;
	return x->mapping < y->mapping ? -1 : x->mapping > y->mapping;
}

/* Sorts, then numbers the mappings and carries the new numbers over to the locations. */
static int order_mappings(struct pprof *b)
{
	uint32_t *ids = calloc(b->mapping_count + 1, sizeof(*ids));
	Pprof__Mapping *sorted = calloc(b->mapping_count + 1, sizeof(*sorted));

	if (!ids || !sorted) {
		free(ids);
		free(sorted);
		return -ENOMEM;
	}
	qsort(b->heat, b->mapping_count, sizeof(*b->heat), compare_heat);
	for (size_t i = 0; i < b->mapping_count; i++) {
		sorted[i] = b->mappings[b->heat[i].mapping];
		sorted[i].id = i + 1;
		ids[b->heat[i].mapping + 1] = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < b->p->frame_count; i++)
		b->locations[i].mapping_id = ids[b->locations[i].mapping_id];
	free(b->mappings);
	b->mappings = sorted;
	free(ids);
	return 0;
}

static int allocate(struct pprof *b)
{
	const struct profile *p = b->p;
	size_t slots = 0;

	b->slot_starts = calloc(p->binary_count + 1, sizeof(*b->slot_starts));
	if (!b->slot_starts)
		return -ENOMEM;
	for (size_t i = 0; i < p->binary_count; i++) {
		size_t count = 0;

		(void)binary_segments(p->binaries[i], &count); /* only how many */
		b->slot_starts[i] = (uint32_t)slots;
		slots += count + 1;
	}
	b->mapping_slots = calloc(slots + 1, sizeof(*b->mapping_slots));
	b->mappings = calloc(slots + 1, sizeof(*b->mappings));
	b->heat = calloc(slots + 1, sizeof(*b->heat));
	return b->mapping_slots && b->mappings && b->heat ? 0 : -ENOMEM;
}

int pprof_build_mappings(struct pprof *b)
{
	const struct profile *p = b->p;
	uint64_t *samples = calloc(p->frame_count + 1, sizeof(*samples));
	int err = samples ? allocate(b) : -ENOMEM;

	for (size_t i = 0; !err && i < p->sample_count; i++) {
		const struct profile_stack *stack = &p->stacks[p->samples[i].stack];

		for (uint32_t j = 0; j < stack->count; j++)
			samples[p->stack_frames[stack->first + j]] += p->samples[i].count;
	}
	for (size_t i = 0; !err && i < p->frame_count; i++)
		err = place_frame(b, (uint32_t)i, samples[i]);
	free(samples);
	return err ? err : order_mappings(b);
}
