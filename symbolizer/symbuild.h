/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an ELF file and its separate debug files to a symbol file: a pure function of the files, run in a worker
 * process.
 *
 * Thread rule: any number at a time; each call works on its own.
 */
#ifndef HEARTH_SYMBOLIZER_SYMBUILD_H
#define HEARTH_SYMBOLIZER_SYMBUILD_H

#include <stdbool.h>
#include <stdint.h>

#define SYMBUILD_SPLIT_NAME_MAX 4096

/** What became of one source of symbols. */
enum symbuild_source {
	SYMBUILD_ABSENT,  /* there is none */
	SYMBUILD_USED,	  /* read */
	SYMBUILD_DAMAGED, /* there, but not (wholly) readable */
	SYMBUILD_TOO_BIG, /* beyond a limit */
	SYMBUILD_UNKNOWN, /* of a kind or version that is not known */
	SYMBUILD_LEFT,	  /* there, and left for the full pass */
};

/** What was found; plain data that a worker hands back as bytes. */
struct symbuild_report {
	int32_t error; /* of the whole: 0 or -errno */
	uint16_t elf_type, elf_machine;
	uint8_t own_symbols;   /* enum symbuild_source: .symtab or .dynsym of the file */
	uint8_t debug_symbols; /* those of the separate debug file */
	uint8_t mini_symbols;  /* .gnu_debugdata */
	uint8_t go_symbols;    /* .gopclntab */
	uint8_t dwarf;
	uint8_t alt; /* dwz's supplementary file */
	uint8_t dwarf_version;
	uint8_t has_symtab; /* own_symbols come from .symtab, not only .dynsym */
	uint64_t own_symbol_count, debug_symbol_count, mini_symbol_count, go_function_count;
	uint64_t units, units_damaged, split_units, split_missing, alt_missing;
	uint64_t functions, inlined, line_rows;
	uint64_t file_bytes; /* of the result */
};

/**
 * Gets a .dwo file opened that a skeleton unit names.
 *
 * @name, @directory: as in DWARF; @directory may be NULL
 * @dwo_id: what it must carry
 *
 * Returns an open file descriptor, owned by the caller; -1 if there is none.
 */
typedef int symbuild_split_fn(void *context, const char *directory, const char *name,
			      uint64_t dwo_id);

struct symbuild_input {
	int elf_fd;
	int debug_fd;		  /* separate debug file; -1 = none */
	int alt_fd;		  /* dwz's supplementary file; -1 = none */
	int dwp_fd;		  /* package of split units; -1 = none */
	bool quick;		  /* ELF symbols only */
	symbuild_split_fn *split; /* NULL = split units stay unknown */
	void *split_context;
};

/**
 * Make a symbol file.
 *
 * @out_fd: an empty file, open for writing
 * @report: filled also on failure
 *
 * Returns 0, also when nothing was found; -ENOEXEC if it is no ELF file of this machine's class and byte order or an
 * object file (ET_REL); -EFBIG beyond the limits; -ENOMEM; -errno of reading and writing.
 */
int symbuild(const struct symbuild_input *input, int out_fd, struct symbuild_report *report);

#endif
