/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to server/: what `hearth record` was asked for.
 *
 * Thread rule: main thread only.
 */
#ifndef HEARTH_SERVER_CMD_RECORD_H
#define HEARTH_SERVER_CMD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORD_PIDS_MAX 1024

enum record_format {
	RECORD_PPROF,
	RECORD_FOLDED,
	RECORD_SPEEDSCOPE,
	RECORD_HTML,
};

struct record_options {
	uint32_t frequency_hz;
	uint64_t duration_ns; /* 0 = until the command ends */
	enum record_format format;
	const char *output; /* borrowed from argv */
	pid_t pids[RECORD_PIDS_MAX];
	size_t pid_count;
	char **command; /* borrowed from argv, NULL-terminated; NULL = none */
};

/**
 * Read the command line.
 *
 * @ret_status: the exit status when there is nothing more to do
 *
 * Returns true when recording is to start; false when the help or an error was printed.
 */
bool record_parse(int argc, char **argv, struct record_options *ret, int *ret_status);

#endif
