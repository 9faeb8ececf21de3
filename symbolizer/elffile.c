/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elffile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "symbolizer/elfpack.h"

#if __ELF_NATIVE_CLASS == 64
#define NATIVE_CLASS ELFCLASS64
#else
#define NATIVE_CLASS ELFCLASS32
#endif
#define NATIVE_DATA (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

/* A table of @count items at @offset of the image; NULL if it does not fit or is not aligned for reading. */
static const void *table_at(struct slice image, uint64_t offset, uint64_t count, size_t item_bytes)
{
	uint64_t length;

	if (!count || !offset || __builtin_mul_overflow(count, (uint64_t)item_bytes, &length) ||
	    offset > image.length || length > image.length - offset)
		return NULL;
	if (((uintptr_t)image.bytes + offset) % _Alignof(ElfW(Shdr)))
		return NULL;
	return image.bytes + offset;
}

static void find_section_names(struct elffile *f)
{
	uint64_t index = f->header.e_shstrndx;

	if (index == SHN_XINDEX)
		index = f->sections[0].sh_link;
	if (index >= f->section_count)
		return;

	const ElfW(Shdr) *names = &f->sections[index];

	if (names->sh_type == SHT_STRTAB && names->sh_offset <= f->image.length &&
	    names->sh_size <= f->image.length - names->sh_offset)
		f->section_names =
			(struct slice){f->image.bytes + names->sh_offset, names->sh_size};
}

int elffile_open_memory(struct slice image, struct elffile *ret)
{
	struct elffile f = {.image = image};

	if (image.length < sizeof(f.header))
		return -ENOEXEC;
	memcpy(&f.header, image.bytes, sizeof(f.header));
	if (memcmp(f.header.e_ident, ELFMAG, SELFMAG) ||
	    f.header.e_ident[EI_CLASS] != NATIVE_CLASS || f.header.e_ident[EI_DATA] != NATIVE_DATA)
		return -ENOEXEC;

	uint64_t section_count = f.header.e_shnum;

	if (f.header.e_shentsize == sizeof(ElfW(Shdr))) {
		f.sections = table_at(image, f.header.e_shoff, section_count ? section_count : 1,
				      sizeof(ElfW(Shdr)));
		if (f.sections && !section_count) /* gABI: more sections than e_shnum can say */
			section_count = f.sections[0].sh_size;
		if (section_count > ELFFILE_SECTIONS_MAX)
			section_count = ELFFILE_SECTIONS_MAX;
		f.sections = table_at(image, f.header.e_shoff, section_count, sizeof(ElfW(Shdr)));
		f.section_count = f.sections ? section_count : 0;
	}
	if (f.header.e_phentsize == sizeof(ElfW(Phdr))) {
		f.programs =
			table_at(image, f.header.e_phoff, f.header.e_phnum, sizeof(ElfW(Phdr)));
		f.program_count = f.programs ? f.header.e_phnum : 0;
	}
	if (f.section_count)
		find_section_names(&f);
	*ret = f;
	return 0;
}

int elffile_open(int fd, struct elffile *ret)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(ElfW(Ehdr)))
		return -ENOEXEC;

	size_t length = (size_t)status.st_size;
	void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);

	if (bytes == MAP_FAILED)
		return -errno;

	int err = elffile_open_memory((struct slice){bytes, length}, ret);

	if (err)
		(void)munmap(bytes, length); /* a mapping we just made */
	else
		ret->mapped = true;
	return err;
}

void elffile_release(struct elffile *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->unpacked_count; i++)
		free(f->unpacked[i].bytes);
	free(f->unpacked);
	if (f->mapped)
		(void)munmap((void *)f->image.bytes,
			     f->image.length); /* ours, see elffile_open() */
	*f = (struct elffile){0};
}

const char *elffile_section_name(const struct elffile *f, const ElfW(Shdr) * section)
{
	const char *name = slice_string(f->section_names, section->sh_name);

	return name ? name : "";
}

const ElfW(Shdr) * elffile_find_section(const struct elffile *f, const char *name)
{
	for (size_t i = 1; i < f->section_count; i++)
		if (!strcmp(elffile_section_name(f, &f->sections[i]), name))
			return &f->sections[i];
	return NULL;
}

int elffile_section_data(struct elffile *f, const ElfW(Shdr) * section, struct slice *ret)
{
	struct elfpack pack;

	*ret = (struct slice){0};
	if (!section || section->sh_type == SHT_NOBITS)
		return 0;

	size_t index = (size_t)(section - f->sections);
	int err = elfpack_read(f, section, &pack);

	if (err)
		return err;
	if (pack.data.length > ELFFILE_SECTION_MAX)
		return -EFBIG;
	if (pack.kind == ELFPACK_NONE) {
		*ret = pack.data;
		return 0;
	}
	for (size_t i = 0; i < f->unpacked_count; i++)
		if (f->unpacked[i].section == index) {
			*ret = (struct slice){f->unpacked[i].bytes, f->unpacked[i].length};
			return 0;
		}

	if (pack.length > ELFFILE_UNPACKED_MAX - f->unpacked_bytes)
		return -EFBIG;
	if (array_reserve((void **)&f->unpacked, &f->unpacked_capacity, f->unpacked_count + 1,
			  sizeof(*f->unpacked)))
		return -ENOMEM;

	auto_free uint8_t *bytes = malloc(pack.length ? pack.length : 1);

	if (!bytes)
		return -ENOMEM;
	err = elfpack_unpack(&pack, bytes);
	if (err)
		return err;

	*ret = (struct slice){bytes, pack.length};
	f->unpacked_bytes += pack.length;
	f->unpacked[f->unpacked_count++] = (struct elffile_unpacked){
		.section = index,
		.bytes = take_ptr(bytes),
		.length = pack.length,
	};
	return 0;
}

const ElfW(Shdr) * elffile_find_debug_section(const struct elffile *f, const char *name)
{
	char full[64];

	snprintf(full, sizeof(full), ".debug_%s", name);

	const ElfW(Shdr) *section = elffile_find_section(f, full);

	if (section)
		return section;
	snprintf(full, sizeof(full), ".zdebug_%s", name);
	return elffile_find_section(f, full);
}

int elffile_debug_section(struct elffile *f, const char *name, struct slice *ret)
{
	return elffile_section_data(f, elffile_find_debug_section(f, name), ret);
}
