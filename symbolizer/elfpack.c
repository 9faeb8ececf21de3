/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elfpack.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#ifndef ELFCOMPRESS_ZSTD /* younger than the C library of Debian 12 */
#define ELFCOMPRESS_ZSTD 2
#endif
#define GNU_HEADER_BYTES 12 /* "ZLIB" and the size, big endian */

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

int elfpack_unpack(const struct elfpack *pack, uint8_t *to)
{
	if (pack->kind == ELFPACK_ZLIB)
		return unpack_zlib(pack->data, to, pack->length);

	size_t count = ZSTD_decompress(to, pack->length, pack->data.bytes, pack->data.length);

	return ZSTD_isError(count) || count != pack->length ? -EBADMSG : 0;
}

/* gABI: Elf64_Chdr before the data. */
static int read_standard(struct slice data, struct elfpack *ret)
{
	ElfW(Chdr) header;

	if (data.length < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data.bytes, sizeof(header));
	if (header.ch_type != ELFCOMPRESS_ZLIB && header.ch_type != ELFCOMPRESS_ZSTD)
		return -ENOTSUP;
	ret->kind = header.ch_type == ELFCOMPRESS_ZSTD ? ELFPACK_ZSTD : ELFPACK_ZLIB;
	ret->length = header.ch_size;
	ret->data = (struct slice){data.bytes + sizeof(header), data.length - sizeof(header)};
	return 0;
}

static void read_gnu(struct slice data, struct elfpack *ret)
{
	ret->kind = ELFPACK_ZLIB;
	ret->length = 0;
	for (int i = 4; i < GNU_HEADER_BYTES; i++)
		ret->length = ret->length << 8 | data.bytes[i];
	ret->data = (struct slice){data.bytes + GNU_HEADER_BYTES, data.length - GNU_HEADER_BYTES};
}

int elfpack_read(const struct elffile *f, const ElfW(Shdr) * section, struct elfpack *ret)
{
	if (section->sh_offset > f->image.length ||
	    section->sh_size > f->image.length - section->sh_offset)
		return -EBADMSG;

	struct slice data = {f->image.bytes + section->sh_offset, section->sh_size};

	*ret = (struct elfpack){.kind = ELFPACK_NONE, .data = data, .length = data.length};
	if (section->sh_flags & SHF_COMPRESSED) {
		int err = read_standard(data, ret);

		if (err)
			return err;
	} else if (!strncmp(elffile_section_name(f, section), ".zdebug_", 8) &&
		   data.length >= GNU_HEADER_BYTES && !memcmp(data.bytes, "ZLIB", 4)) {
		read_gnu(data, ret);
	}
	/* zstd packs runs of one byte far better than deflate, but no real DWARF is one. */
	if (ret->kind != ELFPACK_NONE && ret->length / ELFFILE_UNPACK_RATIO_MAX > ret->data.length)
		return -EFBIG;
	return 0;
}
