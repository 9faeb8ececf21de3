/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A section read from its beginning to its end, of which only a window is in memory: unpacked as far as the reader
 * has come, forgotten behind it. Bytes keep their addresses, so that code that works on a whole section works on
 * the window too. (libjvm.so's .debug_info unpacks to 257 MB; the window is 10 MB.)
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_ELFSTREAM_H
#define HEARTH_SYMBOLIZER_ELFSTREAM_H

#include "symbolizer/elffile.h"

struct elfstream {
	struct slice bytes; /* the whole section; only [dropped, ready) may be read */
	size_t ready;
	size_t dropped;
	struct slice packed; /* compressed bytes; empty if the section is not compressed */
	size_t packed_dropped;
	void *decoder; /* owned; of the kind of compression */
	const struct elfstream_codec *codec;
};

/**
 * Start reading a section.
 *
 * @section: one of @f's; NULL gives an empty stream
 * @ret: on success release with elfstream_release()
 *
 * Returns 0; -EBADMSG, -EFBIG, -ENOTSUP as elffile_section_data(); -ENOMEM.
 */
int elfstream_open(const struct elffile *f, const ElfW(Shdr) * section, struct elfstream *ret);

/** Free what @s holds; NULL allowed. */
void elfstream_release(struct elfstream *s);

/** Make the bytes up to @until readable (all, if it lies behind the end). Returns 0; -EBADMSG; -ENOMEM. */
int elfstream_fill(struct elfstream *s, uint64_t until);

/** Forget the bytes before @until: they must not be read any more. */
void elfstream_drop(struct elfstream *s, uint64_t until);

#endif
