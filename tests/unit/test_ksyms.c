/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbolizer/ksyms.h"

DEFINE_CLEANUP(ksyms_destroy, struct ksyms *)
#define auto_ksyms CLEANUP(ksyms_destroyp) struct ksyms

static int load_text(const char *text, size_t length, struct ksyms **ret)
{
	auto_close int fd = memfd_create("kallsyms", MFD_CLOEXEC);
	char path[64];

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return ksyms_load(path, ret);
}

static void assert_name(const struct ksyms *k, uint64_t addr, const char *name, const char *module)
{
	struct ksym sym;

	assert_int_equal(ksyms_lookup(k, addr, &sym), 0);
	assert_string_equal(sym.name, name);
	if (module)
		assert_string_equal(sym.module, module);
	else
		assert_null(sym.module);
}

static const char sample[] = "0000000000000000 A fixed_percpu_data\n"
			     "ffffffff81000000 t _text_local\n"
			     "ffffffff81000000 W _weak\n"
			     "ffffffff81000000 T __under\n"
			     "ffffffff81000000 T plain\n"
			     "ffffffff810000f0 t __pfx_second\n"
			     "ffffffff81000100 T second\n"
			     "ffffffff81000200 D data\n"
			     "ffffffff81000300 R more_data\n"
			     "ffffffffc0202000 t probe\t[e1000]\n"
			     "ffffffffc0201000 t init\t[e1000]\n"
			     "ffffffffc0300000 t bpf_prog_6deef7357e7b4530_dump\t[bpf]\n";

static void lookup_finds_the_covering_symbol(void **state)
{
	auto_ksyms *k = NULL;
	struct ksym sym;

	(void)state;
	assert_int_equal(load_text(sample, sizeof(sample) - 1, &k), 0);
	assert_int_equal(ksyms_count(k), 5);
	assert_name(k, 0xffffffff81000000, "plain", NULL);
	assert_name(k, 0xffffffff810000ff, "plain", NULL);
	assert_name(k, 0xffffffff81000100, "second", NULL);
	assert_name(k, 0xffffffff810001ff, "second", NULL);
	assert_name(k, 0xffffffffc0201fff, "init", "e1000");
	assert_name(k, 0xffffffffc0202000, "probe", "e1000");
	assert_name(k, 0xffffffffc0300010, "bpf_prog_6deef7357e7b4530_dump", "bpf");

	assert_int_equal(ksyms_lookup(k, 0xffffffff80ffffff, &sym), -ENOENT);
	assert_int_equal(ksyms_lookup(k, 0, &sym), -ENOENT);
}

static void data_ends_a_function(void **state)
{
	auto_ksyms *k = NULL;
	struct ksym sym;

	(void)state;
	assert_int_equal(load_text(sample, sizeof(sample) - 1, &k), 0);
	assert_int_equal(ksyms_lookup(k, 0xffffffff81000200, &sym), -ENOENT);
	assert_int_equal(ksyms_lookup(k, 0xffffffff81000400, &sym), -ENOENT);
}

static void gap_behind_the_last_function_has_no_name(void **state)
{
	auto_ksyms *k = NULL;
	struct ksym sym;

	(void)state;
	assert_int_equal(load_text(sample, sizeof(sample) - 1, &k), 0);
	assert_int_equal(ksyms_lookup(k, 0xffffffffc0202000 + (256 << 10), &sym), -ENOENT);
	assert_int_equal(ksyms_lookup(k, 0xffffffffc0300000 + (256 << 10), &sym), 0);
	assert_int_equal(ksyms_lookup(k, UINT64_MAX, &sym), -ENOENT);
}

static void hidden_addresses_are_eperm(void **state)
{
	static const char hidden[] = "0000000000000000 T _text\n0000000000000000 t init\t[e1000]\n";
	struct ksyms *k = NULL;

	(void)state;
	assert_int_equal(load_text(hidden, sizeof(hidden) - 1, &k), -EPERM);
	assert_int_equal(load_text("", 0, &k), -EPERM);
	assert_null(k);
}

static void malformed_lines_are_skipped(void **state)
{
	static const char odd[] = "\n \nzzzz T x\nffffffff81000000\nffffffff81000000 T\n"
				  "ffffffff81000000 T \nfffffffff81000000 T too_long\n"
				  "ffffffff81000040 T good\tjunk\nffffffff81000080 T open\t[mod\n"
				  "ffffffff81000100 t last_without_newline";
	auto_ksyms *k = NULL;

	(void)state;
	assert_int_equal(load_text(odd, sizeof(odd) - 1, &k), 0);
	assert_int_equal(ksyms_count(k), 3);
	assert_name(k, 0xffffffff81000040, "good", NULL);
	assert_name(k, 0xffffffff81000081, "open", NULL);
	assert_name(k, 0xffffffff81000100, "last_without_newline", NULL);
}

static void overlong_line_is_skipped_whole(void **state)
{
	size_t length = 200000;
	auto_free char *text = malloc(length + 128);
	auto_ksyms *k = NULL;

	(void)state;
	assert_non_null(text);

	int at = sprintf(text, "ffffffff81000000 T a\nffffffff81000100 T ");

	memset(text + at, 'x', length - (size_t)at);
	strcpy(text + length, " ffffffff81000200 T hidden\nffffffff81000300 T b\n");
	assert_int_equal(load_text(text, strlen(text), &k), 0);
	assert_int_equal(ksyms_count(k), 2);
	assert_name(k, 0xffffffff81000150, "a", NULL);
	assert_name(k, 0xffffffff81000300, "b", NULL);
}

static void missing_file_is_reported(void **state)
{
	struct ksyms *k = NULL;

	(void)state;
	assert_int_equal(ksyms_load("/nonexistent/kallsyms", &k), -ENOENT);
}

/* Against the file itself: every text symbol of the running kernel is found under a name of its address. */
static void running_kernel_agrees_with_its_file(void **state)
{
	auto_ksyms *k = NULL;
	auto_fclose FILE *file = fopen("/proc/kallsyms", "re");
	char line[2048];
	size_t checked = 0;

	(void)state;
	assert_non_null(file);
	assert_int_equal(ksyms_load("/proc/kallsyms", &k), 0);
	while (fgets(line, sizeof(line), file)) {
		char *type;
		uint64_t addr = strtoull(line, &type, 16);
		struct ksym sym;

		if (!addr || !strchr("tTwW", type[1]) || !strncmp(type + 3, "__pfx_", 6))
			continue;
		assert_int_equal(ksyms_lookup(k, addr, &sym), 0);
		assert_int_equal(sym.start, addr);
		checked++;
	}
	assert_true(checked > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup_finds_the_covering_symbol),
		cmocka_unit_test(data_ends_a_function),
		cmocka_unit_test(gap_behind_the_last_function_has_no_name),
		cmocka_unit_test(hidden_addresses_are_eperm),
		cmocka_unit_test(malformed_lines_are_skipped),
		cmocka_unit_test(overlong_line_is_skipped_whole),
		cmocka_unit_test(missing_file_is_reported),
		cmocka_unit_test(running_kernel_agrees_with_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
