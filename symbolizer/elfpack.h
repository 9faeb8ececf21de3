/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a section is compressed, if it is: gABI's SHF_COMPRESSED (zlib, zstd) or GNU's older ".zdebug_" sections.
 *
 * Thread rule: pure functions of the file.
 */
#ifndef HEARTH_SYMBOLIZER_ELFPACK_H
#define HEARTH_SYMBOLIZER_ELFPACK_H

#include "symbolizer/elffile.h"

enum elfpack_kind { ELFPACK_NONE, ELFPACK_ZLIB, ELFPACK_ZSTD };

struct elfpack {
	enum elfpack_kind kind;
	struct slice data; /* as it lies in the file, without the compression's header */
	uint64_t length;   /* unpacked */
};

/**
 * Look at a section.
 *
 * Returns 0; -EBADMSG if it lies outside the file or its header is damaged; -EFBIG if it claims to unpack to more
 * than its compression could; -ENOTSUP for an unknown compression.
 */
int elfpack_read(const struct elffile *f, const ElfW(Shdr) * section, struct elfpack *ret);

/** Unpack all of it to exactly @pack->length bytes. Returns 0; -EBADMSG; -ENOMEM. */
int elfpack_unpack(const struct elfpack *pack, uint8_t *to);

#endif
