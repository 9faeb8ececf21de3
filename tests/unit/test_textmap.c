/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/textmap.h"

#include "unit/elf_image.h"

static const uint8_t nops[64] = {0x90};

static void open_image(struct elf_image *e, struct elffile *f, struct textmap *m)
{
	assert_int_equal(elffile_open_memory(elf_image_finish(e), f), 0);
	assert_int_equal(textmap_create(f, m), 0);
}

static void close_image(struct elf_image *e, struct elffile *f, struct textmap *m)
{
	textmap_release(m);
	elffile_release(f);
	elf_image_release(e);
}

static struct elf_image_section code(const char *name, uint64_t address, size_t length)
{
	return (struct elf_image_section){
		.name = name,
		.bytes = nops,
		.length = length,
		.flags = SHF_ALLOC | SHF_EXECINSTR,
		.address = address,
	};
}

static void only_executable_sections_are_code(void **state)
{
	struct elf_image e = {0};
	struct elffile f;
	struct textmap m;

	(void)state;
	elf_image_add(&e, code(".text", 0x2000, 32));
	elf_image_add(&e, code(".init", 0x1000, 16));
	elf_image_add(&e, (struct elf_image_section){.name = ".data",
						     .bytes = nops,
						     .length = 32,
						     .flags = SHF_ALLOC | SHF_WRITE,
						     .address = 0x3000});
	open_image(&e, &f, &m);
	assert_int_equal(m.base, 0x1000);
	assert_int_equal(m.area_count, 2);
	assert_non_null(textmap_find(&m, 0x1000));
	assert_non_null(textmap_find(&m, 0x100f));
	assert_null(textmap_find(&m, 0x1010));
	assert_null(textmap_find(&m, 0xfff));
	assert_non_null(textmap_find(&m, 0x201f));
	assert_null(textmap_find(&m, 0x2020));
	assert_null(textmap_find(&m, 0x3000));
	assert_null(textmap_find(&m, UINT64_MAX));
	close_image(&e, &f, &m);
}

static void overlapping_sections_are_told_apart(void **state)
{
	struct elf_image e = {0};
	struct elffile f;
	struct textmap m;

	(void)state;
	elf_image_add(&e, code(".a", 0x1000, 48));
	elf_image_add(&e, code(".b", 0x1010, 64));
	elf_image_add(&e, code(".c", 0x1008, 8)); /* within the first */
	open_image(&e, &f, &m);
	for (size_t i = 1; i < m.area_count; i++)
		assert_true(m.areas[i].start >= m.areas[i - 1].end);
	assert_non_null(textmap_find(&m, 0x104f));
	assert_null(textmap_find(&m, 0x1050));
	close_image(&e, &f, &m);
}

static void without_code_sections_the_segments_count(void **state)
{
	struct elf_image e = {0};
	struct elffile f;
	struct textmap m;

	(void)state;
	open_image(&e, &f, &m);
	assert_int_equal(m.base, ELF_IMAGE_CODE);
	assert_int_equal(m.area_count, 1);
	close_image(&e, &f, &m);
}

static void sections_that_wrap_or_lie_too_far_are_left_out(void **state)
{
	struct elf_image e = {0};
	struct elffile f;
	struct textmap m;

	(void)state;
	elf_image_add(&e, code(".text", 0x1000, 32));
	elf_image_add(&e, code(".far", 0x1000 + (5ull << 30), 32));
	elf_image_add(&e, code(".wraps", UINT64_MAX - 8, 32));
	open_image(&e, &f, &m);
	assert_int_equal(m.area_count, 1);
	assert_null(textmap_find(&m, 0x1000 + (5ull << 30)));
	close_image(&e, &f, &m);
}

static void ranges_are_cut_to_their_section(void **state)
{
	struct elf_image e = {0};
	struct elffile f;
	struct textmap m;
	uint32_t start, end;

	(void)state;
	elf_image_add(&e, code(".text", 0x1000, 32));
	open_image(&e, &f, &m);
	assert_true(textmap_range(&m, 0x1008, 0x1010, &start, &end));
	assert_int_equal(start, 8);
	assert_int_equal(end, 16);
	assert_true(textmap_range(&m, 0x1008, UINT64_MAX, &start, &end));
	assert_int_equal(end, 32);
	assert_false(textmap_range(&m, 0x1008, 0x1008, &start, &end));
	assert_false(textmap_range(&m, 0, 0x1010, &start, &end)); /* a tombstone */
	assert_false(textmap_range(&m, 1, 0x1010, &start, &end));
	close_image(&e, &f, &m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_executable_sections_are_code),
		cmocka_unit_test(overlapping_sections_are_told_apart),
		cmocka_unit_test(without_code_sections_the_segments_count),
		cmocka_unit_test(sections_that_wrap_or_lie_too_far_are_left_out),
		cmocka_unit_test(ranges_are_cut_to_their_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
