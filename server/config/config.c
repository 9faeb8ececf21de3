// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the sources in their order.
 */
#include "server/config/config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "server/config/option.h"

#define VARIABLE_MAX 64 /* bytes of HEARTH_NAME */

/* Flags that are no options: they say what to do. In front of the options in the list for getopt. */
static const struct {
	const char *name;
	enum config_wish wish;
	const char *help;
} wishes[] = {
	{"help", CONFIG_HELP, "this text"},
	{"check-config", CONFIG_CHECK, "say whether the configuration is right, and end"},
	{"print-config", CONFIG_PRINT, "print the configuration in force as YAML, and end"},
};

void config_destroy(struct config *c)
{
	if (!c)
		return;
	strpool_release(&c->texts);
	web_config_destroy(c->web);
	free(c);
}

static int apply_defaults(struct config *c, struct config_error *error)
{
	int err = 0;

	for (size_t i = 0; i < option_count && !err; i++) {
		const struct option_spec *o = &option_table[i];
		struct option_value v = {.from = "default", .text = o->fallback};

		c->origins[i].text = "";
		if (o->fallback)
			err = option_apply_joined(c, o, &v, error);
	}
	return err;
}

static void variable_name(const struct option_spec *o, char name[static VARIABLE_MAX])
{
	static const char prefix[] = "HEARTH_";
	size_t at = sizeof(prefix) - 1;

	memcpy(name, prefix, at);
	for (const char *from = option_key(o); *from && at + 1 < VARIABLE_MAX; from++)
		name[at++] = (char)(*from == '-' ? '_' : toupper((unsigned char)*from));
	name[at] = '\0';
}

/* An empty variable counts as none. */
static int apply_environment(struct config *c, struct config_error *error)
{
	int err = 0;

	for (size_t i = 0; i < option_count && !err; i++) {
		char name[VARIABLE_MAX];

		variable_name(&option_table[i], name);

		const char *text = getenv(name);
		struct option_value v = {.source = CONFIG_ENVIRONMENT, .from = name, .text = text};

		if (text && *text)
			err = option_apply_joined(c, &option_table[i], &v, error);
	}
	return err;
}

/* --- flags ------------------------------------------------------------------------------------- */

struct flags {
	struct option options[ARRAY_SIZE(wishes) + CONFIG_OPTIONS_MAX + 1];
};

static void make_flags(struct flags *f)
{
	size_t at = 0;

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		f->options[at++] = (struct option){.name = wishes[i].name};
	for (size_t i = 0; i < option_count; i++)
		f->options[at++] = (struct option){
			.name = option_table[i].name,
			.has_arg = option_table[i].value ? required_argument : optional_argument};
}

static int apply_flag(struct config *c, const struct option_spec *o, const char *text,
		      struct config_error *error)
{
	char from[VARIABLE_MAX];
	struct option_value v = {.source = CONFIG_FLAG, .from = from, .text = text ? text : "true"};

	(void)snprintf(from, sizeof(from), "--%s", o->name); /* fits */
	return option_apply_joined(c, o, &v, error);
}

/* @only_first: look for wishes and --config only. */
static int apply_flags(int argc, char **argv, struct config *c, bool only_first,
		       struct config_error *error)
{
	struct flags flags;
	int index = 0;
	int found;

	make_flags(&flags);
	opterr = 0;
	optind = 0; /* start anew */
	while ((found = getopt_long(argc, argv, "+:h", flags.options, &index)) >= 0) {
		size_t at = found == 'h' ? 0 : (size_t)index;

		if (found == ':')
			return config_wrong(error, "'%s' wants a value", argv[optind - 1]);
		if (found == '?')
			return config_wrong(error, "unknown option '%s'", argv[optind - 1]);
		if (at < ARRAY_SIZE(wishes)) {
			if (c->wish != CONFIG_HELP)
				c->wish = wishes[at].wish;
			continue;
		}

		const struct option_spec *o = &option_table[at - ARRAY_SIZE(wishes)];
		int err = only_first && !o->not_in_file ? 0 : apply_flag(c, o, optarg, error);

		if (err)
			return err;
	}
	return optind < argc ? config_wrong(error, "unexpected argument '%s'", argv[optind]) : 0;
}

/* --- all together ------------------------------------------------------------------------------ */

static int apply_file(struct config *c, struct config_error *error)
{
	const char *variable = getenv("HEARTH_CONFIG");

	if (!c->file && variable && *variable)
		c->file = config_text(c, variable);
	if (!c->file && !access(CONFIG_DEFAULT_FILE, F_OK))
		c->file = CONFIG_DEFAULT_FILE;
	return c->file ? config_read_file(c, c->file, error) : 0;
}

/* Whether something is asked of clients. */
static bool is_guarded(const struct config *c)
{
	return c->token_file || c->web->user_count || c->web->client_auth == WEB_CLIENT_REQUIRED;
}

/* What must hold between options. */
static int check(const struct config *c, struct config_error *error)
{
	if (!c->push_cert_file != !c->push_key_file)
		return config_wrong(error, "--push-cert-file and --push-key-file go together");
	if (c->listen.loopback || c->insecure || (c->web && c->web->cert && is_guarded(c)))
		return 0;
	return config_wrong(error,
			    "'%s' can be reached by others, who would see the names of all that "
			    "runs here; listen on 127.0.0.1, give TLS and users or client "
			    "certificates with --web-config, or say --insecure",
			    c->listen_text);
}

static int read_web_config(struct config *c, struct config_error *error)
{
	char text[512];

	if (!c->web_config_file)
		return 0;

	int err = web_config_load(c->web_config_file, &c->web, text, sizeof(text));

	if (err) {
		(void)config_wrong(error, "%s", text);
		error->is_wrong = err == -EINVAL;
	}
	return err;
}

int config_load(int argc, char **argv, struct config **ret, struct config_error *error)
{
	CLEANUP(config_destroyp) struct config *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)config_wrong(error, "cannot read the configuration: out of memory");
		error->is_wrong = false;
		return -ENOMEM;
	}

	int err = apply_flags(argc, argv, c, true, error);

	if (!err && c->wish != CONFIG_HELP) {
		err = apply_defaults(c, error);
		if (!err)
			err = apply_file(c, error);
		if (!err)
			err = apply_environment(c, error);
		if (!err)
			err = apply_flags(argc, argv, c, false, error);
		if (!err)
			err = read_web_config(c, error);
		if (!err)
			err = check(c, error);
	}
	if (err)
		return err;
	*ret = take_ptr(c);
	return 0;
}

/* --- showing ----------------------------------------------------------------------------------- */

static void print_row(FILE *to, const char *name, const char *value, const char *help)
{
	char flag[64];

	(void)snprintf(flag, sizeof(flag), "--%s%s%s", name, value ? " " : "",
		       value ? value : ""); /* fits */
	fprintf(to, "  %-26s %s", flag, help);
}

void config_help(FILE *to)
{
	static const char *const titles[OPTION_GROUP_COUNT] = {"Sampling", "History", "HTTP",
							       "Queries",  "Fleet",   "General"};

	for (size_t g = 0; g < OPTION_GROUP_COUNT; g++) {
		fprintf(to, "%s%s:\n", g ? "\n" : "", titles[g]);
		for (size_t i = 0; i < option_count; i++) {
			const struct option_spec *o = &option_table[i];

			if (o->group != g)
				continue;
			print_row(to, o->name, o->value, o->help);
			if (o->fallback)
				fprintf(to, " (default %s)", o->fallback);
			fputc('\n', to);
		}
	}
	for (size_t i = ARRAY_SIZE(wishes); i-- > 0;) {
		print_row(to, wishes[i].name, NULL, wishes[i].help);
		fputc('\n', to);
	}
}

/* A YAML double-quoted scalar (YAML 1.1, 5.7). */
static void print_quoted(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			fprintf(to, "\\x%02x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

static void print_items(const struct option_spec *o, const struct config *c, FILE *to)
{
	const struct config_items *list =
		(const struct config_items *)((const char *)c + o->offset);

	for (uint32_t i = 0; i < list->count; i++) {
		fputs(list->items[i].name ? "  " : "  - ", to);
		if (list->items[i].name)
			fprintf(to, "%s: ", list->items[i].name);
		print_quoted(to, list->items[i].value);
		fputc('\n', to);
	}
}

static void print_origin(const struct option_spec *o, const struct config *c, FILE *to)
{
	const struct config_origin *origin = &c->origins[o - option_table];
	char variable[VARIABLE_MAX];

	variable_name(o, variable);
	switch (origin->source) {
	case CONFIG_DEFAULT:
		fputs("  # default\n", to);
		break;
	case CONFIG_FILE:
		fprintf(to, "  # line %u of the file\n", origin->line);
		break;
	case CONFIG_ENVIRONMENT:
		fprintf(to, "  # %s\n", variable);
		break;
	case CONFIG_FLAG:
		fprintf(to, "  # --%s\n", o->name);
		break;
	}
}

void config_print(const struct config *c, FILE *to)
{
	fprintf(to, "# %s%s\n", c->file ? "file: " : "no configuration file",
		c->file ? c->file : "");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_spec *o = &option_table[i];
		const char *text = c->origins[i].text;

		if (o->not_in_file || (o->shape == OPTION_ONE && o->value && !*text))
			continue;
		if (o->shape != OPTION_ONE && c->origins[i].source == CONFIG_DEFAULT && !*text)
			continue;
		fprintf(to, "%s:", option_key(o));
		if (o->shape == OPTION_ONE) {
			fputc(' ', to);
			if (o->value)
				print_quoted(to, text);
			else
				fputs(*text ? text : "false", to);
		}
		print_origin(o, c, to);
		if (o->shape != OPTION_ONE)
			print_items(o, c, to);
	}
}

/* --- comparing --------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static bool same_items(const struct config_items *a, const struct config_items *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!same_text(a->items[i].name, b->items[i].name) ||
		    !same_text(a->items[i].value, b->items[i].value))
			return false;
	return true;
}

static bool same_value(size_t row, const struct config *a, const struct config *b)
{
	const struct option_spec *o = &option_table[row];

	if (o->shape == OPTION_ONE)
		return same_text(a->origins[row].text, b->origins[row].text);
	return same_items((const struct config_items *)((const char *)a + o->offset),
			  (const struct config_items *)((const char *)b + o->offset));
}

size_t config_compare(const struct config *before, const struct config *after,
		      void (*changed)(const char *name, bool reloadable, void *arg), void *arg)
{
	size_t count = 0;

	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].not_in_file || same_value(i, before, after))
			continue;
		changed(option_table[i].name, option_table[i].reloadable, arg);
		count++;
	}
	return count;
}
