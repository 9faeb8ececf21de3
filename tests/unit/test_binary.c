/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "symbolizer/binary.h"

DEFINE_CLEANUP(binary_unref, struct binary *)
#define auto_binary CLEANUP(binary_unrefp) struct binary

/* A little ELF file: header, two segments, a note with build id 0xabcdef. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr program[3];
	Elf64_Nhdr note;
	char note_name[4];
	uint8_t note_bytes[4];
	char padding[4096];
};

static struct image make_image(void)
{
	struct image image = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_phoff = offsetof(struct image, program),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 3},
		.program = {{.p_type = PT_LOAD,
			     .p_vaddr = 0x10000,
			     .p_filesz = 0x800,
			     .p_memsz = 0x800,
			     .p_flags = PF_R},
			    {.p_type = PT_LOAD,
			     .p_offset = 0x700,
			     .p_vaddr = 0x20700,
			     .p_filesz = 0x400,
			     .p_memsz = 0x1000,
			     .p_flags = PF_R | PF_X},
			    {.p_type = PT_NOTE,
			     .p_offset = offsetof(struct image, note),
			     .p_filesz = 12 + 4 + 4,
			     .p_align = 4}},
		.note = {.n_namesz = 4, .n_descsz = 3, .n_type = NT_GNU_BUILD_ID},
		.note_name = "GNU",
		.note_bytes = {0xab, 0xcd, 0xef},
	};

	return image;
}

static int open_bytes(const void *bytes, size_t length, struct binary **ret)
{
	int fd = memfd_create("binary", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);

	int err = binary_open(fd, "/usr/bin/image", 0, ret);

	if (err)
		close(fd);
	return err;
}

static const char *id_text(const struct binary *b)
{
	static char text[BUILD_ID_HEX_MAX];

	return build_id_format(binary_build_id(b), text);
}

static void image_is_read(void **state)
{
	struct image image = make_image();
	auto_binary *b = NULL;
	size_t count;
	uint64_t vaddr;

	(void)state;
	assert_int_equal(open_bytes(&image, sizeof(image), &b), 0);
	assert_string_equal(id_text(b), "abcdef");
	assert_true(binary_has_build_id(b));
	assert_string_equal(binary_basename(b), "image");
	assert_int_equal(binary_kind(b), BINARY_ELF);

	const struct binary_segment *segments = binary_segments(b, &count);

	assert_int_equal(count, 2);
	assert_true(segments[1].executable);
	assert_int_equal(binary_offset_to_vaddr(b, 0x10, &vaddr), 0);
	assert_int_equal(vaddr, 0x10010);
	/* where two segments hold the offset, it is code that was meant */
	assert_int_equal(binary_offset_to_vaddr(b, 0x710, &vaddr), 0);
	assert_int_equal(vaddr, 0x20710);
	assert_int_equal(binary_offset_to_vaddr(b, 0xaff, &vaddr), 0);
	assert_int_equal(binary_offset_to_vaddr(b, 0xb00, &vaddr), -ENOENT);
	assert_int_equal(binary_offset_to_vaddr(b, UINT64_MAX, &vaddr), -ENOENT);
}

static void file_without_id_gets_a_hash(void **state)
{
	struct image image = make_image();
	auto_binary *a = NULL, *b = NULL, *c = NULL;

	(void)state;
	image.note.n_type = 77;
	assert_int_equal(open_bytes(&image, sizeof(image), &a), 0);
	assert_int_equal(open_bytes(&image, sizeof(image), &b), 0);
	assert_false(binary_has_build_id(a));
	assert_int_equal(binary_build_id(a)->length, 16);
	assert_true(build_id_equal(binary_build_id(a), binary_build_id(b)));

	((char *)&image)[0x900]++; /* other code */
	assert_int_equal(open_bytes(&image, sizeof(image), &c), 0);
	assert_false(build_id_equal(binary_build_id(a), binary_build_id(c)));
}

static void go_id_is_hashed(void **state)
{
	struct image image = make_image();
	auto_binary *go = NULL;

	(void)state;
	memcpy(image.note_name, "Go\0", 4);
	image.note.n_type = 4;
	assert_int_equal(open_bytes(&image, sizeof(image), &go), 0);
	assert_true(binary_has_build_id(go));
	assert_int_equal(binary_build_id(go)->length, 16);
}

static void garbage_is_no_elf(void **state)
{
	static const char text[] =
		"#!/bin/sh\necho this is no ELF file, but long enough to be one....\n";
	struct image image = make_image();
	struct binary *b = NULL;

	(void)state;
	assert_int_equal(open_bytes(text, sizeof(text), &b), -ENOEXEC);
	assert_int_equal(open_bytes("", 0, &b), -ENOEXEC);
	for (size_t length = 0; length < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr); length++)
		assert_int_equal(open_bytes(&image, length, &b), -ENOEXEC);
	image.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(open_bytes(&image, sizeof(image), &b), -ENOEXEC);
	image = make_image();
	image.header.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(open_bytes(&image, sizeof(image), &b), -ENOEXEC);
	assert_null(b);
}

static void directory_is_no_elf(void **state)
{
	auto_close int fd = open("/", O_RDONLY | O_CLOEXEC);
	struct binary *b = NULL;

	(void)state;
	assert_int_equal(binary_open(fd, "/", 0, &b), -ENOEXEC);
}

/* Whatever single byte of the headers is wrong: an error or a binary, never a crash, never a wrapped sum. */
static void damaged_headers_do_no_harm(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t at = 0; at < offsetof(struct image, padding); at++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			struct image image = make_image();
			auto_binary *b = NULL;
			uint64_t vaddr;
			size_t count;

			((uint8_t *)&image)[at] = values[v];
			if (open_bytes(&image, sizeof(image), &b))
				continue;
			assert_true(binary_build_id(b)->length > 0);
			(void)binary_offset_to_vaddr(b, 0x710, &vaddr);

			const struct binary_segment *s = binary_segments(b, &count);

			for (size_t i = 0; i < count; i++) {
				assert_true(s[i].vaddr + s[i].memory_bytes >= s[i].vaddr);
				assert_true(s[i].offset + s[i].file_bytes >= s[i].offset);
			}
		}
}

static void own_executable_agrees_with_readelf(void **state)
{
	char expected[BUILD_ID_HEX_MAX + 1] = "";
	auto_binary *b = NULL;

	(void)state;
	FILE *readelf = popen("readelf -n /proc/$PPID/exe | sed -n 's/.*Build ID: //p'", "r");

	assert_non_null(readelf);
	assert_non_null(fgets(expected, sizeof(expected), readelf));
	pclose(readelf);
	expected[strcspn(expected, "\n")] = '\0';

	assert_int_equal(
		binary_open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "/a/test", 7, &b), 0);
	assert_string_equal(id_text(b), expected);
	assert_int_equal(binary_root_pid(b), 7);
}

static void vdso_is_an_elf_image(void **state)
{
	auto_binary *b = NULL;
	size_t count;

	(void)state;
	assert_int_equal(binary_create_special(BINARY_VDSO, "[vdso]", &b), 0);
	assert_true(binary_has_build_id(b));
	assert_true(binary_fd(b) >= 0);
	(void)binary_segments(b, &count);
	assert_true(count > 0);
}

static void special_kinds_have_no_file(void **state)
{
	auto_binary *b = NULL;
	size_t count;

	(void)state;
	assert_int_equal(binary_create_special(BINARY_KERNEL, "[kernel.kallsyms]", &b), 0);
	assert_int_equal(binary_fd(b), -1);
	assert_int_equal(binary_build_id(b)->length, 0);
	assert_false(binary_has_build_id(b));
	assert_null(binary_segments(b, &count));
	assert_string_equal(binary_basename(b), "[kernel.kallsyms]");
}

static void build_id_text_round_trips(void **state)
{
	struct build_id id, longest = {.length = BUILD_ID_BYTES_MAX};
	char text[BUILD_ID_HEX_MAX], too_long[BUILD_ID_HEX_MAX + 2];

	(void)state;
	assert_int_equal(build_id_parse("00aBcdEF", &id), 0);
	assert_string_equal(build_id_format(&id, text), "00abcdef");
	assert_int_equal(build_id_parse(build_id_format(&longest, text), &id), 0);
	assert_true(build_id_equal(&id, &longest));
	assert_int_equal(build_id_parse("", &id), -EINVAL);
	assert_int_equal(build_id_parse("abc", &id), -EINVAL);
	assert_int_equal(build_id_parse("zz", &id), -EINVAL);
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(build_id_parse(too_long, &id), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_is_read),
		cmocka_unit_test(file_without_id_gets_a_hash),
		cmocka_unit_test(go_id_is_hashed),
		cmocka_unit_test(garbage_is_no_elf),
		cmocka_unit_test(directory_is_no_elf),
		cmocka_unit_test(damaged_headers_do_no_harm),
		cmocka_unit_test(own_executable_agrees_with_readelf),
		cmocka_unit_test(vdso_is_an_elf_image),
		cmocka_unit_test(special_kinds_have_no_file),
		cmocka_unit_test(build_id_text_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
