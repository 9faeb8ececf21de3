/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of `hearth serve`. One table says what there is; flags, environment and help are made from it.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/cmd/cmd.h"
#include "server/cmd/serve.h"

#define FREQUENCY_MAX	 10000
#define BPF_MEMORY_LEAST (4ull << 20)
#define BPF_MEMORY_MOST	 (16ull << 30)
#define RETENTION_LEAST	 (10 * NS_PER_S)
#define DISK_LEAST	 (4ull << 20)
#define DISK_MOST	 (1ull << 50)

/* Sets one option from its text. @from: how the user names it. Returns an exit status. */
typedef int (*set_fn)(struct serve_options *o, const char *text, const char *from);

struct setting {
	const char *name;  /* as in --name; the variable is HEARTH_NAME */
	const char *value; /* what stands for the value in the help; NULL = a switch */
	set_fn set;
	const char *help;
};

static int bad(const char *from, const char *text, const char *expected)
{
	return cmd_usage("serve", "bad value '%s' for %s: expected %s", text, from, expected);
}

static int set_listen(struct serve_options *o, const char *text, const char *from)
{
	o->listen_text = text;
	if (!listen_address_parse(text, &o->listen))
		return EXIT_OK;
	return bad(from, text, "ADDRESS:PORT, such as 127.0.0.1:7979 or [::1]:7979");
}

static int set_data_dir(struct serve_options *o, const char *text, const char *from)
{
	o->data_dir = text;
	return *text ? EXIT_OK : bad(from, text, "a directory");
}

static int set_frequency(struct serve_options *o, const char *text, const char *from)
{
	if (!parse_u32_range(text, 1, FREQUENCY_MAX, &o->frequency_hz))
		return EXIT_OK;
	return bad(from, text, "samples a second from 1 to 10000");
}

static int set_bpf_memory(struct serve_options *o, const char *text, const char *from)
{
	if (!parse_size(text, &o->bpf_memory_bytes) && o->bpf_memory_bytes >= BPF_MEMORY_LEAST &&
	    o->bpf_memory_bytes <= BPF_MEMORY_MOST)
		return EXIT_OK;
	return bad(from, text, "a size from 4M to 16G");
}

static int set_retention(struct serve_options *o, const char *text, const char *from)
{
	if (!parse_duration(text, &o->retention_ns) && o->retention_ns >= RETENTION_LEAST)
		return EXIT_OK;
	return bad(from, text, "a time of at least 10s, such as 30m or 1h");
}

static int set_disk(struct serve_options *o, const char *text, const char *from)
{
	if (!parse_size(text, &o->disk_bytes) && o->disk_bytes >= DISK_LEAST &&
	    o->disk_bytes <= DISK_MOST)
		return EXIT_OK;
	return bad(from, text, "a size from 4M to 1024T, such as 2G");
}

static int set_store(struct serve_options *o, const char *text, const char *from)
{
	o->memory_store = !strcmp(text, "memory");
	if (o->memory_store || !strcmp(text, "sqlite:"))
		return EXIT_OK;
	return bad(from, text, "'sqlite:' (in the data directory) or 'memory'");
}

static int set_switch(bool *to, const char *text, const char *from)
{
	static const char *const yes[] = {"", "1", "true", "yes", "on"};
	static const char *const no[] = {"0", "false", "no", "off"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!strcmp(text, yes[i])) {
			*to = true;
			return EXIT_OK;
		}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (!strcmp(text, no[i])) {
			*to = false;
			return EXIT_OK;
		}
	return bad(from, text, "true or false");
}

static int set_insecure(struct serve_options *o, const char *text, const char *from)
{
	return set_switch(&o->insecure, text, from);
}

static int set_no_sampling(struct serve_options *o, const char *text, const char *from)
{
	return set_switch(&o->no_sampling, text, from);
}

static const struct setting settings[] = {
	{"listen", "ADDRESS:PORT", set_listen, "where to answer HTTP (default 127.0.0.1:7979)"},
	{"data-dir", "DIR", set_data_dir,
	 "where symbol files and history are kept (default /var/lib/hearth)"},
	{"frequency", "HZ", set_frequency, "samples a second on each busy CPU (default 99)"},
	{"bpf-memory", "SIZE", set_bpf_memory, "most memory of all BPF maps (default 64M)"},
	{"disk", "SIZE", set_disk, "most disk space that history takes (default 2G)"},
	{"retention", "TIME", set_retention,
	 "how long samples are kept (default: while there is room; in memory 1h)"},
	{"store", "sqlite:|memory", set_store, "where history is kept (default sqlite:)"},
	{"insecure", NULL, set_insecure,
	 "allow an address that others can reach, without authentication"},
	{"no-sampling", NULL, set_no_sampling, "serve without sampling this machine"},
};

static void print_help(void)
{
	fputs("usage: hearth serve [OPTION...]\n"
	      "\n"
	      "Samples the whole machine all the time, keeps history, and answers HTTP: a page with flame graphs at\n"
	      "http://127.0.0.1:7979/, pprof at /debug/pprof/profile. Runs until SIGINT or SIGTERM.\n"
	      "\n",
	      stdout);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		char flag[48];

		(void)snprintf(flag, sizeof(flag), "--%s %s", settings[i].name, /* fits */
			       settings[i].value ? settings[i].value : "");
		printf("  %-26s %s\n", flag, settings[i].help);
	}
	fputs("  --help                     this text\n"
	      "\n"
	      "Each can be set by an environment variable too, HEARTH_DATA_DIR for --data-dir; a flag goes before it.\n"
	      "Exit status: 0 stopped by a signal, 1 could not run, 2 wrong options.\n",
	      stdout);
}

static int read_environment(struct serve_options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		char name[48] = "HEARTH_";
		size_t at = strlen(name);

		for (const char *c = settings[i].name; *c && at + 1 < sizeof(name); c++)
			name[at++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
		name[at] = '\0';

		const char *text = getenv(name);

		if (!text)
			continue;

		int status = settings[i].set(o, text, name);

		if (status)
			return status;
	}
	return EXIT_OK;
}

static int read_flags(int argc, char **argv, struct serve_options *o, bool *ret_help)
{
	struct option options[ARRAY_SIZE(settings) + 2] = {{"help", no_argument, NULL, 0}};
	int at = 0;
	int found;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		options[i + 1] = (struct option){
			settings[i].name, settings[i].value ? required_argument : no_argument, NULL,
			0};
	opterr = 0;
	optind = 1;
	while ((found = getopt_long(argc, argv, "+:h", options, &at)) >= 0) {
		char name[48];

		if (found == ':')
			return cmd_usage("serve", "'%s' wants a value", argv[optind - 1]);
		if (found == '?')
			return cmd_usage("serve", "unknown option '%s'", argv[optind - 1]);
		if (found == 'h' || !at) {
			*ret_help = true;
			return EXIT_OK;
		}
		(void)snprintf(name, sizeof(name), "--%s", settings[at - 1].name); /* fits */

		int status = settings[at - 1].set(o, optarg ? optarg : "", name);

		if (status)
			return status;
	}
	if (optind < argc)
		return cmd_usage("serve", "unexpected argument '%s'", argv[optind]);
	return EXIT_OK;
}

static int check(const struct serve_options *o)
{
	if (o->listen.loopback || o->insecure)
		return EXIT_OK;
	return cmd_usage(
		"serve",
		"'%s' can be reached by others, who would see the names of all that runs here; "
		"listen on 127.0.0.1, or say --insecure",
		o->listen_text);
}

bool serve_parse(int argc, char **argv, struct serve_options *ret, int *ret_status)
{
	struct serve_options o = {
		.data_dir = "/var/lib/hearth",
		.frequency_hz = 99,
		.bpf_memory_bytes = 64ull << 20,
		.disk_bytes = 2ull << 30,
	};
	bool help = false;
	int status = set_listen(&o, "127.0.0.1:7979", "--listen");

	if (!status)
		status = read_environment(&o);
	if (!status)
		status = read_flags(argc, argv, &o, &help);
	if (!status && help)
		print_help();
	else if (!status)
		status = check(&o);
	*ret = o;
	*ret_status = status;
	return !status && !help;
}
