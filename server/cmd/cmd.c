/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>

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
