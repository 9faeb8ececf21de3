/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#define OPEN_FILES_ENOUGH 65536u

int cmd_fail(const char *format, ...)
{
	va_list args;

	fputs("hearth: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

void cmd_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return; /* it stays as it is: binaries that cannot be opened are counted */
	rlim_t wanted = limit.rlim_max < OPEN_FILES_ENOUGH ? limit.rlim_max : OPEN_FILES_ENOUGH;

	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* as above */
}

int cmd_usage(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "hearth %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see 'hearth %s --help'\n", command);
	return EXIT_USAGE;
}
