/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elffile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "base/array.h"
#include "base/cleanup.h"

#if __ELF_NATIVE_CLASS == 64
#define NATIVE_CLASS ELFCLASS64
#else
#define NATIVE_CLASS ELFCLASS32
#endif
#define NATIVE_DATA (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif
#define GNU_COMPRESSION	 UINT32_MAX /* our mark for a .zdebug section */
#define GNU_HEADER_BYTES 12	    /* "ZLIB" and the size, big endian */

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

/* zlib data of exactly @room bytes; uInt limits each step, not the whole. */
static int unpack_zlib(struct slice packed, uint8_t *bytes, size_t room)
{
	z_stream z = {0};
	int status = inflateInit(&z);

	if (status != Z_OK)
		return status == Z_MEM_ERROR ? -ENOMEM : -EIO;

	size_t left_in = packed.length, left_out = room;

	z.next_in = (Bytef *)packed.bytes; /* zlib does not write there */
	z.next_out = bytes;
	do {
		if (!z.avail_in) {
			z.avail_in = left_in > UINT32_MAX ? UINT32_MAX : (uInt)left_in;
			left_in -= z.avail_in;
		}
		if (!z.avail_out) {
			z.avail_out = left_out > UINT32_MAX ? UINT32_MAX : (uInt)left_out;
			left_out -= z.avail_out;
		}
		status = inflate(&z, Z_NO_FLUSH);
	} while (status == Z_OK && (z.avail_out || left_out));

	bool complete = !left_out && !z.avail_out;

	(void)inflateEnd(&z); /* only frees */
	return complete ? 0 : -EBADMSG;
}

static int unpack(uint32_t kind, struct slice packed, uint8_t *bytes, size_t room)
{
	if (kind == ELFCOMPRESS_ZLIB || kind == GNU_COMPRESSION)
		return unpack_zlib(packed, bytes, room);
	if (kind == ELFCOMPRESS_ZSTD) {
		size_t count = ZSTD_decompress(bytes, room, packed.bytes, packed.length);

		return ZSTD_isError(count) || count != room ? -EBADMSG : 0;
	}
	return -ENOTSUP;
}

/* Reads which compression it is and to what size it unpacks; leaves the packed bytes in @data. */
static int read_compression(const struct elffile *f, const ElfW(Shdr) * section, struct slice *data,
			    uint32_t *ret_kind, uint64_t *ret_bytes)
{
	if (section->sh_flags & SHF_COMPRESSED) {
		ElfW(Chdr) header;

		if (data->length < sizeof(header))
			return -EBADMSG;
		memcpy(&header, data->bytes, sizeof(header));
		*ret_kind = header.ch_type;
		*ret_bytes = header.ch_size;
		*data = (struct slice){data->bytes + sizeof(header), data->length - sizeof(header)};
		return 0;
	}
	if (strncmp(elffile_section_name(f, section), ".zdebug_", 8) ||
	    data->length < GNU_HEADER_BYTES || memcmp(data->bytes, "ZLIB", 4))
		return -ENOENT;

	*ret_kind = GNU_COMPRESSION;
	*ret_bytes = 0;
	for (int i = 4; i < GNU_HEADER_BYTES; i++)
		*ret_bytes = *ret_bytes << 8 | data->bytes[i];
	*data = (struct slice){data->bytes + GNU_HEADER_BYTES, data->length - GNU_HEADER_BYTES};
	return 0;
}

int elffile_section_data(struct elffile *f, const ElfW(Shdr) * section, struct slice *ret)
{
	if (!section || section->sh_type == SHT_NOBITS) {
		*ret = (struct slice){0};
		return 0;
	}
	if (section->sh_offset > f->image.length ||
	    section->sh_size > f->image.length - section->sh_offset)
		return -EBADMSG;

	struct slice data = {f->image.bytes + section->sh_offset, section->sh_size};
	size_t index = (size_t)(section - f->sections);
	uint32_t kind;
	uint64_t length;
	int err = read_compression(f, section, &data, &kind, &length);

	if (err == -ENOENT) {
		*ret = data;
		return 0;
	}
	if (err)
		return err;
	for (size_t i = 0; i < f->unpacked_count; i++)
		if (f->unpacked[i].section == index) {
			*ret = (struct slice){f->unpacked[i].bytes, f->unpacked[i].length};
			return 0;
		}

	if (length > ELFFILE_UNPACKED_MAX - f->unpacked_bytes ||
	    length / ELFFILE_UNPACK_RATIO_MAX > data.length)
		return -EFBIG;
	if (array_reserve((void **)&f->unpacked, &f->unpacked_capacity, f->unpacked_count + 1,
			  sizeof(*f->unpacked)))
		return -ENOMEM;

	auto_free uint8_t *bytes = malloc(length ? length : 1);

	if (!bytes)
		return -ENOMEM;
	err = unpack(kind, data, bytes, length);
	if (err)
		return err;

	*ret = (struct slice){bytes, length};
	f->unpacked_bytes += length;
	f->unpacked[f->unpacked_count++] = (struct elffile_unpacked){
		.section = index, .bytes = take_ptr(bytes), .length = length};
	return 0;
}

int elffile_debug_section(struct elffile *f, const char *name, struct slice *ret)
{
	char full[64];

	snprintf(full, sizeof(full), ".debug_%s", name);

	const ElfW(Shdr) *section = elffile_find_section(f, full);

	if (!section) {
		snprintf(full, sizeof(full), ".zdebug_%s", name);
		section = elffile_find_section(f, full);
	}
	return elffile_section_data(f, section, ret);
}
