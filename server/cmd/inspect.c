/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/inspect.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "server/cmd/cmd.h"

static const char usage[] =
	"usage: hearth inspect FILE --unwind | --symbols | --info\n"
	"\n"
	"Shows what Hearth reads in an executable or shared library.\n"
	"\n"
	"      --unwind    the unwind table: ADDRESS CFA RBP RA, a row a line; a row holds until the next one\n"
	"      --symbols   the functions: START END NAME, one a line, by address; END is exclusive\n"
	"      --info      build id, machine, debug files, what was found in them, or why not\n"
	"  -h, --help      this text\n"
	"\n"
	"The exit status is 1 if the file cannot be read, 2 for a wrong command line.\n";

/* What can be shown of a file. */
static const struct part {
	const char *name;
	int (*show)(const char *path);
} parts[] = {
	{"unwind", inspect_unwind},
	{"symbols", inspect_symbols},
	{"info", inspect_info},
};

int cmd_inspect(int argc, char **argv)
{
	static const struct option options[] = {
		{"unwind", no_argument, NULL, 0},
		{"symbols", no_argument, NULL, 1},
		{"info", no_argument, NULL, 2},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const struct part *part = NULL;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (option < 0 || option >= (int)ARRAY_SIZE(parts))
			return cmd_usage(argv[0], "unknown option '%s'", argv[optind - 1]);
		if (part && part != &parts[option])
			return cmd_usage(argv[0], "--%s and --%s exclude each other", part->name,
					 parts[option].name);
		part = &parts[option];
	}
	if (optind == argc)
		return cmd_usage(argv[0], "no file given");
	if (argc - optind > 1)
		return cmd_usage(argv[0], "more than one file: '%s'", argv[optind + 1]);
	if (!part)
		return cmd_usage(argv[0], "what to show of '%s' is missing", argv[optind]);
	return part->show(argv[optind]);
}
