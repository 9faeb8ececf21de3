/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symbuild.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "symbolizer/debugdata.h"
#include "symbolizer/dwarf_build.h"
#include "symbolizer/elfplt.h"
#include "symbolizer/elfsyms.h"
#include "symbolizer/gopclntab.h"
#include "symbolizer/symfile_write.h"
#include "symbolizer/textmap.h"

struct build {
	const struct symbuild_input *input;
	struct symbuild_report *report;
	struct elffile elf, debug, alt; /* zero where there is none */
	struct textmap text;
	struct symtable table;
	struct elfsyms symbols;
};

static uint8_t source_of(int err)
{
	switch (err) {
	case 0:
		return SYMBUILD_USED;
	case -ENOENT:
		return SYMBUILD_ABSENT;
	case -EFBIG:
		return SYMBUILD_TOO_BIG;
	case -ENOTSUP:
		return SYMBUILD_UNKNOWN;
	default:
		return SYMBUILD_DAMAGED;
	}
}

static int open_files(struct build *b)
{
	const struct symbuild_input *in = b->input;
	int err = elffile_open(in->elf_fd, &b->elf);

	if (err)
		return err;
	b->report->elf_type = b->elf.header.e_type;
	b->report->elf_machine = b->elf.header.e_machine;
	if (b->elf.header.e_type != ET_EXEC && b->elf.header.e_type != ET_DYN)
		return -ENOEXEC;
	if (in->debug_fd >= 0 && elffile_open(in->debug_fd, &b->debug))
		b->report->debug_symbols = SYMBUILD_DAMAGED;
	if (in->alt_fd >= 0 && elffile_open(in->alt_fd, &b->alt))
		b->report->alt = SYMBUILD_DAMAGED;
	return 0;
}

static bool has_symtab(const struct elffile *f)
{
	for (size_t i = 0; i < f->section_count; i++)
		if (f->sections[i].sh_type == SHT_SYMTAB)
			return true;
	return false;
}

/* Adds one table and notes what became of it; only lack of memory ends the whole. */
static int add_symbols(struct build *b, struct elffile *f, enum elfsyms_layer layer,
		       uint8_t *source, uint64_t *total)
{
	size_t count;
	int err = elfsyms_add(&b->symbols, f, layer, &count);

	*total = count;
	*source = !err && !count ? SYMBUILD_ABSENT : source_of(err);
	return err == -ENOMEM ? err : 0;
}

static int add_elf_symbols(struct build *b)
{
	struct symbuild_report *r = b->report;
	int err = add_symbols(b, &b->elf, ELFSYMS_OWN, &r->own_symbols, &r->own_symbol_count);

	r->has_symtab = has_symtab(&b->elf);
	if (!err)
		err = elfplt_add(&b->symbols, &b->elf);
	if (!err && b->debug.image.bytes)
		err = add_symbols(b, &b->debug, ELFSYMS_SEPARATE, &r->debug_symbols,
				  &r->debug_symbol_count);
	if (err)
		return err;

	struct elffile mini;

	err = debugdata_open(&b->elf, &mini);
	r->mini_symbols = source_of(err);
	if (err)
		return err == -ENOMEM ? err : 0;
	err = add_symbols(b, &mini, ELFSYMS_SEPARATE, &r->mini_symbols, &r->mini_symbol_count);
	debugdata_close(&mini);
	return err;
}

static int run_dwarf(struct build *b, struct dwarf_file *f)
{
	struct symbuild_report *r = b->report;
	struct dwarf_builder builder;
	struct dwarf_splits splits;

	dwarf_splits_init(&splits, b->input->split, b->input->split_context, b->input->dwp_fd);
	dwarf_builder_init(&builder, &b->text, &b->table, &b->symbols);

	int err = dwarf_build(&builder, f, &splits);

	r->split_units = splits.file_count;
	dwarf_splits_release(&splits);

	r->units = builder.counts.units;
	r->units_damaged = builder.counts.units_damaged;
	r->split_missing = builder.counts.split_missing;
	r->alt_missing = builder.counts.alt_missing;
	r->functions = builder.counts.functions;
	r->inlined = builder.counts.inlined;
	r->line_rows = builder.counts.rows;
	for (size_t i = 0; i < f->unit_count; i++)
		if (f->units[i].version > r->dwarf_version && f->units[i].version <= 5)
			r->dwarf_version = (uint8_t)f->units[i].version;
	dwarf_builder_release(&builder);
	return err;
}

static int add_dwarf(struct build *b)
{
	CLEANUP(dwarf_file_release) struct dwarf_file main = {0}, alt = {0};
	int err =
		b->debug.image.bytes ? dwarf_file_open(&b->debug, DWARF_STREAMED, &main) : -ENOENT;

	if (err == -ENOENT)
		err = dwarf_file_open(&b->elf, DWARF_STREAMED, &main);
	b->report->dwarf = source_of(err);
	if (err)
		return err == -ENOMEM ? err : 0;

	if (b->alt.image.bytes) {
		err = dwarf_file_open(&b->alt, DWARF_WHOLE, &alt);
		b->report->alt = source_of(err);
		if (err == -ENOMEM)
			return err;
		if (!err) {
			alt.index = 1;
			main.alt = &alt;
		}
	}
	err = run_dwarf(b, &main);
	if (err && err != -ENOMEM)
		b->report->dwarf = source_of(err);
	return err;
}

/* Whether there is DWARF, without reading it. */
static uint8_t look_for_dwarf(const struct build *b)
{
	return elffile_find_debug_section(&b->debug, "info") ||
			       elffile_find_debug_section(&b->elf, "info")
		       ? SYMBUILD_LEFT
		       : SYMBUILD_ABSENT;
}

/* Go's tables, for what DWARF does not cover. */
static int add_go(struct build *b)
{
	struct symbuild_report *r = b->report;
	struct gopclntab_target target = {
		.text = &b->text,
		.table = &b->table,
		.symbols = &b->symbols,
		.lines = !b->input->quick,
	};
	struct gopclntab tables;
	int err = gopclntab_open(&b->elf, &tables);

	if (!err)
		err = gopclntab_add(&tables, &target);
	r->go_symbols = source_of(err);
	r->go_function_count = target.functions;
	r->functions += target.functions;
	r->inlined += target.inlined;
	r->line_rows += target.rows;
	return err == -ENOMEM ? err : 0;
}

static int build(struct build *b, int out_fd)
{
	int err = open_files(b);

	if (!err)
		err = textmap_create(&b->elf, &b->text);
	if (err)
		return err;
	b->table.base = b->text.base;
	elfsyms_init(&b->symbols, &b->text, &b->table);

	err = add_elf_symbols(b);
	if (!err && b->input->quick)
		b->report->dwarf = look_for_dwarf(b);
	else if (!err)
		err = add_dwarf(b);
	if (!err)
		err = add_go(b);
	if (!err)
		err = elfsyms_finish(&b->symbols);
	b->table.note = b->report;
	b->table.note_bytes = sizeof(*b->report);
	if (!err)
		err = symfile_write(&b->table, out_fd);

	struct stat status;

	if (!err && !fstat(out_fd, &status))
		b->report->file_bytes = (uint64_t)status.st_size;
	return err;
}

int symbuild(const struct symbuild_input *input, int out_fd, struct symbuild_report *report)
{
	struct build b = {.input = input, .report = report};

	*report = (struct symbuild_report){0};

	int err = build(&b, out_fd);

	report->error = err;
	elfsyms_release(&b.symbols);
	symtable_release(&b.table);
	textmap_release(&b.text);
	elffile_release(&b.alt);
	elffile_release(&b.debug);
	elffile_release(&b.elf);
	return err;
}
