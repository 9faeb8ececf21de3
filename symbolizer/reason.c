/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/reason.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *reason_of_error(int error)
{
	switch (error) {
	case -ENOEXEC:
		return "it is no executable or shared library in this machine's ELF format";
	case -ENOMEM:
		return "it takes more memory than a symbol worker may use";
	case -EFBIG:
		return "it exceeds the limits of a symbol file";
	default:
		return strerror(-error);
	}
}

static const char *describe_symbols(const struct symbuild_report *r, char *text, size_t size)
{
	uint64_t count = r->own_symbol_count + r->debug_symbol_count + r->mini_symbol_count +
			 r->go_function_count;

	if (!count)
		snprintf(text, size, "no ELF symbols");
	else
		snprintf(text, size, "%" PRIu64 " functions from %s", count,
			 r->go_function_count			  ? ".gopclntab"
			 : r->mini_symbol_count			  ? ".gnu_debugdata"
			 : r->debug_symbol_count || r->has_symtab ? ".symtab"
								  : ".dynsym");
	return text;
}

static void describe_dwarf(const struct symbuild_report *r, const struct debugfiles *files,
			   char *text, size_t size)
{
	int length = snprintf(text, size, "DWARF %d from %s", r->dwarf_version,
			      files->debug_path[0] ? files->debug_path : "the file itself");
	size_t at = length > 0 && (size_t)length < size ? (size_t)length : size - 1;

	if (r->units_damaged)
		snprintf(text + at, size - at, "; %" PRIu64 " of %" PRIu64 " units are damaged",
			 r->units_damaged, r->units);
	else if (r->split_missing)
		snprintf(text + at, size - at,
			 "; %" PRIu64 " of %" PRIu64
			 " units lack their .dwo file: keep it where it was built, or make a .dwp",
			 r->split_missing, r->units);
	else if (r->alt_missing)
		snprintf(
			text + at, size - at,
			"; its supplementary file (.gnu_debugaltlink) is missing: install the whole debug package");
}

static void describe_done(const struct symbuild_report *r, const struct debugfiles *files,
			  char *text, size_t size)
{
	char symbols[128];

	describe_symbols(r, symbols, sizeof(symbols));
	switch (r->dwarf) {
	case SYMBUILD_USED:
		describe_dwarf(r, files, text, size);
		return;
	case SYMBUILD_DAMAGED:
		snprintf(text, size, "%s; its DWARF is damaged", symbols);
		return;
	case SYMBUILD_TOO_BIG:
		snprintf(text, size, "%s; its DWARF exceeds the limits", symbols);
		return;
	case SYMBUILD_UNKNOWN:
		snprintf(text, size, "%s; its DWARF is compressed in an unknown way", symbols);
		return;
	}
	snprintf(text, size, "%s; no DWARF%s: install its debug package, or build with -g", symbols,
		 files->debug_mismatch ? " (a debug file of another build was found)" : "");
}

void reason_describe(const struct symjob_result *result, const struct debugfiles *files, char *text,
		     size_t size)
{
	switch (result->end) {
	case SYMJOB_DONE:
		if (result->report.error)
			snprintf(text, size, "%s", reason_of_error(result->report.error));
		else
			describe_done(&result->report, files, text, size);
		break;
	case SYMJOB_CRASHED:
		if (result->signal)
			snprintf(text, size, "reading it crashed the symbol worker: %s",
				 strsignal(result->signal));
		else
			snprintf(text, size, "the symbol worker ended before its work was done");
		break;
	case SYMJOB_TIMEOUT:
		snprintf(text, size, "reading it took too long");
		break;
	case SYMJOB_STOPPED:
		snprintf(text, size, "stopped");
		break;
	case SYMJOB_FAILED:
		snprintf(text, size, "cannot start the symbol worker: %s",
			 strerror(-result->error));
		break;
	}
}
