/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/cmd/cmd.h"
#include "server/cmd/inspect.h"
#include "server/cmd/symbols.h"
#include "symbolizer/reason.h"

static int flush(const char *what)
{
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail("cannot write %s to standard output: %s", what, strerror(errno));
	return EXIT_OK;
}

int inspect_symbols(const char *path)
{
	struct symbols symbols;
	struct symfile_range range;
	int status = symbols_load(&(struct symbols_options){.binary = path}, &symbols);

	for (size_t i = 0; !status && symfile_range_at(symbols.symbols, i, &range); i++)
		if (range.function && range.end > range.start)
			printf("%" PRIx64 " %" PRIx64 " %s\n", range.start, range.end,
			       range.function);
	symbols_release(&symbols);
	return status ? status : flush("the symbols");
}

static const char *machine_name(uint16_t machine, char *text, size_t size)
{
	switch (machine) {
	case EM_X86_64:
		return "x86-64";
	case EM_AARCH64:
		return "aarch64";
	case EM_RISCV:
		return "riscv64";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	default:
		snprintf(text, size, "unknown (ELF machine %u)", machine);
		return text;
	}
}

static void print_identity(const struct symbols *s)
{
	char text[BUILD_ID_HEX_MAX], machine[64];

	build_id_format(binary_build_id(s->binary), text);
	if (binary_has_build_id(s->binary))
		printf("build-id: %s\n", text);
	else
		printf("build-id: none; known by a hash of its content, %s\n", text);
	printf("machine: %s\n", machine_name(s->job.report.elf_machine, machine, sizeof(machine)));
}

static void print_files(const struct symbols *s)
{
	const struct symbuild_report *r = &s->job.report;

	if (s->files.debug_fd >= 0)
		printf("debug-file: %s\n", s->files.debug_path);
	else if (s->files.debug_mismatch)
		printf("debug-file: none; a file of this name belongs to another build\n");
	else if (r->dwarf == SYMBUILD_USED)
		printf("debug-file: none; the file itself has DWARF\n");
	else
		printf("debug-file: none found by build id or .gnu_debuglink; install its debug package\n");

	if (s->files.alt_fd >= 0)
		printf("alt-file: %s\n", s->files.alt_path);
	else if (s->files.alt_wanted)
		printf("alt-file: none; .gnu_debugaltlink names one that is not there, install the whole debug package\n");
	else
		printf("alt-file: none; no .gnu_debugaltlink asks for one\n");
}

static void print_unwind(const struct symbols *s)
{
	struct table_outcome outcome = {0};
	const struct table_facts *f = &outcome.facts;
	int err = inspect_table(s->binary, &outcome);

	if (err || !outcome.file)
		printf("unwind: none; %s\n", err ? strerror(-err) : f->reason);
	else
		printf("unwind: %" PRIu32 " rows, %" PRIu32 " rules from %s; %" PRIu32
		       " rows need an expression\n",
		       f->row_count, f->rule_count,
		       f->sources & UNWIND_SOURCE_DEBUG_FILE ? "the debug file"
		       : f->sources & (UNWIND_SOURCE_EH_FRAME | UNWIND_SOURCE_EH_FRAME_HDR)
			       ? ".eh_frame"
			       : ".debug_frame",
		       f->expression_count);
	unwind_file_unref(outcome.file);
}

static void print_symbols(const struct symbols *s)
{
	const struct symbuild_report *r = &s->job.report;
	const char *separator = "";

	printf("symbols: ");
	if (r->own_symbol_count) {
		printf("%" PRIu64 " from %s", r->own_symbol_count,
		       r->has_symtab ? ".symtab" : ".dynsym");
		separator = ", ";
	}
	if (r->debug_symbol_count) {
		printf("%s%" PRIu64 " from the debug file's .symtab", separator,
		       r->debug_symbol_count);
		separator = ", ";
	}
	if (r->mini_symbol_count) {
		printf("%s%" PRIu64 " from .gnu_debugdata", separator, r->mini_symbol_count);
		separator = ", ";
	}
	if (r->go_function_count) {
		printf("%s%" PRIu64 " from .gopclntab", separator, r->go_function_count);
		separator = ", ";
	}
	puts(*separator ? "" : "none; stripped");
}

static void print_lines(const struct symbols *s)
{
	char reason[REASON_BYTES];

	reason_describe(&s->job, &s->files, reason, sizeof(reason));
	if (s->job.report.line_rows)
		printf("lines: %" PRIu64 " rows, %" PRIu64 " functions, %" PRIu64
		       " inlined calls; %s\n",
		       s->job.report.line_rows, s->job.report.functions, s->job.report.inlined,
		       reason);
	else
		printf("lines: none; %s\n", reason);
}

int inspect_info(const char *path)
{
	struct symbols symbols;
	int status = symbols_load(&(struct symbols_options){.binary = path}, &symbols);

	if (!status) {
		print_identity(&symbols);
		print_files(&symbols);
		print_unwind(&symbols);
		print_symbols(&symbols);
		print_lines(&symbols);
		status = flush("what was found");
	}
	symbols_release(&symbols);
	return status;
}
