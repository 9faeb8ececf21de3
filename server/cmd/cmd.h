/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of `hearth`: one file each, one row each in the table of main.c.
 *
 * A command gets its own name as argv[0], prints its result on stdout, errors as one line on stderr, and
 * returns the exit status.
 *
 * Thread rule: called once, on the main thread.
 */
#ifndef HEARTH_SERVER_CMD_CMD_H
#define HEARTH_SERVER_CMD_CMD_H

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/** `hearth serve`: sample, keep history, answer HTTP until SIGINT or SIGTERM. */
int cmd_serve(int argc, char **argv);

/** `hearth record`: profile a command, processes or the machine for a while into a file. */
int cmd_record(int argc, char **argv);

/** `hearth query`: ask a running server for a profile from its history. */
int cmd_query(int argc, char **argv);

/** `hearth symbolize`: name addresses of a binary. */
int cmd_symbolize(int argc, char **argv);

/** `hearth inspect`: what Hearth reads in a binary. */
int cmd_inspect(int argc, char **argv);

/** `hearth doctor`: what this machine allows, what is missing and what mends it. */
int cmd_doctor(int argc, char **argv);

/** `hearth version`: version, revision and libraries. */
int cmd_version(int argc, char **argv);

/** Print one line on stderr, "hearth: ..." with a newline added. Returns EXIT_FAILED. */
int cmd_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * Let this process open as many files as its hard limit allows, since binaries stay open while they are mapped
 * somewhere. Not inherited by what was forked before: commands of others keep the limits that they know.
 */
void cmd_raise_file_limit(void);

/** Print one line on stderr that points to `hearth COMMAND --help`. Returns EXIT_USAGE. */
int cmd_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
