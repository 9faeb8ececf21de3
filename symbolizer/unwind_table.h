/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes unwind files: a pure function from an ELF file to the table of its rules.
 *
 * .eh_frame counts first; .debug_frame fills what it leaves open. Code without either gets UNWIND_CFA_NONE, signal
 * return trampolines are found by their code too, because some C libraries describe them wrongly or not at all.
 *
 * Thread rule: none; no state outside the arguments. Run it on files of others in the worker process.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_TABLE_H
#define HEARTH_SYMBOLIZER_UNWIND_TABLE_H

#include <stddef.h>

#include "symbolizer/unwind_file.h"

#define UNWIND_TABLE_ROWS_MAX  (24u << 20) /* in one file; the largest known have 3 million */
#define UNWIND_TABLE_RULES_MAX 65534u

/**
 * Make the unwind file of an executable.
 *
 * @fd, @debug_fd: as in unwind_elf_open()
 * @ret: on success the file's image, one reference, drop with unwind_file_unref(); write its unwind_file_bytes()
 *
 * Returns 0; -ENODATA if there is no call frame information or no code; -ENOEXEC, -ENOTSUP as unwind_elf_open();
 * -EFBIG if a limit is exceeded (2 GiB of text, UNWIND_TABLE_ROWS_MAX); -ENOMEM.
 */
int unwind_table_build(int fd, int debug_fd, struct unwind_file **ret);

/** What an error of unwind_table_build() means, for a person: "it has no code or ...". Borrowed, static. */
const char *unwind_table_explain(int error);

/** The same for an image in memory, such as the vDSO. */
int unwind_table_build_memory(const void *image, size_t size, struct unwind_file **ret);

#endif
