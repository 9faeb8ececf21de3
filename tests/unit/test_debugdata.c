/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/debugdata.h"

#include <errno.h>
#include <lzma.h>

#include "base/cleanup.h"
#include "unit/elf_image.h"

FAIL_ALLOCATIONS_SOFTLY();

/* Packs as `xz` does; owned by the caller. */
static struct buffer pack(const void *bytes, size_t length)
{
	struct buffer packed = BUFFER_INIT;
	size_t bound = lzma_stream_buffer_bound(length);
	char *room = buffer_reserve(&packed, bound);

	assert_non_null(room);
	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, bytes, length,
						 (uint8_t *)room, &packed.length, bound),
			 LZMA_OK);
	return packed;
}

static int open_packed(const struct buffer *packed, size_t length, struct elffile *ret)
{
	struct elf_image e = {0};
	struct elffile f;

	elf_image_add(&e, (struct elf_image_section){.name = ".gnu_debugdata",
						     .bytes = packed->bytes,
						     .length = length});
	assert_int_equal(elffile_open_memory(elf_image_finish(&e), &f), 0);

	int err = debugdata_open(&f, ret);

	elffile_release(&f);
	elf_image_release(&e);
	return err;
}

static void the_file_inside_is_opened(void **state)
{
	struct elf_image inner = {0};
	struct elffile f;

	(void)state;
	elf_image_add(&inner,
		      (struct elf_image_section){.name = ".symtab", .bytes = "x", .length = 1});

	struct slice image = elf_image_finish(&inner);
	auto_buffer packed = pack(image.bytes, image.length);

	assert_int_equal(open_packed(&packed, packed.length, &f), 0);
	assert_int_equal(f.image.length, image.length);
	assert_memory_equal(f.image.bytes, image.bytes, image.length);
	assert_non_null(elffile_find_section(&f, ".symtab"));
	debugdata_close(&f);
	elf_image_release(&inner);
}

static void cut_flipped_and_foreign_content_is_damage(void **state)
{
	struct elf_image inner = {0};
	struct slice image = elf_image_finish(&inner);
	auto_buffer packed = pack(image.bytes, image.length);
	auto_buffer text =
		pack("no ELF file, but long enough to be one: ..............................", 70);
	struct elffile f;

	(void)state;
	for (size_t length = 0; length < packed.length; length++)
		assert_int_equal(open_packed(&packed, length, &f), -EBADMSG);
	for (size_t i = 0; i < packed.length; i++) {
		packed.bytes[i] ^= 0x10;
		if (!open_packed(&packed, packed.length, &f))
			debugdata_close(&f); /* padding bytes may be anything to some decoders */
		packed.bytes[i] ^= 0x10;
	}
	assert_int_equal(open_packed(&text, text.length, &f), -EBADMSG);
	elf_image_release(&inner);
}

static void a_bomb_is_cut_off(void **state)
{
	size_t length = DEBUGDATA_BYTES_MAX + (1u << 20);
	auto_free uint8_t *zeros = calloc(1, length);
	struct elffile f;

	(void)state;
	assert_non_null(zeros);

	auto_buffer packed = pack(zeros, length);

	assert_true(packed.length < length / 1000);

	int err = open_packed(&packed, packed.length, &f);

	assert_true(err == -EFBIG || err == -ENOMEM || err == -EBADMSG);
	assert_int_not_equal(err, 0);
}

static void a_file_without_it_has_none(void **state)
{
	struct elf_image e = {0};
	struct elffile f, mini;

	(void)state;
	assert_int_equal(elffile_open_memory(elf_image_finish(&e), &f), 0);
	assert_int_equal(debugdata_open(&f, &mini), -ENOENT);
	elffile_release(&f);
	elf_image_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_inside_is_opened),
		cmocka_unit_test(cut_flipped_and_foreign_content_is_damage),
		cmocka_unit_test(a_bomb_is_cut_off),
		cmocka_unit_test(a_file_without_it_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
