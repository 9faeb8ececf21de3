/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small ELF files made section by section, for tests of what reads them. The layout is as plain as can be: header,
 * one executable PT_LOAD over the whole file at its own offset, sections, section headers.
 */
#ifndef HEARTH_TESTS_UNIT_ELF_IMAGE_H
#define HEARTH_TESTS_UNIT_ELF_IMAGE_H

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buffer.h"
#include "symbolizer/cursor.h"
#include "unit/check.h"

#define ELF_IMAGE_SECTIONS_MAX 24
#define ELF_IMAGE_CODE	       0x1000 /* vaddr of elf_image_add_code()'s section */

struct elf_image_section {
	const char *name;
	const void *bytes; /* borrowed until elf_image_finish() */
	size_t length;
	uint32_t type; /* 0 = SHT_PROGBITS */
	uint32_t link;
	uint64_t flags, address, entry_bytes;
};

/** Zeroed, it is one without sections. */
struct elf_image {
	struct elf_image_section sections[ELF_IMAGE_SECTIONS_MAX];
	size_t count;
	uint16_t type; /* 0 = ET_DYN */
	struct buffer bytes;
};

/** Returns the section's index in the file. */
static inline uint32_t elf_image_add(struct elf_image *e, struct elf_image_section section)
{
	assert_true(e->count < ELF_IMAGE_SECTIONS_MAX);
	e->sections[e->count++] = section;
	return (uint32_t)e->count;
}

/** A .text of @length bytes at ELF_IMAGE_CODE. */
static inline uint32_t elf_image_add_code(struct elf_image *e, const void *bytes, size_t length)
{
	return elf_image_add(e, (struct elf_image_section){
					.name = ".text",
					.bytes = bytes,
					.length = length,
					.flags = SHF_ALLOC | SHF_EXECINSTR,
					.address = ELF_IMAGE_CODE,
				});
}

static inline void elf_image_align(struct elf_image *e)
{
	while (e->bytes.length % 8)
		buffer_putc(&e->bytes, 0);
}

/** Put it together; borrowed, valid until elf_image_release(). */
static inline struct slice elf_image_finish(struct elf_image *e)
{
	Elf64_Shdr headers[ELF_IMAGE_SECTIONS_MAX + 2] = {0};
	auto_buffer names = BUFFER_INIT;
	size_t count = e->count + 2, head = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
	struct buffer *b = &e->bytes;

	buffer_clear(b);
	memset(buffer_reserve(b, head), 0, head);
	b->length = head;
	buffer_putc(&names, 0);
	for (size_t i = 1; i < count; i++) {
		bool last = i == count - 1;
		const struct elf_image_section *s = &e->sections[i - 1];

		elf_image_align(e);
		headers[i].sh_name = (uint32_t)names.length;
		headers[i].sh_offset = b->length;
		buffer_append(&names, last ? ".shstrtab" : s->name,
			      strlen(last ? ".shstrtab" : s->name) + 1);
		headers[i].sh_type = last ? SHT_STRTAB : s->type ? s->type : SHT_PROGBITS;
		headers[i].sh_size = last ? names.length : s->length;
		headers[i].sh_addralign = 1;
		if (last) {
			buffer_append(b, names.bytes, names.length);
			continue;
		}
		headers[i].sh_flags = s->flags;
		headers[i].sh_addr = s->address;
		headers[i].sh_link = s->link;
		headers[i].sh_entsize = s->entry_bytes;
		if (s->bytes && headers[i].sh_type != SHT_NOBITS)
			buffer_append(b, s->bytes, s->length);
	}
	elf_image_align(e);

	Elf64_Ehdr header = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = e->type ? e->type : ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_shoff = b->length,
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = (uint16_t)count,
		.e_shstrndx = (uint16_t)(count - 1),
	};
	Elf64_Phdr program = {
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = ELF_IMAGE_CODE,
		.p_filesz = b->length,
		.p_memsz = b->length,
	};

	buffer_append(b, headers, count * sizeof(*headers));
	assert_int_equal(b->error, 0);
	memcpy(b->bytes, &header, sizeof(header));
	memcpy(b->bytes + sizeof(header), &program, sizeof(program));
	return (struct slice){(const uint8_t *)b->bytes, b->length};
}

static inline void elf_image_release(struct elf_image *e)
{
	buffer_release(&e->bytes);
}

/** A memfd with these bytes, owned by the caller. */
static inline int memfd_of(const void *bytes, size_t length)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, length, 0), (ssize_t)length);
	return fd;
}

/** The finished file as a memfd, owned by the caller. */
static inline int elf_image_memfd(struct elf_image *e)
{
	struct slice image = elf_image_finish(e);

	return memfd_of(image.bytes, image.length);
}

#endif
