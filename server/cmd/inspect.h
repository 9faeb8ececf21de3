/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `hearth inspect`, one file each.
 *
 * Thread rule: main thread.
 */
#ifndef HEARTH_SERVER_CMD_INSPECT_H
#define HEARTH_SERVER_CMD_INSPECT_H

#include "profiler/table_source.h"

/**
 * `--unwind`: print the unwind table of @path on stdout, a row a line: `ADDRESS CFA RBP RA`.
 *
 * Returns the exit status.
 */
int inspect_unwind(const char *path);

/**
 * Get the unwind table of a binary as the profiler would, but from no cache.
 *
 * @ret: see table_source_get()
 *
 * Returns 0; -ENOMEM.
 */
int inspect_table(struct binary *binary, struct table_outcome *ret);

/**
 * `--symbols`: print the functions of @path on stdout in order of address: `START END NAME`.
 *
 * Returns the exit status.
 */
int inspect_symbols(const char *path);

/**
 * `--info`: print `key: value` lines: what was found in @path and its debug files, or why not.
 *
 * Returns the exit status.
 */
int inspect_info(const char *path);

#endif
