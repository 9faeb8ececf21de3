/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elfsection.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"

#define SECTIONS_MAX   65536
#define NAME_BYTES_MAX 64

/* All of @length bytes: 0; -EBADMSG if the file ends before; -EIO. */
static int read_exactly(int fd, void *bytes, size_t length, uint64_t offset)
{
	size_t done = 0;

	if (offset > INT64_MAX - length)
		return -EBADMSG;
	while (done < length) {
		ssize_t count =
			pread(fd, (char *)bytes + done, length - done, (off_t)(offset + done));

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -EIO : -EBADMSG;
		done += (size_t)count;
	}
	return 0;
}

static int read_section_header(int fd, const ElfW(Ehdr) * header, uint64_t index, ElfW(Shdr) * ret)
{
	uint64_t offset;

	if (__builtin_add_overflow(header->e_shoff, index * sizeof(*ret), &offset))
		return -EBADMSG;
	return read_exactly(fd, ret, sizeof(*ret), offset);
}

static bool name_matches(int fd, const ElfW(Shdr) * names, uint32_t at, const char *name)
{
	char text[NAME_BYTES_MAX];
	size_t length = strlen(name) + 1;

	if (length > sizeof(text) || at >= names->sh_size || names->sh_size - at < length)
		return false;
	return !read_exactly(fd, text, length, names->sh_offset + at) &&
	       !memcmp(text, name, length);
}

static bool is_native(const ElfW(Ehdr) * header)
{
	return !memcmp(header->e_ident, ELFMAG, SELFMAG) &&
	       header->e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
	       header->e_ident[EI_DATA] ==
		       (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
}

static int find(int fd, const char *name, ElfW(Shdr) * ret)
{
	ElfW(Ehdr) header;
	ElfW(Shdr) names, batch[64];
	int err = read_exactly(fd, &header, sizeof(header), 0);

	if (err == -EBADMSG || (!err && !is_native(&header)))
		return -ENOEXEC;
	if (err)
		return err;
	if (!header.e_shoff || header.e_shentsize != sizeof(*batch))
		return -ENOENT;
	err = read_section_header(fd, &header, 0, &batch[0]);
	if (err)
		return err == -EBADMSG ? -ENOENT : err;

	uint64_t count = header.e_shnum ? header.e_shnum : batch[0].sh_size;
	uint64_t names_index =
		header.e_shstrndx == SHN_XINDEX ? batch[0].sh_link : header.e_shstrndx;

	if (count > SECTIONS_MAX)
		count = SECTIONS_MAX;
	if (names_index >= count || read_section_header(fd, &header, names_index, &names))
		return -ENOENT;

	for (uint64_t at = 0; at < count; at += ARRAY_SIZE(batch)) {
		size_t left = count - at < ARRAY_SIZE(batch) ? count - at : ARRAY_SIZE(batch);

		if (read_exactly(fd, batch, left * sizeof(*batch),
				 header.e_shoff + at * sizeof(*batch)))
			return -ENOENT;
		for (size_t i = 0; i < left; i++)
			if (name_matches(fd, &names, batch[i].sh_name, name)) {
				*ret = batch[i];
				return 0;
			}
	}
	return -ENOENT;
}

int elfsection_read(int fd, const char *name, void *bytes, size_t size, size_t *ret_length)
{
	ElfW(Shdr) section;
	int err = find(fd, name, &section);

	if (err)
		return err;
	if (section.sh_type == SHT_NOBITS)
		return -ENOENT;
	if (section.sh_size > size)
		return -E2BIG;
	err = read_exactly(fd, bytes, section.sh_size, section.sh_offset);
	if (err)
		return err;
	((char *)bytes)[section.sh_size] = '\0';
	*ret_length = section.sh_size;
	return 0;
}
