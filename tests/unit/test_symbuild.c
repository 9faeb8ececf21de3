/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an ELF file with DWARF to a symbol file, held against libdw and libelf: this test's own executable, which the
 * compiler filled with inlined calls, at every symbol and at random addresses.
 */
#include "symbolizer/symbuild.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "symbolizer/symfile.h"
#include "unit/elf_image.h"

#define RANDOM_ADDRESSES 4000

FAIL_ALLOCATIONS_SOFTLY();

/* The same file, read by us and by elfutils. */
struct both {
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	struct symfile *symbols;
	struct symbuild_report report;
};

static int build_fd(int fd, bool quick, struct symbuild_report *report, struct symfile **ret)
{
	struct symbuild_input input = {
		.elf_fd = fd, .debug_fd = -1, .alt_fd = -1, .dwp_fd = -1, .quick = quick};
	auto_close int out = memfd_of("", 0);
	int err = symbuild(&input, out, report);

	return err ? err : symfile_open(out, ret);
}

static int open_both(void **state)
{
	static struct both both;
	struct both *b = &both;

	b->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
	b->elf = elf_begin(b->fd, ELF_C_READ_MMAP, NULL);
	b->dwarf = dwarf_begin_elf(b->elf, DWARF_C_READ, NULL);
	assert_non_null(b->dwarf);
	assert_int_equal(build_fd(b->fd, false, &b->report, &b->symbols), 0);
	*state = b;
	return 0;
}

static int close_both(void **state)
{
	struct both *b = *state;

	symfile_unref(b->symbols);
	(void)dwarf_end(b->dwarf);
	(void)elf_end(b->elf);
	(void)close(b->fd);
	return 0;
}

static bool find_text(Elf *elf, GElf_Shdr *ret)
{
	size_t names;

	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));)
		if (gelf_getshdr(scn, ret) &&
		    !strcmp(elf_strptr(elf, names, ret->sh_name), ".text"))
			return true;
	return false;
}

/* --- libdw's answer ----------------------------------------------------------------------------------------------- */

static uint32_t number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value))
		return 0;
	return (uint32_t)value;
}

static const char *linkage_or_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name =
		dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));

	return name ? name : dwarf_diename(die);
}

/* Innermost first; returns the number of frames, 0 where libdw knows no function. */
static size_t ask_libdw(struct both *b, Dwarf_Addr address, struct symfile_frame *chain)
{
	Dwarf_Die unit, *scopes = NULL, *nested = NULL;
	size_t count = 0;

	if (!dwarf_addrdie(b->dwarf, address, &unit) ||
	    dwarf_getscopes(&unit, address, &scopes) <= 0)
		return 0;

	int nested_count = dwarf_getscopes_die(&scopes[0], &nested);
	Dwarf_Line *line = dwarf_getsrc_die(&unit, address);
	int number = 0, column = 0;
	const char *file = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	Dwarf_Files *files;

	if (line) {
		(void)dwarf_lineno(line, &number);
		(void)dwarf_linecol(line, &column);
	}
	assert_int_equal(dwarf_getsrcfiles(&unit, &files, NULL), 0);
	for (int i = 0; i < nested_count && count < SYMFILE_CHAIN_MAX; i++) {
		int tag = dwarf_tag(&nested[i]);

		if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine)
			continue;
		chain[count++] = (struct symfile_frame){
			.function = linkage_or_name(&nested[i]),
			.file = number ? file : NULL,
			.line = (uint32_t)number,
			.column = number ? (uint32_t)column : 0,
			.inlined = tag == DW_TAG_inlined_subroutine,
		};
		if (tag == DW_TAG_subprogram)
			break;
		file = dwarf_filesrc(files, number_of(&nested[i], DW_AT_call_file), NULL, NULL);
		number = (int)number_of(&nested[i], DW_AT_call_line);
		column = (int)number_of(&nested[i], DW_AT_call_column);
	}
	free(scopes);
	free(nested);
	return count;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* libdw leaves paths relative to the compilation's directory as they are. */
static bool same_path(const char *ours, const char *theirs)
{
	size_t length = theirs ? strlen(theirs) : 0;
	size_t our_length = ours ? strlen(ours) : 0;

	if (same_text(ours, theirs))
		return true;
	return length && our_length > length && theirs[0] != '/' && ours[0] == '/' &&
	       ours[our_length - length - 1] == '/' && !strcmp(ours + our_length - length, theirs);
}

/* The outermost name may be the linker's better one: f.cold, f.part.0, f.constprop.0. */
static bool same_function(const struct symfile_frame *ours, const struct symfile_frame *theirs)
{
	size_t length = theirs->function ? strlen(theirs->function) : 0;

	if (same_text(ours->function, theirs->function) ||
	    same_text(ours->system_name, theirs->function))
		return true;
	return !ours->inlined && ours->function && length &&
	       !strncmp(ours->function, theirs->function, length) && ours->function[length] == '.';
}

static size_t compare_at(struct both *b, uint64_t address)
{
	struct symfile_frame ours[SYMFILE_CHAIN_MAX], theirs[SYMFILE_CHAIN_MAX];
	size_t their_count = ask_libdw(b, address, theirs);

	if (!their_count)
		return 0;

	size_t count = symfile_lookup(b->symbols, address, ours, SYMFILE_CHAIN_MAX);

	if (count != their_count)
		fail_msg("0x%lx: %zu frames, libdw has %zu", address, count, their_count);
	for (size_t i = 0; i < count; i++)
		if (!same_function(&ours[i], &theirs[i]) || ours[i].line != theirs[i].line ||
		    ours[i].column != theirs[i].column || ours[i].inlined != theirs[i].inlined ||
		    (ours[i].line && !same_path(ours[i].file, theirs[i].file)))
			fail_msg("0x%lx #%zu: %s %s:%u:%u, libdw says %s %s:%u:%u", address, i,
				 ours[i].function, ours[i].file, ours[i].line, ours[i].column,
				 theirs[i].function, theirs[i].file, theirs[i].line,
				 theirs[i].column);
	return count;
}

static void chains_and_lines_equal_libdw(void **state)
{
	struct both *b = *state;
	GElf_Shdr text;
	uint64_t random = 1;
	size_t compared = 0, inlined = 0;

	assert_true(find_text(b->elf, &text));
	/* Static libraries in it have no DWARF: libdw does not know them. */
	for (int i = 0; i < 10 * RANDOM_ADDRESSES && compared < RANDOM_ADDRESSES; i++) {
		size_t count = compare_at(b, text.sh_addr + next_random(&random) % text.sh_size);

		compared += count > 0;
		inlined += count > 1;
	}
	assert_int_equal(compared, RANDOM_ADDRESSES);
	assert_true(inlined > RANDOM_ADDRESSES / 50);
}

static void every_function_symbol_is_found_by_its_first_and_last_byte(void **state)
{
	struct both *b = *state;
	size_t compared = 0;

	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(b->elf, scn));) {
		GElf_Shdr header;

		if (!gelf_getshdr(scn, &header) || header.sh_type != SHT_SYMTAB)
			continue;

		Elf_Data *data = elf_getdata(scn, NULL);

		for (int i = 0; i < (int)(header.sh_size / header.sh_entsize); i++) {
			struct symfile_frame chain[SYMFILE_CHAIN_MAX];
			GElf_Sym symbol;

			assert_non_null(gelf_getsym(data, i, &symbol));
			if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || !symbol.st_size ||
			    symbol.st_shndx == SHN_UNDEF)
				continue;
			for (int last = 0; last < 2; last++) {
				size_t count = symfile_lookup(
					b->symbols,
					symbol.st_value + (last ? symbol.st_size - 1 : 0), chain,
					SYMFILE_CHAIN_MAX);

				assert_true(count > 0);
				assert_int_equal(chain[count - 1].start, symbol.st_value);
				compared++;
			}
		}
	}
	assert_true(compared > 200);
}

static void the_quick_file_has_the_functions_and_no_lines(void **state)
{
	struct both *b = *state;
	struct symfile_frame chain[4];
	struct symbuild_report report;
	struct symfile *quick;
	struct symfile_range range;
	size_t named = 0;

	assert_int_equal(build_fd(b->fd, true, &report, &quick), 0);
	assert_int_equal(symfile_row_count(quick), 0);
	assert_int_equal(report.own_symbols, SYMBUILD_USED);
	assert_true(report.own_symbol_count > 100);
	assert_true(report.own_symbol_count == b->report.own_symbol_count);
	for (size_t i = 0; symfile_range_at(quick, i, &range); i++) {
		if (!range.function)
			continue;
		named++;
		assert_int_equal(symfile_lookup(quick, range.start, chain, 4), 1);
		assert_string_equal(chain[0].function, range.function);
		assert_int_equal(chain[0].line, 0);
	}
	assert_true(named > 100);
	symfile_unref(quick);
}

static void the_report_counts_what_was_read(void **state)
{
	const struct symbuild_report *r = &((struct both *)*state)->report;
	Dwarf_CU *unit = NULL;
	uint64_t units = 0;

	assert_int_equal(r->error, 0);
	assert_int_equal(r->elf_machine, EM_X86_64);
	assert_int_equal(r->dwarf, SYMBUILD_USED);
	assert_int_equal(r->units_damaged, 0);
	assert_true(r->has_symtab && r->inlined && r->line_rows && r->file_bytes);
	while (!dwarf_get_units(((struct both *)*state)->dwarf, unit, &unit, NULL, NULL, NULL,
				NULL))
		units++;
	assert_int_equal(r->units, units);
}

static void what_is_no_program_is_refused(void **state)
{
	struct elf_image object = {.type = ET_REL};
	struct symbuild_report report;
	struct symfile *f;
	auto_close int object_fd = elf_image_memfd(&object);
	auto_close int text_fd = memfd_of("#!/bin/sh\n", 10);
	auto_close int empty_fd = memfd_of("", 0);

	(void)state;
	assert_int_equal(build_fd(object_fd, false, &report, &f), -ENOEXEC);
	assert_int_equal(report.error, -ENOEXEC);
	assert_int_equal(build_fd(text_fd, false, &report, &f), -ENOEXEC);
	assert_int_equal(build_fd(empty_fd, false, &report, &f), -ENOEXEC);
	elf_image_release(&object);
}

static void a_program_without_anything_gives_an_empty_file(void **state)
{
	struct elf_image e = {0};
	struct symbuild_report report;
	struct symfile *f;

	(void)state;
	elf_image_add_code(&e, "\x90\x90\xc3", 3);

	auto_close int fd = elf_image_memfd(&e);

	assert_int_equal(build_fd(fd, false, &report, &f), 0);
	assert_true(symfile_is_empty(f));
	assert_int_equal(report.own_symbols, SYMBUILD_ABSENT);
	assert_int_equal(report.dwarf, SYMBUILD_ABSENT);
	symfile_unref(f);
	elf_image_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_and_lines_equal_libdw),
		cmocka_unit_test(every_function_symbol_is_found_by_its_first_and_last_byte),
		cmocka_unit_test(the_quick_file_has_the_functions_and_no_lines),
		cmocka_unit_test(the_report_counts_what_was_read),
		cmocka_unit_test(what_is_no_program_is_refused),
		cmocka_unit_test(a_program_without_anything_gives_an_empty_file),
	};

	return cmocka_run_group_tests(tests, open_both, close_both);
}
