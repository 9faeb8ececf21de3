/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/cmd/cmd.h"
#include "server/cmd/record.h"

#define DEFAULT_HZ	    99
#define HZ_MAX		    10000
#define DEFAULT_DURATION_NS (10 * NS_PER_S)
#define DURATION_MAX_NS	    (24 * 3600 * NS_PER_S)
#define PID_MAX		    4194304 /* PID_MAX_LIMIT, include/linux/threads.h */

static const char usage[] =
	"usage: hearth record [OPTION...] [-- COMMAND [ARG...]]\n"
	"\n"
	"Samples CPU time into a file: of a command and its children until it ends, of the processes given with\n"
	"-p and what they start, or of the whole machine.\n"
	"\n"
	"  -F, --frequency HZ      samples a second on each busy CPU (default 99)\n"
	"  -d, --duration TIME     how long: 10, 1.5s, 2m (default 10 s; with a command, until it ends)\n"
	"  -p, --pid PID           only this process; may be repeated, or a list: 12,34\n"
	"  -o, --output FILE       where to write; - is stdout (default hearth.pb.gz, or by the format)\n"
	"      --format FORMAT     pprof (default), folded, speedscope or html\n"
	"  -h, --help              this text\n"
	"\n"
	"The exit status is the command's; 1 if recording failed, 2 for a wrong command line.\n"
	"An interrupt ends the recording; what was sampled until then is written.\n"
	"\n"
	"  hearth record -- make -j4              go tool pprof -http=: hearth.pb.gz\n"
	"  hearth record -p $(pidof nginx | tr ' ' ,) -d 30s --format html\n"
	"  hearth record -o - --format folded     the whole machine for 10 s, as text\n";

struct format_name {
	const char *name;
	enum record_format format;
	const char *output; /* default file */
};

static const struct format_name formats[] = {
	{"pprof", RECORD_PPROF, "hearth.pb.gz"},
	{"folded", RECORD_FOLDED, "hearth.folded"},
	{"speedscope", RECORD_SPEEDSCOPE, "hearth.speedscope.json"},
	{"html", RECORD_HTML, "hearth.html"},
};

static int parse_format(const char *command, const char *text, struct record_options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i].name, text))
			continue;
		o->format = formats[i].format;
		return EXIT_OK;
	}
	return cmd_usage(command, "unknown format '%s': it is pprof, folded, speedscope or html",
			 text);
}

/* "12" or "12,34". */
static int parse_pids(const char *command, char *text, struct record_options *o)
{
	for (char *at = text; at;) {
		const char *one = strsep(&at, ",");
		uint32_t pid;

		if (parse_u32_range(one, 1, PID_MAX, &pid))
			return cmd_usage(command, "'%s' is no process id", one);
		if (o->pid_count == RECORD_PIDS_MAX)
			return cmd_usage(command, "more than %d process ids", RECORD_PIDS_MAX);
		o->pids[o->pid_count++] = (pid_t)pid;
	}
	return EXIT_OK;
}

static int parse_option(const char *command, int option, struct record_options *o)
{
	switch (option) {
	case 'F':
		if (!parse_u32_range(optarg, 1, HZ_MAX, &o->frequency_hz))
			return EXIT_OK;
		return cmd_usage(command, "frequency '%s' is not a number from 1 to %d", optarg,
				 HZ_MAX);
	case 'd':
		if (!parse_duration(optarg, &o->duration_ns) && o->duration_ns >= NS_PER_MS &&
		    o->duration_ns <= DURATION_MAX_NS)
			return EXIT_OK;
		return cmd_usage(command, "duration '%s' is not a time from 1ms to 24h", optarg);
	case 'p':
		return parse_pids(command, optarg, o);
	case 'o':
		o->output = optarg;
		return EXIT_OK;
	default:
		return parse_format(command, optarg, o);
	}
}

/* What only shows when all options are known. */
static int complete(int argc, char **argv, struct record_options *o)
{
	if (optind < argc && strcmp(argv[optind - 1], "--"))
		return cmd_usage(argv[0], "unexpected argument '%s': a command comes after --",
				 argv[optind]);
	if (optind < argc)
		o->command = argv + optind;
	else if (!strcmp(argv[optind - 1], "--"))
		return cmd_usage(argv[0], "no command after --");
	if (o->command && o->pid_count)
		return cmd_usage(argv[0], "-p and a command exclude each other");

	if (!o->duration_ns && !o->command)
		o->duration_ns = DEFAULT_DURATION_NS;
	for (size_t i = 0; !o->output && i < ARRAY_SIZE(formats); i++)
		if (formats[i].format == o->format)
			o->output = formats[i].output;
	if (!strcmp(o->output, "-") && o->format == RECORD_PPROF && isatty(STDOUT_FILENO))
		return cmd_usage(argv[0], "a terminal cannot show pprof: redirect it, or choose "
					  "--format folded");
	return EXIT_OK;
}

bool record_parse(int argc, char **argv, struct record_options *ret, int *ret_status)
{
	static const struct option options[] = {
		{"frequency", required_argument, NULL, 'F'},
		{"duration", required_argument, NULL, 'd'},
		{"pid", required_argument, NULL, 'p'},
		{"output", required_argument, NULL, 'o'},
		{"format", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	*ret = (struct record_options){.frequency_hz = DEFAULT_HZ};
	*ret_status = EXIT_OK;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:F:d:p:o:h", options, NULL)) >= 0) {
		if (option == 'h') {
			fputs(usage, stdout);
			return false;
		}
		if (option == ':')
			*ret_status = cmd_usage(argv[0], "'%s' wants a value", argv[optind - 1]);
		else if (option == '?')
			*ret_status = cmd_usage(argv[0], "unknown option '%s'", argv[optind - 1]);
		else
			*ret_status = parse_option(argv[0], option, ret);
		if (*ret_status)
			return false;
	}
	*ret_status = complete(argc, argv, ret);
	return *ret_status == EXIT_OK;
}
