/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter of call frame information on sections made by hand, and on damaged ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolizer/cfi.h"
#include "symbolizer/unwind_elf.h"
#include "symbolizer/unwind_rule.h"
#include "symbolizer/unwind_table.h"
#include "unit/check.h"

#define VADDR 0x1000

struct section {
	uint8_t bytes[65536];
	size_t size;
	size_t cie; /* of the last CIE */
};

/* What came out. */
struct rows {
	size_t count, fdes;
	uint64_t starts[1024], ends[64];
	char texts[1024][UNWIND_RULE_TEXT_BYTES];
	struct cfi_stats stats;
};

static void put(struct section *s, const void *bytes, size_t count)
{
	assert_true(s->size + count <= sizeof(s->bytes));
	memcpy(s->bytes + s->size, bytes, count);
	s->size += count;
}

static void put32(struct section *s, uint32_t value)
{
	put(s, &value, 4);
}

/* A length and an id field around @count bytes; @wide for the 64-bit form. */
static void put_entry(struct section *s, bool wide, bool is_cie, const void *body, size_t count)
{
	uint64_t length = count + 4;
	size_t at = s->size;

	if (wide)
		put32(s, 0xffffffff);
	length += wide ? 4 : 0;
	put(s, &length, wide ? 8 : 4);

	uint64_t id = is_cie ? 0 : s->size - s->cie;

	put(s, &id, wide ? 8 : 4);
	put(s, body, count);
	if (is_cie)
		s->cie = at;
}

/* Version 1, "zR" with udata8, code factor 1, data factor -8, RA column 16: rsp+8, RA at c-8. */
static void put_cie(struct section *s, bool wide)
{
	static const uint8_t body[] = {1, 'z', 'R', 0, 1, 0x78, 16, 1, 4, 0x0c, 7, 8, 0x90, 1};

	put_entry(s, wide, true, body, sizeof(body));
}

static void put_fde(struct section *s, uint64_t start, uint64_t length, const void *program,
		    size_t count)
{
	uint8_t body[4096];

	memcpy(body, &start, 8);
	memcpy(body + 8, &length, 8);
	body[16] = 0; /* augmentation data */
	memcpy(body + 17, program, count);
	put_entry(s, false, false, body, 17 + count);
}

static bool on_fde(void *arg, uint64_t start, uint64_t end)
{
	(void)arg;
	(void)start;
	(void)end;
	return true;
}

static void on_row(void *arg, uint64_t start, const struct cfi_row *row)
{
	struct rows *r = arg;
	struct unwind_rule rule = unwind_rule_x86(row);

	if (r->count == 1024)
		return;
	r->starts[r->count] = start;
	unwind_rule_format_x86(&rule, r->texts[r->count++]);
}

static void on_end(void *arg, uint64_t end)
{
	struct rows *r = arg;

	if (r->fdes < 64)
		r->ends[r->fdes++] = end;
}

static struct rows *walk(const struct section *s, bool until_terminator)
{
	static struct rows rows;
	/* On the heap with no byte behind it, so that ASan sees a read past the end. */
	uint8_t *copy = malloc(s->size ? s->size : 1);
	struct cfi_section section = {.bytes = copy,
				      .size = s->size,
				      .vaddr = VADDR,
				      .until_terminator = until_terminator};
	struct cfi_handler handler = {&rows, on_fde, on_row, on_end};

	assert_non_null(copy);
	memcpy(copy, s->bytes, s->size);
	memset(&rows, 0, sizeof(rows));
	cfi_walk(&section, &handler, &rows.stats);
	free(copy);
	return &rows;
}

static void a_function_becomes_rows(void **state)
{
	/* push rbp; mov rsp,rbp; ...; leave; ret, then rows by other operations */
	static const uint8_t program[] = {0x41, 0x0e, 16,   0x86, 2, 0x43, 0x0d,
					  6,	0x50, 0x0c, 7,	  8, 0xc6};
	static struct section s;

	(void)state;
	s.size = 0;
	put_cie(&s, false);
	put_fde(&s, 0x5000, 0x40, program, sizeof(program));
	struct rows *r = walk(&s, false);

	assert_int_equal(r->stats.fdes, 1);
	assert_int_equal(r->stats.damaged, 0);
	assert_int_equal(r->count, 4);
	assert_string_equal(r->texts[0], "rsp+8 u c-8");
	assert_int_equal(r->starts[1], 0x5001);
	assert_string_equal(r->texts[1], "rsp+16 c-16 c-8");
	assert_int_equal(r->starts[2], 0x5004);
	assert_string_equal(r->texts[2], "rbp+16 c-16 c-8");
	assert_int_equal(r->starts[3], 0x5014);
	assert_string_equal(r->texts[3], "rsp+8 u c-8");
	assert_int_equal(r->ends[0], 0x5040);
}

static void wide_lengths_and_terminators_are_passed(void **state)
{
	static const uint8_t nothing[] = {0};
	static struct section s;

	(void)state;
	s.size = 0;
	put_cie(&s, true);
	put_fde(&s, 0x5000, 0x10, nothing, 1);
	put32(&s, 0); /* files linked together leave one in the middle */
	put_fde(&s, 0x6000, 0x10, nothing, 1);
	assert_int_equal(walk(&s, false)->stats.fdes, 2);
	assert_int_equal(walk(&s, true)->stats.fdes, 1);
}

static void deep_remembering_fails_one_function_only(void **state)
{
	uint8_t program[64];
	static const uint8_t fine[] = {0x41, 0x0e, 16};
	static struct section s;

	(void)state;
	for (size_t depth = 1; depth <= 20; depth++) {
		size_t count = 0;

		s.size = 0;
		put_cie(&s, false);
		for (size_t i = 0; i < depth; i++)
			program[count++] = 0x0a;
		program[count++] = 0x41;
		for (size_t i = 0; i < depth; i++)
			program[count++] = 0x0b;
		put_fde(&s, 0x5000, 0x10, program, count);
		put_fde(&s, 0x6000, 0x10, fine, sizeof(fine));
		struct rows *r = walk(&s, false);

		assert_int_equal(r->stats.damaged, depth > CFI_REMEMBER_DEPTH);
		assert_int_equal(r->ends[r->fdes - 1], 0x6010);
		assert_string_equal(r->texts[r->count - 1], "rsp+16 u c-8");
	}
}

static void rows_before_damage_stay(void **state)
{
	static const uint8_t program[] = {0x41, 0x0e, 16, 0x44, 0x3f, 0x0e, 24};
	static struct section s;

	(void)state;
	s.size = 0;
	put_cie(&s, false);
	put_fde(&s, 0x5000, 0x40, program, sizeof(program));
	struct rows *r = walk(&s, false);

	assert_int_equal(r->stats.damaged, 1);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->ends[0], 0x5005);
}

static void rules_that_do_not_fit_become_expressions(void **state)
{
	static const struct {
		uint8_t program[24];
		size_t count;
		const char *text;
	} cases[] = {
		{{0x0f, 3, 0x76, 0x78, 0x06}, 5, "*(rbp-8)+0 u c-8"},
		{{0x0f, 5, 0x77, 8, 0x06, 0x23, 8}, 7, "*(rsp+8)+8 u c-8"},
		{{0x0f, 5, 0x77, 8, 0x06, 0x38, 0x22}, 7, "*(rsp+8)+8 u c-8"},
		{{0x0f, 4, 0x77, 8, 0x06, 0x06}, 6, "expr u c-8"},
		{{0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22},
		 13,
		 "plt11 - -"},
		{{0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x22},
		 13,
		 "plt10 - -"},
		{{0x0c, 10, 0}, 3, "r10+0 u c-8"},
		{{0x0c, 40, 0}, 3, "expr u c-8"},
		{{0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f}, 6, "expr u c-8"},
		{{0x0e, 0xa8, 0x80, 0x04}, 4, "rsp+65576 u c-8"},
		{{0x10, 6, 2, 0x76, 0}, 5, "rsp+8 *(rbp+0) c-8"},
		{{0x10, 6, 3, 0x76, 0, 0x06}, 6, "rsp+8 expr c-8"},
		{{0x16, 16, 2, 0x77, 0}, 5, "rsp+8 u expr"},
		{{0x09, 16, 5}, 3, "rsp+8 u rdi"},
		{{0x09, 6, 3}, 3, "rsp+8 rbx c-8"},
		{{0x14, 6, 2}, 3, "rsp+8 expr c-8"},
		{{0x2f, 6, 2}, 3, "rsp+8 c+16 c-8"},
		{{0x07, 16}, 2, "end - -"},
	};
	static struct section s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s.size = 0;
		put_cie(&s, false);
		put_fde(&s, 0x5000, 0x40, cases[i].program, cases[i].count);
		assert_string_equal(walk(&s, false)->texts[0], cases[i].text);
	}
}

/* Any bytes end, without reading past them. */
static void damaged_sections_end(void **state)
{
	struct unwind_elf elf;
	int fd = open("/lib64/ld-linux-x86-64.so.2", O_RDONLY | O_CLOEXEC);
	static struct section s;
	uint64_t seed = 6;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unwind_elf_open(fd, -1, &elf), 0);
	assert_true(elf.section_count > 0);
	for (int i = 0; i < 3000; i++) {
		size_t size = elf.sections[0].size;

		s.size = size < sizeof(s.bytes) ? size : sizeof(s.bytes);
		memcpy(s.bytes, elf.sections[0].bytes, s.size);
		if (i % 4 == 0)
			s.size = next_random(&seed) % s.size;
		for (int k = 0; k < 1 + i % 40 && s.size; k++)
			s.bytes[next_random(&seed) % s.size] = (uint8_t)next_random(&seed);
		(void)walk(&s, i & 1);
	}
	unwind_elf_release(&elf);
	(void)close(fd);
}

/* The same for whole files. */
static void damaged_files_end(void **state)
{
	int fd = open("/lib64/ld-linux-x86-64.so.2", O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = malloc((size_t)size);
	uint64_t seed = 7;
	uint32_t built = 0;

	(void)state;
	assert_non_null(bytes);
	for (int i = 0; i < 1500; i++) {
		struct unwind_file *f;
		size_t length = i % 5 ? (size_t)size : next_random(&seed) % (size_t)size;

		assert_true(pread(fd, bytes, (size_t)size, 0) == size);
		for (int k = 0; k < 1 + i % 8; k++)
			bytes[next_random(&seed) % (i % 2 ? 1024 : (size_t)size)] =
				(uint8_t)next_random(&seed);
		if (!unwind_table_build_memory(bytes, length, &f)) {
			built++;
			unwind_file_unref(f);
		}
	}
	assert_true(built > 0);
	free(bytes);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_becomes_rows),
		cmocka_unit_test(wide_lengths_and_terminators_are_passed),
		cmocka_unit_test(deep_remembering_fails_one_function_only),
		cmocka_unit_test(rows_before_damage_stay),
		cmocka_unit_test(rules_that_do_not_fit_become_expressions),
		cmocka_unit_test(damaged_sections_end),
		cmocka_unit_test(damaged_files_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
