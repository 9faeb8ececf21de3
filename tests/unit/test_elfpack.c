/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed sections, whole (elfpack.h) and as a window that moves over them (elfstream.h). */
#include "symbolizer/elfpack.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "symbolizer/elfstream.h"
#include "unit/elf_image.h"

#define CONTENT_BYTES (9u << 20) /* several steps of a window */
#define ZSTD	      2		 /* ELFCOMPRESS_ZSTD */

FAIL_ALLOCATIONS_SOFTLY();

enum packing { PLAIN, ZLIB_SECTION, ZSTD_SECTION, GNU_SECTION, PACKING_COUNT };

static uint8_t *content;

static int make_content(void **state)
{
	uint64_t random = 11;

	(void)state;
	content = malloc(CONTENT_BYTES);
	for (size_t i = 0; content && i < CONTENT_BYTES; i++)
		content[i] = (uint8_t)(i >> 9) ^ (i % 7 ? 0 : (uint8_t)next_random(&random));
	return content ? 0 : -1;
}

static int free_content(void **state)
{
	(void)state;
	free(content);
	return 0;
}

/* The content in a section of a file, packed that way, claiming @claimed bytes. */
static void make_file(struct elf_image *e, enum packing packing, uint64_t claimed,
		      struct buffer *packed)
{
	Elf64_Chdr header = {packing == ZSTD_SECTION ? ZSTD : ELFCOMPRESS_ZLIB, 0, claimed, 1};
	struct elf_image_section section = {
		.name = packing == GNU_SECTION ? ".zdebug_info" : ".debug_info",
		.flags = packing == ZLIB_SECTION || packing == ZSTD_SECTION ? SHF_COMPRESSED : 0,
	};

	if (packing == ZLIB_SECTION || packing == ZSTD_SECTION)
		buffer_append(packed, &header, sizeof(header));
	if (packing == GNU_SECTION) {
		buffer_puts(packed, "ZLIB");
		for (int shift = 56; shift >= 0; shift -= 8)
			buffer_putc(packed, (char)(claimed >> shift));
	}

	size_t bound = packing == ZSTD_SECTION ? ZSTD_compressBound(CONTENT_BYTES)
					       : compressBound(CONTENT_BYTES);
	char *room = buffer_reserve(packed, bound);
	uLongf length = bound;

	assert_non_null(room);
	if (packing == PLAIN)
		memcpy(room, content, length = CONTENT_BYTES);
	else if (packing == ZSTD_SECTION)
		length = ZSTD_compress(room, bound, content, CONTENT_BYTES, 1);
	else
		assert_int_equal(compress2((Bytef *)room, &length, content, CONTENT_BYTES, 1),
				 Z_OK);
	packed->length += length;
	section.bytes = packed->bytes;
	section.length = packed->length;
	elf_image_add(e, section);
}

static void every_packing_unpacks_whole_and_in_a_window(void **state)
{
	(void)state;
	for (enum packing packing = 0; packing < PACKING_COUNT; packing++) {
		struct elf_image e = {0};
		auto_buffer packed = BUFFER_INIT;
		struct elffile f;
		struct elfstream s;
		struct slice whole;

		make_file(&e, packing, CONTENT_BYTES, &packed);
		assert_int_equal(elffile_open_memory(elf_image_finish(&e), &f), 0);
		assert_int_equal(elffile_debug_section(&f, "info", &whole), 0);
		assert_int_equal(whole.length, CONTENT_BYTES);
		assert_memory_equal(whole.bytes, content, CONTENT_BYTES);

		assert_int_equal(elfstream_open(&f, elffile_find_debug_section(&f, "info"), &s), 0);
		assert_int_equal(s.bytes.length, CONTENT_BYTES);
		for (size_t at = 0; at < CONTENT_BYTES;) {
			size_t step = 4000 + at % 1000000;
			size_t until = at + step < CONTENT_BYTES ? at + step : CONTENT_BYTES;

			assert_int_equal(elfstream_fill(&s, until), 0);
			assert_memory_equal(s.bytes.bytes + at, content + at, until - at);
			elfstream_drop(&s, until);
			at = until;
		}
		assert_int_equal(elfstream_fill(&s, UINT64_MAX), 0);
		elfstream_release(&s);
		elffile_release(&f);
		elf_image_release(&e);
	}
}

/* A section that claims more or less than it holds is damaged, in a window as well. */
static void wrong_sizes_are_damage(void **state)
{
	static const int64_t off_by[] = {1, -1, 100000, -100000};

	(void)state;
	for (enum packing packing = ZLIB_SECTION; packing < PACKING_COUNT; packing++)
		for (size_t i = 0; i < ARRAY_SIZE(off_by); i++) {
			struct elf_image e = {0};
			auto_buffer packed = BUFFER_INIT;
			struct elffile f;
			struct elfstream s;
			struct slice whole;

			make_file(&e, packing, (uint64_t)(CONTENT_BYTES + off_by[i]), &packed);
			assert_int_equal(elffile_open_memory(elf_image_finish(&e), &f), 0);
			if (off_by[i] > 0 || packing == ZSTD_SECTION)
				assert_int_equal(elffile_debug_section(&f, "info", &whole),
						 -EBADMSG);
			assert_int_equal(
				elfstream_open(&f, elffile_find_debug_section(&f, "info"), &s), 0);
			if (off_by[i] > 0)
				assert_int_equal(elfstream_fill(&s, UINT64_MAX), -EBADMSG);
			elfstream_release(&s);
			elffile_release(&f);
			elf_image_release(&e);
		}
}

/* What claims to unpack to more than its compression could is refused before a byte of it is unpacked. */
static void bombs_are_refused(void **state)
{
	static const uint64_t claims[] = {1ull << 40, UINT64_MAX, CONTENT_BYTES * 2000ull};

	(void)state;
	for (enum packing packing = ZLIB_SECTION; packing < PACKING_COUNT; packing++)
		for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
			struct elf_image e = {0};
			auto_buffer packed = BUFFER_INIT;
			struct elffile f;
			struct elfstream s;
			struct slice whole;

			make_file(&e, packing, claims[i], &packed);
			assert_int_equal(elffile_open_memory(elf_image_finish(&e), &f), 0);
			assert_int_equal(elffile_debug_section(&f, "info", &whole), -EFBIG);
			assert_int_equal(
				elfstream_open(&f, elffile_find_debug_section(&f, "info"), &s),
				-EFBIG);
			elffile_release(&f);
			elf_image_release(&e);
		}
}

static void damaged_bytes_never_unpack_beyond_the_section(void **state)
{
	uint64_t random = 5;

	(void)state;
	for (enum packing packing = ZLIB_SECTION; packing < PACKING_COUNT; packing++) {
		struct elf_image e = {0};
		auto_buffer packed = BUFFER_INIT;

		make_file(&e, packing, CONTENT_BYTES, &packed);

		struct slice image = elf_image_finish(&e);

		for (int round = 0; round < 10; round++) {
			uint8_t *at = (uint8_t *)e.bytes.bytes + 200 +
				      next_random(&random) % (packed.length / 2);
			uint8_t before = *at;
			struct elffile f;
			struct elfstream s;

			*at ^= 0x55;
			assert_int_equal(elffile_open_memory(image, &f), 0);
			assert_int_equal(
				elfstream_open(&f, elffile_find_debug_section(&f, "info"), &s), 0);
			(void)elfstream_fill(&s, UINT64_MAX); /* either way; ASan watches */
			assert_true(s.ready <= s.bytes.length);
			elfstream_release(&s);
			elffile_release(&f);
			*at = before;
		}
		elf_image_release(&e);
	}
}

static void unknown_compression_is_named_as_such(void **state)
{
	Elf64_Chdr header = {77, 0, 10, 1};
	struct elf_image e = {0};
	struct elffile f;
	struct slice whole;

	(void)state;
	elf_image_add(&e, (struct elf_image_section){.name = ".debug_info",
						     .bytes = &header,
						     .length = sizeof(header),
						     .flags = SHF_COMPRESSED});
	elf_image_add(&e, (struct elf_image_section){.name = ".debug_str",
						     .bytes = &header,
						     .length = 5,
						     .flags = SHF_COMPRESSED});
	assert_int_equal(elffile_open_memory(elf_image_finish(&e), &f), 0);
	assert_int_equal(elffile_debug_section(&f, "info", &whole), -ENOTSUP);
	assert_int_equal(elffile_debug_section(&f, "str", &whole), -EBADMSG);
	elffile_release(&f);
	elf_image_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packing_unpacks_whole_and_in_a_window),
		cmocka_unit_test(wrong_sizes_are_damage),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(damaged_bytes_never_unpack_beyond_the_section),
		cmocka_unit_test(unknown_compression_is_named_as_such),
	};

	return cmocka_run_group_tests(tests, make_content, free_content);
}
