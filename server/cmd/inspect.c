/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/inspect.h"

#include <stdio.h>
#include <string.h>

#include "server/cmd/cmd.h"

int cmd_inspect(int argc, char **argv)
{
	const char *path = NULL, *part = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help")) {
			puts("usage: hearth inspect FILE --unwind\n\n"
			     "  --unwind   the unwind table: ADDRESS CFA RBP RA, a row a line");
			return EXIT_OK;
		}
		if (!strcmp(argv[i], "--unwind"))
			part = argv[i];
		else if (argv[i][0] == '-' && argv[i][1])
			return cmd_usage("inspect", "unknown option '%s'", argv[i]);
		else if (path)
			return cmd_usage("inspect", "more than one file: '%s'", argv[i]);
		else
			path = argv[i];
	}
	if (!path)
		return cmd_usage("inspect", "no file given");
	if (!part)
		return cmd_usage("inspect", "what to show of '%s' is missing", path);
	return inspect_unwind(path);
}
