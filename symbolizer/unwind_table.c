/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three steps: interpret every FDE into rows with the number of their rule; sort the FDEs; lay their rows out in
 * order, with gaps between them, as the image of the file.
 */
#include "symbolizer/unwind_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/idmap.h"
#include "symbolizer/unwind_elf.h"
#include "symbolizer/unwind_image.h"
#include "symbolizer/unwind_rule.h"

#define OVERLAPS_MAX	64 /* FDEs looked at behind one that may overlap them; more is no real file */
#define TRAMPOLINES_MAX 8 /* in one file; in practice 1 */

/** An FDE, its rows in builder.rows[first_row .. first_row + row_count). Addresses from builder.base on. */
struct fde {
	uint32_t start;
	uint32_t end;
	uint32_t first_row;
	uint32_t row_count;
	uint32_t rank; /* 0 .eh_frame, 1 .debug_frame, ... */
};

struct builder {
	const struct unwind_elf *elf;
	const struct unwind_arch *arch;
	uint64_t base; /* start of the first page of code */
	uint64_t end;  /* of code */
	uint32_t rank; /* of the section at hand */
	int error;     /* first failure; ends the work */
	struct cfi_stats stats;

	struct fde *fdes;
	size_t fde_count, fde_capacity;
	struct unwind_laid_row *rows;
	size_t row_count, row_capacity;

	struct unwind_rule *rules;
	size_t rule_count, rule_capacity;
	struct idmap rule_ids;

	struct unwind_laid_row *laid; /* rows in order, without gaps and repetitions */
	size_t laid_count, laid_capacity;
};

static void builder_release(struct builder *b)
{
	free(b->fdes);
	free(b->rows);
	free(b->rules);
	free(b->laid);
	idmap_release(&b->rule_ids);
}

/** Number of a rule. Past the limit every further one becomes an expression, which user space handles. */
static uint32_t rule_id(struct builder *b, const struct unwind_rule *rule)
{
	if (b->row_count && !memcmp(&b->rules[b->rows[b->row_count - 1].rule], rule, sizeof(*rule)))
		return b->rows[b->row_count - 1].rule;

	uint64_t hash = hash_bytes(rule, sizeof(*rule));

	for (struct idmap_probe p = idmap_find(&b->rule_ids, hash); p.found;
	     idmap_next(&b->rule_ids, &p))
		if (!memcmp(&b->rules[p.id], rule, sizeof(*rule)))
			return p.id;
	if (b->rule_count == UNWIND_TABLE_RULES_MAX)
		return 1;
	if (array_reserve((void **)&b->rules, &b->rule_capacity, b->rule_count + 1,
			  sizeof(*b->rules)) ||
	    idmap_insert(&b->rule_ids, hash, (uint32_t)b->rule_count)) {
		b->error = -ENOMEM;
		return 0;
	}
	b->rules[b->rule_count] = *rule;
	return (uint32_t)b->rule_count++;
}

static bool begin_fde(void *arg, uint64_t start, uint64_t end)
{
	struct builder *b = arg;
	const struct unwind_segment *s = unwind_elf_segment(b->elf, start);

	/* Discarded functions leave FDEs at 0 behind, and files may lie: only what is code counts. */
	if (b->error || !s)
		return false;
	if (end > s->end)
		end = s->end;
	if (array_reserve((void **)&b->fdes, &b->fde_capacity, b->fde_count + 1,
			  sizeof(*b->fdes))) {
		b->error = -ENOMEM;
		return false;
	}
	b->fdes[b->fde_count++] = (struct fde){
		.start = (uint32_t)(start - b->base),
		.end = (uint32_t)(end - b->base),
		.first_row = (uint32_t)b->row_count,
		.rank = b->rank,
	};
	return true;
}

static void take_row(void *arg, uint64_t start, const struct cfi_row *row)
{
	struct builder *b = arg;
	struct fde *fde = &b->fdes[b->fde_count - 1];
	uint64_t at = start - b->base;

	if (b->error || at >= fde->end)
		return;

	struct unwind_rule rule = b->arch->make(row);
	uint32_t id = rule_id(b, &rule);

	if (fde->row_count && b->rows[b->row_count - 1].rule == id)
		return;
	if (b->row_count == UNWIND_TABLE_ROWS_MAX) {
		b->error = -EFBIG;
		return;
	}
	if (array_reserve((void **)&b->rows, &b->row_capacity, b->row_count + 1,
			  sizeof(*b->rows))) {
		b->error = -ENOMEM;
		return;
	}
	b->rows[b->row_count++] = (struct unwind_laid_row){(uint32_t)at, id};
	fde->row_count++;
}

static void end_fde(void *arg, uint64_t end)
{
	struct builder *b = arg;
	struct fde *fde = &b->fdes[b->fde_count - 1];

	if (end - b->base < fde->end)
		fde->end = (uint32_t)(end - b->base);
	if (fde->start >= fde->end || !fde->row_count) {
		b->row_count = fde->first_row;
		b->fde_count--;
	}
}

static int compare_fdes(const void *a, const void *b)
{
	const struct fde *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->first_row < y->first_row ? -1 : x->first_row > y->first_row;
}

static void lay(struct builder *b, uint32_t at, uint32_t rule)
{
	if (b->laid_count && b->laid[b->laid_count - 1].at == at)
		b->laid_count--; /* nothing lies between: an end right before a start, or a start cut off */
	if (b->laid_count && b->laid[b->laid_count - 1].rule == rule)
		return;
	if (b->error)
		return;
	if (array_reserve((void **)&b->laid, &b->laid_capacity, b->laid_count + 1,
			  sizeof(*b->laid))) {
		b->error = -ENOMEM;
		return;
	}
	b->laid[b->laid_count++] = (struct unwind_laid_row){at, rule};
}

/** Lay out what of an FDE lies in [from, to). */
static void lay_fde(struct builder *b, const struct fde *fde, uint32_t from, uint32_t to)
{
	const struct unwind_laid_row *rows = &b->rows[fde->first_row];

	for (uint32_t i = 0; i < fde->row_count && rows[i].at < to; i++)
		if (i + 1 == fde->row_count || rows[i + 1].at > from)
			lay(b, rows[i].at < from ? from : rows[i].at, rows[i].rule);
	lay(b, to, 0);
}

/** Where the FDE number @i, laid from @from on, has to give way to a later one of the same or a lower rank. */
static uint32_t find_limit(const struct builder *b, size_t i, uint32_t from)
{
	const struct fde *f = &b->fdes[i];
	uint32_t looked_at = 0;

	for (size_t k = i + 1; k < b->fde_count && b->fdes[k].start < f->end; k++) {
		/* Of those that start together each section's first is laid: they are gone over once. */
		if (b->fdes[k].start == f->start)
			continue;
		if (b->fdes[k].start > from && b->fdes[k].rank <= f->rank)
			return b->fdes[k].start;
		if (++looked_at == OVERLAPS_MAX)
			return from;
	}
	return f->end;
}

/**
 * Lay out all FDEs. Where two overlap, a lower rank wins; among equals the one that starts later, as in a search
 * by start; of those that start together the first.
 */
static void lay_fdes(struct builder *b)
{
	uint32_t covered = 0; /* up to here */
	uint32_t covered_rank = 0;

	for (size_t i = 0; i < b->fde_count && !b->error; i++) {
		const struct fde *f = &b->fdes[i];
		uint32_t from = f->start;

		if (i && f->start == b->fdes[i - 1].start && f->rank == b->fdes[i - 1].rank)
			continue;
		if (from < covered && f->rank > covered_rank)
			from = covered;
		if (from >= f->end)
			continue;

		uint32_t to = find_limit(b, i, from);

		if (from >= to)
			continue;
		lay_fde(b, f, from, to);
		covered = to;
		covered_rank = f->rank;
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct unwind_laid_row *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/** Index of the laid row in force at @at; -1 before the first. */
static int64_t find_laid(const struct builder *b, uint32_t at)
{
	size_t low = 0, high = b->laid_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (b->laid[mid].at <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return (int64_t)low - 1;
}

/** Say that [start, end) is a signal return trampoline, unless the table says so already. */
static void lay_signal(struct builder *b, uint32_t start, uint32_t end)
{
	struct unwind_rule rule = unwind_rule_command(UNWIND_CFA_SIGNAL);
	int64_t before = find_laid(b, start), last = find_laid(b, end);
	uint32_t id = rule_id(b, &rule);

	if (before >= 0 && UNWIND_KIND(b->rules[b->laid[before].rule].cfa) == UNWIND_CFA_SIGNAL)
		return;

	struct unwind_laid_row after = {end, last >= 0 ? b->laid[last].rule : 0};
	size_t keep = 0;

	for (size_t i = 0; i < b->laid_count; i++)
		if (b->laid[i].at < start || b->laid[i].at > end)
			b->laid[keep++] = b->laid[i];
	b->laid_count = keep;
	if (array_reserve((void **)&b->laid, &b->laid_capacity, keep + 2, sizeof(*b->laid))) {
		b->error = -ENOMEM;
		return;
	}
	b->laid[b->laid_count++] = (struct unwind_laid_row){start, id};
	b->laid[b->laid_count++] = after;
	qsort(b->laid, b->laid_count, sizeof(*b->laid), compare_rows);
}

/** Find signal return trampolines by their code. They start one byte early: see the lookup of callers. */
static void find_trampolines(struct builder *b)
{
	int found = 0;

	for (uint32_t i = 0; i < b->elf->segment_count; i++) {
		const struct unwind_segment *s = &b->elf->segments[i];
		const uint8_t *at = s->bytes, *end = s->bytes + s->file_bytes;

		while (at && found < TRAMPOLINES_MAX &&
		       (at = memmem(at, (size_t)(end - at), b->arch->sigreturn,
				    b->arch->sigreturn_bytes))) {
			uint32_t start = (uint32_t)(s->vaddr + (uint64_t)(at - s->bytes) - b->base);

			if (start)
				lay_signal(b, start - 1,
					   start + (uint32_t)b->arch->sigreturn_bytes);
			at++;
			found++;
		}
	}
}

/** The range of code; -ENODATA if there is none. */
static int find_range(struct builder *b)
{
	uint64_t start = UINT64_MAX, end = 0;

	for (uint32_t i = 0; i < b->elf->segment_count; i++) {
		const struct unwind_segment *s = &b->elf->segments[i];

		start = s->vaddr < start ? s->vaddr : start;
		end = s->end > end ? s->end : end;
	}
	if (start >= end)
		return -ENODATA;
	b->base = start & ~(uint64_t)(UNWIND_PAGE_BYTES - 1);
	b->end = end;
	if (end - b->base >= (uint64_t)UNWIND_DIRECTORY_PAGES << UNWIND_PAGE_SHIFT ||
	    end >> UNWIND_PAGE_SHIFT >= UINT32_MAX)
		return -EFBIG;
	return 0;
}

static int build(struct builder *b, struct unwind_file **ret)
{
	struct cfi_handler handler = {b, begin_fde, take_row, end_fde};
	struct unwind_rule none = unwind_rule_command(UNWIND_CFA_NONE);
	struct unwind_rule expr = unwind_rule_command(UNWIND_CFA_EXPR);
	int error = find_range(b);

	if (error)
		return error;
	(void)rule_id(b, &none); /* number 0, what lay() ends with */
	(void)rule_id(b, &expr); /* number 1, what rule_id() falls back to */
	for (uint32_t i = 0; i < b->elf->section_count && !b->error; i++) {
		b->rank = i;
		cfi_walk(&b->elf->sections[i], &handler, &b->stats);
	}
	if (!b->error) {
		if (b->fde_count)
			qsort(b->fdes, b->fde_count, sizeof(*b->fdes), compare_fdes);
		lay_fdes(b);
	}
	if (!b->error)
		find_trampolines(b);
	if (b->error)
		return b->error;
	if (!b->laid_count)
		return -ENODATA;

	const struct unwind_image image = {
		.machine = b->elf->machine,
		.sources = b->elf->sources,
		.base = b->base,
		.end = b->end,
		.stats = b->stats,
		.rules = b->rules,
		.rule_count = (uint32_t)b->rule_count,
		.rows = b->laid,
		.row_count = (uint32_t)b->laid_count,
	};

	return unwind_image_make(&image, ret);
}

int unwind_table_build(int fd, int debug_fd, struct unwind_file **ret)
{
	struct unwind_elf elf;
	int error = unwind_elf_open(fd, debug_fd, &elf);

	if (error)
		return error;

	struct builder b = {.elf = &elf, .arch = unwind_arch_find(elf.machine)};

	error = build(&b, ret);
	builder_release(&b);
	unwind_elf_release(&elf);
	return error;
}

int unwind_table_build_memory(const void *image, size_t size, struct unwind_file **ret)
{
	struct unwind_elf elf;
	int error = unwind_elf_open_memory(image, size, &elf);

	if (error)
		return error;

	struct builder b = {.elf = &elf, .arch = unwind_arch_find(elf.machine)};

	error = build(&b, ret);
	builder_release(&b);
	unwind_elf_release(&elf);
	return error;
}

const char *unwind_table_explain(int error)
{
	switch (error) {
	case -ENODATA:
		return "it has no code or no call frame information (.eh_frame, .debug_frame)";
	case -ENOEXEC:
		return "it is not a 64-bit little-endian ELF file";
	case -ENOTSUP:
		return "it is for another machine than x86-64";
	case -EFBIG:
		return "it has more than 2 GiB of code or 24 million rows";
	case -EBADMSG:
		return "the worker made a damaged table of it";
	case -ENOMEM:
		return "it takes more memory than a worker may use";
	default:
		return strerror(-error);
	}
}
