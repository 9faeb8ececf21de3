/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "server/cmd/cmd.h"
#include "server/cmd/symbols.h"

#define INPUT_BYTES 65536 /* also the longest line that is looked at */
#define SHOWN_BYTES 64	  /* of a line that is no address, in the warning */

static const char usage[] =
	"usage: hearth symbolize --binary FILE [OPTION...] [ADDRESS...]\n"
	"\n"
	"Names addresses of an executable or shared library: for each, its functions from the innermost inlined\n"
	"one outwards, each with file:line:column in the line below it, then an empty line. What is not known\n"
	"reads ?? and ??:0:0. Addresses are ELF virtual addresses in hex, one a line on standard input if none\n"
	"is given.\n"
	"\n"
	"  -e, --binary FILE       the file the addresses are of\n"
	"      --debug-file FILE   where its debug information is (default: searched for by build id and debug link)\n"
	"      --cache-dir DIR     where symbol files are kept (default " SYMBOLS_DEFAULT_CACHE
	",\n"
	"                          if it can be written)\n"
	"  -h, --help              this text\n"
	"\n"
	"The exit status is 0 also if nothing is known of the addresses; 1 if the file cannot be read, 2 for a\n"
	"wrong command line.\n"
	"\n"
	"  hearth symbolize --binary /bin/ls 0x6f10\n";

/* What printing needs from call to call. */
struct printer {
	const struct symfile *symbols;
	struct symfile_frame *chain; /* room for SYMFILE_CHAIN_MAX */
};

static void print_frame(const char *function, const char *file, uint32_t line, uint32_t column)
{
	fputs(function ? function : "??", stdout);
	putchar('\n');
	fputs(file ? file : "??", stdout);
	printf(":%" PRIu32 ":%" PRIu32 "\n", line, column);
}

static void print_address(const struct printer *p, uint64_t address)
{
	size_t count = symfile_lookup(p->symbols, address, p->chain, SYMFILE_CHAIN_MAX);

	for (size_t i = 0; i < count; i++)
		print_frame(p->chain[i].function, p->chain[i].file, p->chain[i].line,
			    p->chain[i].column);
	if (!count)
		print_frame(NULL, NULL, 0, 0);
	putchar('\n');
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	return text;
}

static void print_text(const struct printer *p, char *text)
{
	const char *trimmed = trim(text);
	char shown[SHOWN_BYTES + 1] = "";
	uint64_t address;

	if (!parse_hex(trimmed, &address)) {
		print_address(p, address);
		return;
	}
	for (size_t i = 0; i < SHOWN_BYTES && trimmed[i]; i++)
		shown[i] = (char)(isprint((unsigned char)trimmed[i]) ? trimmed[i] : '?');
	fprintf(stderr, "hearth: '%s' is no address: write it in hex, as in 0x1a2b\n", shown);
	print_frame(NULL, NULL, 0, 0);
	putchar('\n');
}

/*
 * Lines of stdin, printed as they come: who writes an address and waits for the answer gets it. A line that does not
 * fit into the buffer is no address, its rest is skipped.
 */
static int print_input(const struct printer *p)
{
	auto_free char *bytes = malloc(INPUT_BYTES + 1);
	size_t kept = 0;
	bool skipping = false;

	if (!bytes)
		return cmd_fail("out of memory");
	for (;;) {
		ssize_t count = read(STDIN_FILENO, bytes + kept, INPUT_BYTES - kept);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return cmd_fail("cannot read addresses from standard input: %s",
					strerror(errno));
		if (!count)
			break;

		char *at = bytes, *end = bytes + kept + count;

		for (char *newline; (newline = memchr(at, '\n', (size_t)(end - at)));
		     at = newline + 1) {
			*newline = '\0';
			if (!skipping)
				print_text(p, at);
			skipping = false;
		}
		kept = (size_t)(end - at);
		memmove(bytes, at, kept);
		if (kept == INPUT_BYTES) {
			bytes[kept] = '\0';
			if (!skipping)
				print_text(p, bytes);
			skipping = true;
			kept = 0;
		}
		if (fflush(stdout))
			return EXIT_OK; /* reported at the end */
	}
	bytes[kept] = '\0';
	if (kept && !skipping)
		print_text(p, bytes);
	return EXIT_OK;
}

static int print_all(const struct symfile *symbols, int count, char **texts)
{
	auto_free struct symfile_frame *chain = calloc(SYMFILE_CHAIN_MAX, sizeof(*chain));
	struct printer printer = {symbols, chain};
	int status = EXIT_OK;

	if (!chain)
		return cmd_fail("out of memory");
	for (int i = 0; i < count; i++)
		print_text(&printer, texts[i]);
	if (!count)
		status = print_input(&printer);
	if (!status && (fflush(stdout) || ferror(stdout)))
		return cmd_fail("cannot write the names to standard output: %s", strerror(errno));
	return status;
}

int cmd_symbolize(int argc, char **argv)
{
	static const struct option options[] = {
		{"binary", required_argument, NULL, 'e'},
		{"debug-file", required_argument, NULL, 'd'},
		{"cache-dir", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct symbols_options wanted = {0};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":e:h", options, NULL)) != -1) {
		switch (option) {
		case 'e':
			wanted.binary = optarg;
			break;
		case 'd':
			wanted.debug_file = optarg;
			break;
		case 'c':
			wanted.cache_dir = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		case ':':
			return cmd_usage(argv[0], "option '%s' needs a value", argv[optind - 1]);
		default:
			return cmd_usage(argv[0], "unknown option '%s'", argv[optind - 1]);
		}
	}
	if (!wanted.binary)
		return cmd_usage(argv[0], "--binary is missing");

	struct symbols symbols;
	int status = symbols_load(&wanted, &symbols);

	if (!status)
		status = print_all(symbols.symbols, argc - optind, argv + optind);
	symbols_release(&symbols);
	return status;
}
