/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables against libdw: the rule at the start and the last byte of every row, and at random addresses, of
 * executables of this machine. HEARTH_ORACLE_FILES (a space-separated list) replaces them; HEARTH_ORACLE_VERBOSE
 * prints a line a file.
 */
#include <errno.h>

#include "base/clock.h"
#include "symbolizer/unwind_elf.h"
#include "symbolizer/unwind_rule.h"
#include "symbolizer/unwind_table.h"
#include "unit/check.h"
#include "unit/unwind_oracle.h"

#define RANDOM_PCS 1000

static const char default_files[] =
	"/lib/x86_64-linux-gnu/libc.so.6 /lib64/ld-linux-x86-64.so.2 /bin/bash /usr/bin/git "
	"/usr/lib/x86_64-linux-gnu/libstdc++.so.6 /usr/lib/x86_64-linux-gnu/libcrypto.so.3 "
	"/usr/bin/python3 /usr/bin/perl /usr/bin/node /usr/lib/x86_64-linux-gnu/libLLVM-14.so.1 "
	"/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus "
	"/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so";

struct counts {
	uint64_t files, rows, compared, different, trampolines;
	uint64_t build_ns;
};

/* Signal return trampolines are found by their code where a file does not describe them: the one class of differences. */
static bool is_trampoline(const struct unwind_file *f, uint64_t pc, const char *path)
{
	static const uint8_t code[] = UNWIND_SIGRETURN_X86;
	uint8_t bytes[64] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_elf elf;

	(void)f;
	if (fd < 0 || unwind_elf_open(fd, -1, &elf))
		return false;

	const struct unwind_segment *s = unwind_elf_segment(&elf, pc);
	uint64_t into = s ? pc - s->vaddr : 0;

	if (s && into > 16 && into + 48 < s->file_bytes)
		memcpy(bytes, s->bytes + into - 16, sizeof(bytes));
	unwind_elf_release(&elf);
	(void)close(fd);
	return memmem(bytes, sizeof(bytes), code, UNWIND_SIGRETURN_X86_BYTES) != NULL;
}

static void compare_at(struct oracle *o, const struct unwind_file *f, uint64_t pc, const char *path,
		       struct counts *c)
{
	const struct unwind_rule none = {0}, *rule = unwind_file_find(f, pc);
	char ours[UNWIND_RULE_TEXT_BYTES], theirs[160];

	unwind_rule_format_x86(rule ? rule : &none, ours);
	oracle_rule(o, pc, theirs);
	c->compared++;
	if (!strcmp(ours, theirs))
		return;
	if (!strcmp(ours, "signal - -") && is_trampoline(f, pc, path)) {
		c->trampolines++;
		return;
	}
	c->different++;
	if (c->different <= 20)
		print_message("%s: 0x%lx: '%s', libdw says '%s'\n", path, pc, ours, theirs);
}

static void compare_file(const char *path, struct counts *c)
{
	struct oracle o;
	struct unwind_file *f = NULL;

	if (!oracle_open(&o, path)) {
		oracle_close(&o);
		return;
	}

	uint64_t before = clock_now_ns();
	int error = unwind_table_build(o.fd, -1, &f);
	uint64_t took = clock_now_ns() - before;

	if (error) {
		assert_true(error == -ENODATA || error == -ENOEXEC || error == -ENOTSUP);
		oracle_close(&o);
		return;
	}

	const struct unwind_file_header *h = unwind_file_header(f);
	uint64_t different = c->different, start = 0, next = 0, random = 1;

	for (uint32_t i = 0; i < h->row_count; i++) {
		unwind_file_row(f, i, &start);
		compare_at(&o, f, start, path, c);
		if (i + 1 < h->row_count && (unwind_file_row(f, i + 1, &next), next > start + 1))
			compare_at(&o, f, next - 1, path, c);
	}
	for (int i = 0; i < RANDOM_PCS; i++)
		compare_at(&o, f,
			   ((uint64_t)h->first_page << UNWIND_PAGE_SHIFT) +
				   next_random(&random) %
					   ((uint64_t)h->page_count << UNWIND_PAGE_SHIFT),
			   path, c);
	if (getenv("HEARTH_ORACLE_VERBOSE"))
		print_message(
			"%s: %u rows, %u rules, %u FDEs, %u damaged, %.3f us/row, %lu different\n",
			path, h->row_count, h->rule_count, h->fde_count, h->damaged_count,
			(double)took / 1e3 / (double)h->row_count, c->different - different);
	c->files++;
	c->rows += h->row_count;
	c->build_ns += took;
	unwind_file_unref(f);
	oracle_close(&o);
}

static void tables_equal_libdw(void **state)
{
	const char *list = getenv("HEARTH_ORACLE_FILES");
	char *files = strdup(list ? list : default_files), *rest = NULL;
	struct counts c = {0};

	(void)state;
	assert_non_null(files);
	for (char *path = strtok_r(files, " \n", &rest); path; path = strtok_r(NULL, " \n", &rest))
		compare_file(path, &c);
	free(files);
	print_message(
		"%lu files, %lu rows, %lu rules compared, %lu different, %lu in trampolines found "
		"by their code, %.3f us/row\n",
		c.files, c.rows, c.compared, c.different, c.trampolines,
		c.rows ? (double)c.build_ns / 1e3 / (double)c.rows : 0.0);
	assert_true(c.files > 0);
	assert_int_equal(c.different, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_equal_libdw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
