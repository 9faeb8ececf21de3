// SPDX-License-Identifier: Apache-2.0
#include "server/query/mend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/check.h"

static struct symbol_facts stripped = {.state = SYMBOLS_NONE};
static struct mend_case host_file = {
	.kind = BINARY_ELF,
	.path = "/usr/bin/bash",
	.package = "bash",
	.symbols = &stripped,
	.distribution = DISTRIBUTION_DEBIAN,
	.of_host = true,
};

static void the_command_fits_the_distribution(void **state)
{
	(void)state;
	static const struct {
		enum distribution distribution;
		const char *package, *path, *command;
	} cases[] = {
		{DISTRIBUTION_DEBIAN, "bash", "/usr/bin/bash", "apt-get install bash-dbgsym"},
		{DISTRIBUTION_UBUNTU, "bash", "/usr/bin/bash", "apt-get install bash-dbgsym"},
		{DISTRIBUTION_DEBIAN, "libc6", "/lib/libc.so.6", "apt-get install libc6-dbg"},
		{DISTRIBUTION_DEBIAN, "openjdk-17-jre-headless", "/l",
		 "apt-get install openjdk-17-dbg"},
		{DISTRIBUTION_DEBIAN, "", "/opt/x", ""},
		{DISTRIBUTION_FEDORA, "", "/usr/bin/bash", "dnf debuginfo-install '/usr/bin/bash'"},
		{DISTRIBUTION_FEDORA, "", "/tmp/a'; rm -rf /'", ""},
		{DISTRIBUTION_UNKNOWN, "", "/usr/bin/bash", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mend_case c = host_file;
		struct mend m;

		c.distribution = cases[i].distribution;
		c.package = cases[i].package;
		c.path = cases[i].path;
		mend_symbols(&c, &m);
		assert_string_equal(m.command, cases[i].command);
		assert_true(strlen(m.why) > 20);
	}
}

static void a_file_of_a_container_is_not_mended_by_the_hosts_packages(void **state)
{
	(void)state;
	struct mend_case c = host_file;
	struct mend m;

	c.of_host = false;
	mend_symbols(&c, &m);
	assert_string_equal(m.command, "");
	assert_non_null(strstr(m.why, "container"));
}

static void what_failed_is_told_as_it_was(void **state)
{
	(void)state;
	static struct symbol_facts failed = {.state = SYMBOLS_FAILED, .reason = "it exploded"};
	static struct symbol_facts other = {.state = SYMBOLS_FULL,
					    .tried = "missing host /a\nmismatch host /b\n"};
	struct mend_case c = host_file;
	struct mend m;

	c.symbols = &failed;
	mend_symbols(&c, &m);
	assert_string_equal(m.why, "it exploded");
	c.symbols = &other;
	mend_symbols(&c, &m);
	assert_non_null(strstr(m.why, "another build"));
	c.symbols = NULL;
	mend_symbols(&c, &m);
	assert_non_null(strstr(m.why, "gone"));
}

static void code_made_at_run_time_gets_its_programs_option(void **state)
{
	(void)state;
	struct mend_case c = {.kind = BINARY_ANON, .path = "[anon]", .comm = "node", .package = ""};
	struct mend m;

	mend_symbols(&c, &m);
	assert_string_equal(m.command, "node --perf-basic-prof");
	c.comm = NULL;
	mend_symbols(&c, &m);
	assert_string_equal(m.command, "");
	assert_non_null(strstr(m.why, "perf-PID.map"));
}

static void distributions_are_told_by_their_id_then_by_what_they_are_like(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum distribution is;
	} cases[] = {
		{"NAME=x\nID=debian\n", DISTRIBUTION_DEBIAN},
		{"ID=ubuntu\nID_LIKE=debian\n", DISTRIBUTION_UBUNTU},
		{"ID_LIKE=\"rhel centos fedora\"\nID=\"rocky\"\n", DISTRIBUTION_FEDORA},
		{"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", DISTRIBUTION_UBUNTU},
		{"ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", DISTRIBUTION_SUSE},
		{"ID=archlike\n", DISTRIBUTION_UNKNOWN},
		{"ID=alpine\n", DISTRIBUTION_ALPINE},
		{"", DISTRIBUTION_UNKNOWN},
	};
	char path[] = "/tmp/hearth-release-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, cases[i].text, strlen(cases[i].text), 0),
				 strlen(cases[i].text));
		if (mend_distribution(path) != cases[i].is)
			fail_msg("%s", cases[i].text);
	}
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mend_distribution("/nonexistent"), DISTRIBUTION_UNKNOWN);
}

static void a_table_is_a_reason_only_where_something_is_wrong_with_it(void **state)
{
	(void)state;
	struct table_facts f = {.state = TABLE_READY, .fde_count = 10};
	struct mend m;

	assert_false(mend_unwinding(&f, &m));
	f.damaged_count = 2;
	assert_true(mend_unwinding(&f, &m));
	f = (struct table_facts){.state = TABLE_NONE, .reason = "no .eh_frame"};
	assert_true(mend_unwinding(&f, &m));
	assert_non_null(strstr(m.why, "-fasynchronous-unwind-tables"));
	f.state = TABLE_PENDING;
	assert_false(mend_unwinding(&f, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_fits_the_distribution),
		cmocka_unit_test(a_file_of_a_container_is_not_mended_by_the_hosts_packages),
		cmocka_unit_test(what_failed_is_told_as_it_was),
		cmocka_unit_test(code_made_at_run_time_gets_its_programs_option),
		cmocka_unit_test(distributions_are_told_by_their_id_then_by_what_they_are_like),
		cmocka_unit_test(a_table_is_a_reason_only_where_something_is_wrong_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
