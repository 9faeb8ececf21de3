/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker's report means, in words.
 *
 * Thread rule: pure functions.
 */
#ifndef HEARTH_SYMBOLIZER_REASON_H
#define HEARTH_SYMBOLIZER_REASON_H

#include <stddef.h>

#include "symbolizer/symjob.h"

#define REASON_BYTES 512

/**
 * One line on why a binary's symbols are as they are, and what mends it: "DWARF 5 from /usr/lib/debug/...",
 * "no DWARF: 312 functions from .dynsym; install its debug package or ...".
 *
 * @text: filled with at most @size bytes, always terminated
 */
void reason_describe(const struct symjob_result *result, const struct debugfiles *files, char *text,
		     size_t size);

/** Why a job failed as a whole, without the file's name: "it is no ELF file ...". Borrowed, static. */
const char *reason_of_error(int error);

#endif
