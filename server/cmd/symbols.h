/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting the symbols of one file for a command: from the cache or by a worker process, within 10 s.
 *
 * Thread rule: main thread.
 */
#ifndef HEARTH_SERVER_CMD_SYMBOLS_H
#define HEARTH_SERVER_CMD_SYMBOLS_H

#include "symbolizer/debugfind.h"
#include "symbolizer/symjob.h"

#define SYMBOLS_DEFAULT_CACHE "/var/lib/hearth/symbols"

struct symbols_options {
	const char *binary;	/* path */
	const char *debug_file; /* path; NULL = search */
	const char *cache_dir;	/* NULL = SYMBOLS_DEFAULT_CACHE if that can be written */
};

struct symbols {
	struct binary *binary;
	struct debugfiles files;
	struct symjob_result job; /* its report explains what was found */
	struct symfile *symbols;
};

/**
 * Load the symbols of a file. A failure is reported on stderr, one line.
 *
 * @ret: release with symbols_release(), also after a failure
 *
 * Returns the exit status: EXIT_OK also if there are none.
 */
int symbols_load(const struct symbols_options *options, struct symbols *ret);

/** Free what @s holds. */
void symbols_release(struct symbols *s);

#endif
