// SPDX-License-Identifier: Apache-2.0
/*
 * hearth query: ask a running server, as `GET /api/v1/query` does.
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "server/cmd/cmd.h"
#include "server/cmd/output.h"
#include "server/http/json_list.h"
#include "version.h"

#define DEFAULT_SERVER	"http://127.0.0.1:7979"
#define ANSWER_MAX	(1ull << 30) /* bytes; a server that sends more is not believed */
#define CONNECT_LIMIT_S 10L

static const char usage[] =
	"usage: hearth query [OPTION...] [SELECTOR]\n"
	"\n"
	"Asks a running hearth for a profile from its history. SELECTOR says of what: '{comm=\"nginx\"}',\n"
	"'cpu{container=~\"web.*\",unit!=\"\"}'; without it, of everything.\n"
	"\n"
	"      --server URL        which server (default $HEARTH_SERVER or http://127.0.0.1:7979)\n"
	"      --from TIME         since when: now-15m (default), Unix seconds or RFC 3339\n"
	"      --to TIME           until when (default now)\n"
	"      --format FORMAT     pprof (default), folded, speedscope, html, top or flamegraph\n"
	"  -o, --output FILE       where to write; - is stdout (default by the format: hearth.pb.gz,\n"
	"                          hearth.speedscope.json, hearth.html, else stdout)\n"
	"      --cacert FILE       certificates to trust, for https\n"
	"  -h, --help              this text\n"
	"\n"
	"A name and password go into the URL or into ~/.netrc. Exit status: 0 done, 1 failed, 2 wrong command line.\n"
	"\n"
	"  hearth query --from now-1h '{comm=\"nginx\"}'     go tool pprof -http=: hearth.pb.gz\n"
	"  hearth query --format folded | sort -k2 -rn\n";

static const struct {
	const char *name, *output, *suffix;
} formats[] = {
	{"pprof", "hearth.pb.gz", ".pb.gz"},
	{"folded", "-", ".folded"},
	{"speedscope", "hearth.speedscope.json", ".speedscope.json"},
	{"html", "hearth.html", ".html"},
	{"top", "-", ".top.json"},
	{"flamegraph", "-", ".flamegraph.json"},
};

struct options {
	const char *server, *from, *to, *format, *output, *cacert, *selector;
};

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t suffix_length = strlen(suffix);

	return length > suffix_length && !strcmp(text + length - suffix_length, suffix);
}

/* The format and the file follow each other where only one is given. */
static int complete(struct options *o)
{
	size_t found = ARRAY_SIZE(formats);

	for (size_t i = ARRAY_SIZE(formats); i-- > 0;)
		if (o->format ? !strcmp(o->format, formats[i].name)
			      : o->output && has_suffix(o->output, formats[i].suffix))
			found = i;
	if (found == ARRAY_SIZE(formats) && o->format)
		return cmd_usage("query",
				 "unknown format '%s': it is pprof, folded, speedscope, html, top "
				 "or flamegraph",
				 o->format);
	if (found == ARRAY_SIZE(formats))
		found = 0;
	o->format = formats[found].name;
	if (!o->output)
		o->output = formats[found].output;
	if (!found && !strcmp(o->output, "-") && isatty(STDOUT_FILENO))
		return cmd_usage("query", "a terminal cannot show pprof: redirect it, or choose "
					  "--format folded");
	return EXIT_OK;
}

/* Returns whether to go on; @ret_status otherwise. */
static bool parse(int argc, char **argv, struct options *o, int *ret_status)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 's'}, {"from", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},	  {"format", required_argument, NULL, 'F'},
		{"output", required_argument, NULL, 'o'}, {"cacert", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},	  {0},
	};
	const char **const places[] = {&o->server, &o->from,   &o->to,
				       &o->format, &o->output, &o->cacert};
	static const char letters[] = "sftFoc";
	int found;

	opterr = 0;
	*ret_status = EXIT_OK;
	while ((found = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		const char *letter = strchr(letters, found);

		if (found == 'h') {
			fputs(usage, stdout);
			return false;
		}
		if (found == ':' || found == '?' || !letter) {
			*ret_status = cmd_usage("query",
						found == ':' ? "'%s' wants a value"
							     : "unknown option '%s'",
						argv[optind - 1]);
			return false;
		}
		*places[letter - letters] = optarg;
	}
	if (optind + 1 < argc) {
		*ret_status = cmd_usage("query", "unexpected argument '%s': there is one selector",
					argv[optind + 1]);
		return false;
	}
	o->selector = optind < argc ? argv[optind] : NULL;
	*ret_status = complete(o);
	return !*ret_status;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct buffer *out = arg;

	buffer_append(out, bytes, size * count);
	return out->error ? 0 : size * count;
}

static void put_parameter(CURL *curl, struct buffer *url, const char *name, const char *value)
{
	char *escaped = value ? curl_easy_escape(curl, value, 0) : NULL;

	if (!value)
		return;
	buffer_printf(url, "&%s=", name);
	if (escaped)
		buffer_puts(url, escaped);
	else
		url->error = -ENOMEM;
	curl_free(escaped);
}

/* The address of the question; NULL without memory. */
static const char *make_url(CURL *curl, const struct options *o, struct buffer *url)
{
	size_t length = strlen(o->server);

	while (length && o->server[length - 1] == '/')
		length--;
	buffer_append(url, o->server, length);
	buffer_printf(url, "/api/v1/query?format=%s", o->format);
	put_parameter(curl, url, "query", o->selector);
	put_parameter(curl, url, "from", o->from);
	put_parameter(curl, url, "to", o->to);
	return buffer_terminate(url);
}

/* What the server says went wrong: {"error": "..."}, or what it sent instead. */
static int refused(const struct options *o, long status, struct buffer *body)
{
	static const char key[] = "\"error\":";
	const char *text = buffer_terminate(body);
	const char *at = text ? strstr(text, key) : NULL;
	char **list = NULL;
	size_t count = 0;
	auto_buffer array = BUFFER_INIT;

	if (at) {
		at += sizeof(key) - 1;
		buffer_printf(&array, "[%.*s]", (int)(strrchr(at, '}') ? strrchr(at, '}') - at : 0),
			      at);
	}
	if (at && buffer_terminate(&array) && !json_list_parse(array.bytes, 1, &list, &count) &&
	    count) {
		int result = cmd_fail("'%s' answers %ld: %s", o->server, status, list[0]);

		free(list[0]);
		free(list);
		return result;
	}
	free(list);
	return cmd_fail("'%s' answers %ld: %.200s", o->server, status,
			text && body->length ? text : "is it a hearth server?");
}

/* Asks. @body: what came back. Returns the exit status. */
static int ask(CURL *curl, const struct options *o, struct buffer *body)
{
	auto_buffer url = BUFFER_INIT;
	const char *address = make_url(curl, o, &url);
	char reason[CURL_ERROR_SIZE] = "";
	long status = 0;

	if (!address)
		return cmd_fail("cannot ask '%s': out of memory", o->server);
	body->limit = ANSWER_MAX;
	/* None of these fails but for want of memory, and then the transfer does. */
	(void)curl_easy_setopt(curl, CURLOPT_URL, address);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "hearth/" HEARTH_VERSION);
	(void)curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_LIMIT_S);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (o->cacert)
		(void)curl_easy_setopt(curl, CURLOPT_CAINFO, o->cacert);

	CURLcode result = curl_easy_perform(curl);

	if (body->error)
		return cmd_fail("the answer of '%s' is too large: ask for a shorter range",
				o->server);
	if (result != CURLE_OK)
		return cmd_fail("cannot ask '%s': %s; is 'hearth serve' running there?", o->server,
				*reason ? reason : curl_easy_strerror(result));
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status); /* exists */
	return status == 200 ? EXIT_OK : refused(o, status, body);
}

static int answer(const struct options *o)
{
	auto_buffer body = BUFFER_INIT;
	struct output out = OUTPUT_INIT;
	int err = output_open(o->output, &out);

	if (err)
		return cmd_fail("cannot write '%s': %s; choose another file with -o", o->output,
				strerror(-err));

	CURL *curl = curl_easy_init();
	int status =
		curl ? ask(curl, o, &body) : cmd_fail("cannot ask '%s': out of memory", o->server);

	curl_easy_cleanup(curl);
	if (status) {
		output_abandon(&out);
		return status;
	}
	err = output_commit(&out, body.bytes, body.length);
	if (err)
		return cmd_fail("cannot write '%s': %s", o->output, strerror(-err));
	if (isatty(STDERR_FILENO) && strcmp(o->output, "-"))
		fprintf(stderr, "%zu bytes -> %s\n", body.length, o->output);
	return EXIT_OK;
}

int cmd_query(int argc, char **argv)
{
	const char *server = getenv("HEARTH_SERVER");
	struct options o = {.server = server && *server ? server : DEFAULT_SERVER};
	int status;

	if (!parse(argc, argv, &o, &status))
		return status;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return cmd_fail("cannot ask '%s': libcurl does not start", o.server);
	status = answer(&o);
	curl_global_cleanup();
	return status;
}
