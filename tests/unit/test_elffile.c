/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elffile.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "symbolizer/elfsection.h"
#include "unit/elf_image.h"

static const char *const real_files[] = {"/proc/self/exe", "/lib/x86_64-linux-gnu/libc.so.6",
					 "/bin/bash", "/usr/bin/python3.11",
					 "/lib64/ld-linux-x86-64.so.2"};

/* Every section of a file as libelf sees it: same name, same bytes. */
static size_t compare_with_libelf(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elffile f;
	size_t names, count = 0, index = 0;

	if (fd < 0)
		return 0;
	assert_int_equal(elffile_open(fd, &f), 0);

	Elf *theirs = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	assert_int_equal(elf_getshdrstrndx(theirs, &names), 0);
	assert_int_equal(elf_getshdrnum(theirs, &count), 0);
	assert_int_equal(f.section_count, count);
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(theirs, scn));) {
		GElf_Shdr header;
		struct slice data;

		index = elf_ndxscn(scn);
		assert_non_null(gelf_getshdr(scn, &header));
		assert_string_equal(elffile_section_name(&f, &f.sections[index]),
				    elf_strptr(theirs, names, header.sh_name));
		if (header.sh_flags & SHF_COMPRESSED)
			assert_true(elf_compress(scn, 0, 0) >= 0);

		Elf_Data *expected = elf_rawdata(scn, NULL);

		if (header.sh_flags & SHF_COMPRESSED)
			expected = elf_getdata(scn, NULL);
		assert_int_equal(elffile_section_data(&f, &f.sections[index], &data), 0);
		if (header.sh_type == SHT_NOBITS) {
			assert_int_equal(data.length, 0);
			continue;
		}
		assert_int_equal(data.length, expected->d_size);
		if (data.length)
			assert_memory_equal(data.bytes, expected->d_buf, data.length);
	}
	elf_end(theirs);
	elffile_release(&f);
	return index;
}

static void sections_equal_those_of_libelf(void **state)
{
	size_t compared = 0;

	(void)state;
	assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
	for (size_t i = 0; i < ARRAY_SIZE(real_files); i++)
		compared += compare_with_libelf(real_files[i]);
	assert_true(compared > 100);
}

static void compressed_sections_equal_those_of_libelf(void **state)
{
	static const uint8_t zeros[5000];
	uint8_t packed[sizeof(Elf64_Chdr) + 6000];
	uLongf length = sizeof(packed) - sizeof(Elf64_Chdr);
	Elf64_Chdr header = {ELFCOMPRESS_ZLIB, 0, sizeof(zeros), 1};
	struct elf_image e = {0};

	(void)state;
	memcpy(packed, &header, sizeof(header));
	assert_int_equal(compress(packed + sizeof(header), &length, zeros, sizeof(zeros)), Z_OK);
	elf_image_add(&e, (struct elf_image_section){.name = ".debug_info",
						     .bytes = packed,
						     .length = sizeof(header) + length,
						     .flags = SHF_COMPRESSED});

	auto_close int fd = elf_image_memfd(&e);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(compare_with_libelf(path) > 0);
	elf_image_release(&e);
}

static void what_is_no_native_elf_file_is_refused(void **state)
{
	struct elf_image e = {0};
	struct elffile f;
	struct slice image = elf_image_finish(&e);
	uint8_t *bytes = (uint8_t *)e.bytes.bytes;

	(void)state;
	assert_int_equal(elffile_open_memory(image, &f), 0);
	elffile_release(&f);
	assert_int_equal(elffile_open_memory((struct slice){image.bytes, 63}, &f), -ENOEXEC);
	bytes[EI_CLASS] = ELFCLASS32;
	assert_int_equal(elffile_open_memory(image, &f), -ENOEXEC);
	bytes[EI_CLASS] = ELFCLASS64;
	bytes[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(elffile_open_memory(image, &f), -ENOEXEC);
	bytes[EI_DATA] = ELFDATA2LSB;
	bytes[0] = 'M';
	assert_int_equal(elffile_open_memory(image, &f), -ENOEXEC);
	elf_image_release(&e);

	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_close int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(elffile_open(null, &f), -ENOEXEC);
	assert_int_equal(elffile_open(folder, &f), -ENOEXEC);
}

/* What every header field can say: nothing leads outside, whatever section is asked for. */
static void read_everything(struct slice image)
{
	struct elffile f;
	struct slice data;
	volatile uint8_t sum = 0;

	if (elffile_open_memory(image, &f))
		return;
	for (size_t i = 0; i < f.section_count; i++) {
		(void)strlen(elffile_section_name(&f, &f.sections[i]));
		if (!elffile_section_data(&f, &f.sections[i], &data))
			for (size_t j = 0; j < data.length; j++)
				sum ^= data.bytes[j];
	}
	for (size_t i = 0; i < f.program_count; i++)
		sum ^= (uint8_t)f.programs[i].p_type;
	elffile_release(&f);
}

static void flipped_bits_and_cuts_lead_nowhere_else(void **state)
{
	struct elf_image e = {0};
	uint64_t random = 3;

	(void)state;
	elf_image_add_code(&e, "code", 4);
	elf_image_add(&e,
		      (struct elf_image_section){.name = ".comment", .bytes = "gcc", .length = 3});

	struct slice image = elf_image_finish(&e);
	auto_free uint8_t *copy = malloc(image.length); /* its own block: ASan sees its end */

	assert_non_null(copy);
	for (int round = 0; round < 50000; round++) {
		memcpy(copy, image.bytes, image.length);
		for (int flips = 0; flips < 3; flips++)
			copy[next_random(&random) % image.length] = (uint8_t)next_random(&random);
		read_everything((struct slice){copy, image.length});
	}
	for (size_t length = 0; length <= image.length; length++) {
		auto_free uint8_t *part = malloc(length ? length : 1);

		memcpy(part, image.bytes, length);
		read_everything((struct slice){part, length});
	}
	elf_image_release(&e);
}

/* gABI: e_shnum 0 and e_shstrndx SHN_XINDEX move the numbers to section 0. */
static void counts_beyond_16_bits_stand_in_section_0(void **state)
{
	struct elf_image e = {0};
	struct elffile f;

	(void)state;
	elf_image_add(&e, (struct elf_image_section){.name = ".note", .bytes = "x", .length = 1});

	struct slice image = elf_image_finish(&e);
	Elf64_Ehdr *header = (Elf64_Ehdr *)e.bytes.bytes;
	Elf64_Shdr *first = (Elf64_Shdr *)(e.bytes.bytes + header->e_shoff);

	first->sh_size = header->e_shnum;
	first->sh_link = header->e_shstrndx;
	header->e_shnum = 0;
	header->e_shstrndx = SHN_XINDEX;
	assert_int_equal(elffile_open_memory(image, &f), 0);
	assert_int_equal(f.section_count, 3);
	assert_non_null(elffile_find_section(&f, ".note"));
	elffile_release(&f);
	first->sh_size = UINT64_MAX;
	assert_int_equal(elffile_open_memory(image, &f), 0);
	assert_int_equal(f.section_count, 0);
	elffile_release(&f);
	elf_image_release(&e);
}

/* elfsection.h reads the same with pread(2). */
static void small_sections_are_read_without_mapping(void **state)
{
	struct elf_image e = {0};
	char text[9];
	size_t length;

	(void)state;
	elf_image_add(
		&e, (struct elf_image_section){.name = ".small", .bytes = "12345678", .length = 8});
	elf_image_add(&e,
		      (struct elf_image_section){.name = ".bss", .length = 8, .type = SHT_NOBITS});

	auto_close int fd = elf_image_memfd(&e);

	assert_int_equal(elfsection_read(fd, ".small", text, 8, &length), 0);
	assert_int_equal(length, 8);
	assert_string_equal(text, "12345678");
	assert_int_equal(elfsection_read(fd, ".small", text, 7, &length), -E2BIG);
	assert_int_equal(elfsection_read(fd, ".none", text, 8, &length), -ENOENT);
	assert_int_equal(elfsection_read(fd, ".bss", text, 8, &length), -ENOENT);

	Elf64_Ehdr *header = (Elf64_Ehdr *)e.bytes.bytes;
	Elf64_Shdr *section = (Elf64_Shdr *)(e.bytes.bytes + header->e_shoff) + 1;

	section->sh_offset = e.bytes.length - 4;
	assert_int_equal(pwrite(fd, e.bytes.bytes, e.bytes.length, 0), e.bytes.length);
	assert_int_equal(elfsection_read(fd, ".small", text, 8, &length), -EBADMSG);
	section->sh_offset = UINT64_MAX - 2;
	assert_int_equal(pwrite(fd, e.bytes.bytes, e.bytes.length, 0), e.bytes.length);
	assert_int_equal(elfsection_read(fd, ".small", text, 8, &length), -EBADMSG);
	header->e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(pwrite(fd, e.bytes.bytes, e.bytes.length, 0), e.bytes.length);
	assert_int_equal(elfsection_read(fd, ".small", text, 8, &length), -ENOEXEC);
	elf_image_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_equal_those_of_libelf),
		cmocka_unit_test(compressed_sections_equal_those_of_libelf),
		cmocka_unit_test(what_is_no_native_elf_file_is_refused),
		cmocka_unit_test(flipped_bits_and_cuts_lead_nowhere_else),
		cmocka_unit_test(counts_beyond_16_bits_stand_in_section_0),
		cmocka_unit_test(small_sections_are_read_without_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
