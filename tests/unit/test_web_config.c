/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/web_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HASH "$2y$05$WUHhXETkX0fnYkrqZU3ta.eemkuQemn7SY87OGuTL3Q9E2fmmrey6"

/* Loads a text as a file. */
static int load(const char *text, size_t length, struct web_config **ret, char *error)
{
	char path[] = "/tmp/hearth-web-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);

	int err = web_config_load(path, ret, error, 256);

	unlink(path);
	return err;
}

static void expect(const char *text, const char *reason)
{
	struct web_config *c = NULL;
	char error[256] = "";

	assert_int_equal(load(text, strlen(text), &c, error), -EINVAL);
	if (!strstr(error, reason))
		fail_msg("'%s' does not say '%s'", error, reason);
	assert_null(c);
}

static void users_are_read(void **state)
{
	static const char text[] = "basic_auth_users:\n  ann: " HASH "\n  bob: '" HASH "'\n";
	struct web_config *c = NULL;
	char error[256];

	(void)state;
	assert_int_equal(load(text, strlen(text), &c, error), 0);
	assert_int_equal(c->user_count, 2);
	assert_string_equal(c->users[1].name, "bob");
	assert_string_equal(c->users[0].hash, HASH);
	assert_null(c->cert);
	web_config_destroy(c);
	assert_int_equal(load("", 0, &c, error), 0);
	assert_int_equal(c->user_count, 0);
	web_config_destroy(c);
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	expect("- a\n", "a mapping is expected");
	expect("nonsense: 1\n", ":1: unknown key 'nonsense'");
	expect("http_server_config:\n  headers: {}\n", ":2: 'headers' is not supported");
	expect("basic_auth_users:\n  ann: secret\n", "no bcrypt hash");
	expect("basic_auth_users:\n  ann: $2y$20$WUHhXETkX0fnYkrqZU3ta.eemkuQemn7SY87OGuTL3Q9E2fmmrey6\n",
	       "cost 4 to 14");
	expect("basic_auth_users:\n  'a:b': " HASH "\n", "has no ':'");
	expect("tls_server_config:\n  min_version: SSL30\n", "TLS12 or TLS13");
	expect("tls_server_config:\n  client_auth_type: RequestClientCert\n",
	       "client_auth_type is");
	expect("tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n",
	       "wants cert_file");
	expect("a: [\n", ":");
	expect("a: &x [*x, *x]\nb: *x\n", "unknown key");
}

static void a_password_is_never_in_the_error(void **state)
{
	static const char text[] = "basic_auth_users:\n  ann: hunter2\n";
	struct web_config *c = NULL;
	char error[256];

	(void)state;
	assert_int_equal(load(text, strlen(text), &c, error), -EINVAL);
	assert_null(strstr(error, "hunter2"));
}

static void files_have_a_limit(void **state)
{
	struct web_config *c = NULL;
	char *text = calloc(1, WEB_FILE_BYTES + 10);
	char error[256];

	(void)state;
	memset(text, '#', WEB_FILE_BYTES + 9);
	assert_int_equal(load(text, WEB_FILE_BYTES + 9, &c, error), -EFBIG);
	assert_int_equal(load("a\0b", 3, &c, error), -EINVAL);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_are_read),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_password_is_never_in_the_error),
		cmocka_unit_test(files_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
