/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hearth: one binary, several commands.
 */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "server/cmd/cmd.h"
#include "symbolizer/symworker.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary; /* NULL = not shown in the help */
};

static const struct command commands[] = {
	{"serve", cmd_serve, "sample the machine, keep history, answer HTTP"},
	{"record", cmd_record, "profile a command, processes or the machine into a file"},
	{"query", cmd_query, "ask a running server for a profile from its history"},
	{"doctor", cmd_doctor, "say what this machine allows and what mends it"},
	{"inspect", cmd_inspect, "show what Hearth reads in a binary"},
	{"symbolize", cmd_symbolize, "name addresses of a binary"},
	{SYMWORKER_COMMAND, symworker_main, NULL},
	{"version", cmd_version, "print the version"},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_help(FILE *to)
{
	fputs("Hearth, a continuous CPU profiler.\n\nusage: hearth COMMAND [OPTION...]\n\n", to);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].summary)
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'hearth COMMAND --help' describes a command.\n", to);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return EXIT_OK;
	}

	const char *name = !strcmp(argv[1], "--version") ? "version" : argv[1];
	const struct command *command = find_command(name);

	if (!command) {
		fprintf(stderr, "hearth: unknown command '%s'; 'hearth --help' lists them\n",
			argv[1]);
		return EXIT_USAGE;
	}
	return command->run(argc - 1, argv + 1);
}
