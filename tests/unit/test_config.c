// SPDX-License-Identifier: Apache-2.0
#include "server/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "server/config/option.h"
#include "server/log.h"
#include "unit/check.h"

static char path[] = "/tmp/hearth-config-XXXXXX";
static struct config_error error;

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);

	return fd < 0 || close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int forget_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		char name[64] = "HEARTH_";
		size_t at = strlen(name);

		for (const char *c = option_key(&option_table[i]); *c; c++)
			name[at++] = *c == '-' ? '_' : (char)(*c - 'a' + 'A');
		assert_int_equal(unsetenv(name), 0);
	}
	return 0;
}

static void write_file(const char *text, size_t length)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
}

/* Loads @text as the file, with at most two flags. */
static int load(const char *text, const char *flag, const char *flag2, struct config **ret)
{
	char *argv[] = {(char *)"serve", (char *)"--config", path,
			(char *)flag,	 (char *)flag2,	     NULL};

	write_file(text, strlen(text));
	memset(&error, 0, sizeof(error));
	return config_load(3 + !!flag + !!flag2, argv, ret, &error);
}

static struct config *load_good(const char *text, const char *flag, const char *flag2)
{
	struct config *c = NULL;

	if (load(text, flag, flag2, &c))
		fail_msg("refused: %s", error.text);
	return c;
}

static void defaults_are_read_like_any_value(void **state)
{
	(void)state;
	CLEANUP(config_destroyp) struct config *c = load_good("", NULL, NULL);

	assert_int_equal(c->frequency_hz, 99);
	assert_int_equal(c->bpf_memory_bytes, 64 << 20);
	assert_int_equal(c->disk_bytes, 2ull << 30);
	assert_int_equal(c->retention_ns, 0);
	assert_int_equal(c->query_time_ns, 60 * NS_PER_S);
	assert_int_equal(c->log_level, LOG_LEVEL_INFO);
	assert_string_equal(c->data_dir, "/var/lib/hearth");
	assert_string_equal(c->store, "sqlite:");
	assert_int_equal(c->listen.port, 7979);
	assert_true(c->listen.loopback);
	assert_false(c->insecure || c->no_sampling);
	assert_int_equal(c->labels.count, 0);
	assert_string_equal(c->file, path);
	assert_int_equal(c->wish, CONFIG_RUN);
}

static void a_flag_goes_before_a_variable_before_the_file(void **state)
{
	(void)state;
	const char *text = "frequency: 11\ndisk: 11M\nbpf-memory: 11M\n";

	assert_int_equal(setenv("HEARTH_FREQUENCY", "22", 1), 0);
	assert_int_equal(setenv("HEARTH_DISK", "22M", 1), 0);

	CLEANUP(config_destroyp) struct config *c = load_good(text, "--frequency=33", NULL);

	assert_int_equal(c->frequency_hz, 33);
	assert_int_equal(c->disk_bytes, 22 << 20);
	assert_int_equal(c->bpf_memory_bytes, 11 << 20);
}

static void an_empty_variable_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(setenv("HEARTH_FREQUENCY", "", 1), 0);
	assert_int_equal(setenv("HEARTH_INSECURE", "", 1), 0);

	CLEANUP(config_destroyp) struct config *c = load_good("", NULL, NULL);

	assert_int_equal(c->frequency_hz, 99);
	assert_false(c->insecure);
}

static void the_variable_names_the_file(void **state)
{
	(void)state;
	char *argv[] = {(char *)"serve", NULL};
	CLEANUP(config_destroyp) struct config *c = NULL;

	write_file("frequency: 12\n", 14);
	assert_int_equal(setenv("HEARTH_CONFIG", path, 1), 0);
	assert_int_equal(config_load(1, argv, &c, &error), 0);
	assert_int_equal(c->frequency_hz, 12);
	assert_string_equal(c->file, path);
}

static void switches_can_be_switched_back(void **state)
{
	(void)state;
	CLEANUP(config_destroyp)
	struct config *c =
		load_good("insecure: yes\nno_sampling: on\n", "--no-sampling=false", "--insecure");

	assert_true(c->insecure);
	assert_false(c->no_sampling);
}

static const char *label(const struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->labels.count; i++)
		if (!strcmp(c->labels.items[i].name, name))
			return c->labels.items[i].value;
	return NULL;
}

static void labels_are_merged_by_name(void **state)
{
	(void)state;
	const char *text = "labels:\n  env: file\n  dc: 'a: b'\n  rack: 7\n";

	assert_int_equal(setenv("HEARTH_LABELS", "env=variable,zone=z=1", 1), 0);

	CLEANUP(config_destroyp)
	struct config *c = load_good(text, "--label=env=a,b", "--label=empty=");

	assert_int_equal(c->labels.count, 5);
	assert_string_equal(label(c, "env"), "a,b");
	assert_string_equal(label(c, "dc"), "a: b");
	assert_string_equal(label(c, "rack"), "7");
	assert_string_equal(label(c, "zone"), "z=1");
	assert_string_equal(label(c, "empty"), "");
}

static void every_option_can_be_set_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		const struct option_spec *o = &option_table[i];

		assert_non_null(o->help);
		assert_non_null(o->expected);
		if (o->not_in_file)
			continue;
		assert_ptr_equal(option_find(option_key(o)), o);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(o->name, option_table[j].name);
		if (!o->value)
			assert_null(o->fallback); /* a switch is off */
	}
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"frequency: 1\nfrequenzy: 3\n",
		 ":2: unknown key 'frequenzy'; did you mean 'frequency'?"},
		{"zzzzz: 1\n", ":1: unknown key 'zzzzz'"},
		{"\n\nfrequency: 0\n", ":3: expected samples"},
		{"frequency: 99x\n", "'99x'"},
		{"frequency: 4294967296\n", "'4294967296'"},
		{"frequency:\n", ":1: the key has no value"},
		{"frequency: ~\n", ":1: the key has no value"},
		{"frequency: [1]\n", ":1: expected a single value"},
		{"frequency: {a: b}\n", ":1: expected a single value"},
		{"frequency: 1\n# twice\nfrequency: 1\n", ":3: 'frequency' is there twice"},
		{"data-dir: ''\n", "expected a directory"},
		{"labels: [a]\n", ":1: expected 'NAME: VALUE'"},
		{"labels:\n  a: [b]\n", ":2: expected a value without parts"},
		{"labels:\n  a:\n", ":2: the name has no value"},
		{"labels:\n  comm: x\n", ":2: expected NAME=VALUE"},
		{"labels:\n  9a: x\n", ":2: expected NAME=VALUE"},
		{"labels:\n  'a b': x\n", ":2: expected NAME=VALUE"},
		{"config: other.yaml\n", "unknown key 'config'"},
		{"check-config: true\n", "unknown key"},
		{"- frequency\n", ":1: expected 'KEY: VALUE' lines"},
		{"frequency 3\n", ":1: expected 'KEY: VALUE' lines"},
		{"disk: &a 3G\n", ":1: anchors"},
		{"disk: *a\n", ":1: anchors"},
		{"disk: !!str 3G\n", ":1: anchors"},
		{"? [a]\n: b\n", ":1: expected a key"},
		{"disk: 3G\n---\ndisk: 3G\n", ":2: a second document"},
		{"disk: \"3\\0G\"\n", ":1: a text holds a NUL"},
		{"\xff\xfe\xfd", "byte"},
		{"disk: 3G\n\tx: y\n", ":2: "},
		{"insecure: maybe\n", "expected true or false"},
		{"listen: 0.0.0.0:80\n", "--insecure"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *c = NULL;

		if (load(cases[i].text, NULL, NULL, &c) != -EINVAL)
			fail_msg("accepted: %s", cases[i].text);
		assert_true(error.is_wrong);
		if (!strstr(error.text, cases[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, error.text,
				 cases[i].says);
		assert_null(strchr(error.text, '\n'));
	}
}

static void files_with_little_in_them_are_fine(void **state)
{
	(void)state;
	static const char *const texts[] = {"",		"\n",	     "# nothing\n",  "---\n",
					    "--- {}\n", "labels:\n", "labels: {}\n", "~\n"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		config_destroy(load_good(texts[i], NULL, NULL));
}

static void a_file_that_cannot_be_read_is_not_called_wrong(void **state)
{
	(void)state;
	char *argv[] = {(char *)"serve", (char *)"--config", (char *)"/tmp", NULL};
	struct config *c = NULL;

	assert_int_equal(config_load(3, argv, &c, &error), -EISDIR);
	assert_false(error.is_wrong);
	argv[2] = (char *)"/nonexistent/hearth.yaml";
	assert_int_equal(config_load(3, argv, &c, &error), -ENOENT);
	assert_non_null(strstr(error.text, argv[2]));
	assert_null(c);
}

static void a_large_file_is_refused(void **state)
{
	(void)state;
	auto_buffer text = BUFFER_INIT;
	char *argv[] = {(char *)"serve", (char *)"--config", path, NULL};
	struct config *c = NULL;

	for (size_t i = 0; i <= CONFIG_FILE_BYTES; i++)
		buffer_putc(&text, i % 80 ? '#' : '\n');
	write_file(text.bytes, text.length);
	assert_int_equal(config_load(3, argv, &c, &error), -EINVAL);
	assert_non_null(strstr(error.text, "larger"));

	/* Deep nesting ends with an answer, not with a crash. */
	buffer_clear(&text);
	buffer_puts(&text, "disk: ");
	for (size_t i = 0; i < CONFIG_FILE_BYTES / 2; i++)
		buffer_putc(&text, '[');
	write_file(text.bytes, text.length);
	assert_int_equal(config_load(3, argv, &c, &error), -EINVAL);
}

static void more_labels_than_fit_are_refused(void **state)
{
	(void)state;
	auto_buffer text = BUFFER_INIT;
	struct config *c = NULL;

	buffer_puts(&text, "labels:\n");
	for (int i = 0; i < CONFIG_ITEMS_MAX; i++)
		buffer_printf(&text, "  l%d: x\n", i);
	config_destroy(load_good(buffer_terminate(&text), NULL, NULL));
	buffer_puts(&text, "  more: x\n");
	assert_int_equal(load(buffer_terminate(&text), NULL, NULL, &c), -EINVAL);
}

/* Random damage to a good file: an answer each time; a file that is taken again is complete. */
static void damaged_files_get_an_answer(void **state)
{
	(void)state;
	static const char good[] =
		"listen: 127.0.0.1:0\nfrequency: 19\nlabels:\n  env: \"p\\\"q\"\n"
		"  dc: |\n    a\n    b\ndisk: 3G\ninsecure: no\n";
	uint64_t seed = 1;

	for (int i = 0; i < 3000; i++) {
		char text[sizeof(good)];
		struct config *c = NULL;

		memcpy(text, good, sizeof(good));
		for (uint64_t n = next_random(&seed) % 4; n > 0; n--)
			text[next_random(&seed) % (sizeof(good) - 1)] =
				(char)(1 + next_random(&seed) % 255);
		if (!load(text, NULL, NULL, &c))
			assert_true(c->frequency_hz >= 1 && c->frequency_hz <= 10000);
		config_destroy(c);
	}
}

static void what_is_printed_can_be_read_again(void **state)
{
	(void)state;
	char printed[] = "/tmp/hearth-printed-XXXXXX";
	const char *text =
		"labels:\n  a: \"quote \\\" back \\\\ line \\n\"\nfrequency: 7\ninsecure: on\n";
	CLEANUP(config_destroyp) struct config *c = load_good(text, "--retention=3h", NULL);
	CLEANUP(config_destroyp) struct config *again = NULL;
	int fd = mkstemp(printed);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	config_print(c, f);
	assert_int_equal(fclose(f), 0);

	char *argv[] = {(char *)"serve", (char *)"--config", printed, NULL};

	if (config_load(3, argv, &again, &error))
		fail_msg("%s", error.text);
	assert_int_equal(unlink(printed), 0);
	assert_string_equal(label(again, "a"), "quote \" back \\ line \n");
	assert_int_equal(again->frequency_hz, 7);
	assert_int_equal(again->retention_ns, 3 * 3600 * NS_PER_S);
	assert_true(again->insecure);
}

struct differences {
	char names[256];
	int reloadable;
};

static void note(const char *name, bool reloadable, void *arg)
{
	struct differences *d = arg;
	size_t length = strlen(d->names);

	(void)snprintf(d->names + length, sizeof(d->names) - length, "%s ", name);
	d->reloadable += reloadable;
}

static void changes_are_told_by_name(void **state)
{
	(void)state;
	CLEANUP(config_destroyp) struct config *a = load_good("labels: {a: b}\n", NULL, NULL);
	CLEANUP(config_destroyp)
	struct config *b =
		load_good("labels: {a: c}\nfrequency: 7\nlog-level: debug\n", NULL, NULL);
	struct differences d = {0};

	assert_int_equal(config_compare(a, a, note, &d), 0);
	assert_int_equal(config_compare(a, b, note, &d), 3);
	assert_string_equal(d.names, "frequency label log-level ");
	assert_int_equal(d.reloadable, 2);
}

static void unknown_flags_and_rests_are_refused(void **state)
{
	(void)state;
	static const char *const flags[] = {"--bogus",	    "rest", "--listen",
					    "--frequency=", "-x",   "--label=noequals"};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct config *c = NULL;

		assert_int_equal(load("", flags[i], NULL, &c), -EINVAL);
		assert_null(c);
	}
}

static void wishes_are_seen_and_help_asks_for_nothing_else(void **state)
{
	(void)state;
	CLEANUP(config_destroyp) struct config *check = load_good("", "--check-config", NULL);
	CLEANUP(config_destroyp) struct config *print = load_good("", "--print-config", NULL);
	CLEANUP(config_destroyp) struct config *help = load_good("no such: file", "--help", NULL);
	CLEANUP(config_destroyp) struct config *h = load_good("no such: file", "-h", NULL);

	assert_int_equal(check->wish, CONFIG_CHECK);
	assert_int_equal(print->wish, CONFIG_PRINT);
	assert_int_equal(help->wish, CONFIG_HELP);
	assert_int_equal(h->wish, CONFIG_HELP);
}

#define TEST(function) cmocka_unit_test_setup(function, forget_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_read_like_any_value),
		TEST(a_flag_goes_before_a_variable_before_the_file),
		TEST(an_empty_variable_says_nothing),
		TEST(the_variable_names_the_file),
		TEST(switches_can_be_switched_back),
		TEST(labels_are_merged_by_name),
		TEST(every_option_can_be_set_everywhere),
		TEST(what_is_wrong_is_named_with_its_line),
		TEST(files_with_little_in_them_are_fine),
		TEST(a_file_that_cannot_be_read_is_not_called_wrong),
		TEST(a_large_file_is_refused),
		TEST(more_labels_than_fit_are_refused),
		TEST(damaged_files_get_an_answer),
		TEST(what_is_printed_can_be_read_again),
		TEST(changes_are_told_by_name),
		TEST(unknown_flags_and_rests_are_refused),
		TEST(wishes_are_seen_and_help_asks_for_nothing_else),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
