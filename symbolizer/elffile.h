/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file mapped for reading its sections: native class and byte order only, every header checked against the
 * size of the file, compressed sections (zlib, zstd, and GNU's old .zdebug_*) unpacked here because the libelf
 * of the distributions we run on does not know zstd and puts no limit on what a section may grow to.
 *
 * Sources: gABI chapter 4 (sections, Elf64_Chdr), GNU binutils' ZLIB header of .zdebug sections.
 *
 * Invariants: immutable but for the cache of unpacked sections.
 * Thread rule: one owner at a time. A file that shrinks while it is read raises SIGBUS: used in workers only,
 * which may die.
 */
#ifndef HEARTH_SYMBOLIZER_ELFFILE_H
#define HEARTH_SYMBOLIZER_ELFFILE_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/cursor.h"

#define ELFFILE_SECTIONS_MAX 65536
#define ELFFILE_UNPACKED_MAX (1536ull << 20) /* of all sections of a file together */
#define ELFFILE_SECTION_MAX \
	(1ull << 30) /* of one section that is read in any order; sparse files grow huge */
#define ELFFILE_UNPACK_RATIO_MAX 1100 /* deflate reaches 1032:1; real DWARF 3:1 */

/** One section's unpacked content. */
struct elffile_unpacked {
	size_t section; /* index */
	uint8_t *bytes; /* owned */
	size_t length;
};

struct elffile {
	struct slice image; /* the mapped file, or borrowed memory */
	bool mapped;
	ElfW(Ehdr) header;
	const ElfW(Shdr) * sections; /* borrowed from the image */
	size_t section_count;
	struct slice section_names;
	const ElfW(Phdr) * programs; /* borrowed from the image */
	size_t program_count;
	struct elffile_unpacked *unpacked;
	size_t unpacked_count;
	size_t unpacked_capacity;
	uint64_t unpacked_bytes;
};

/**
 * Map an ELF file.
 *
 * @fd: borrowed
 * @ret: on success release with elffile_release()
 *
 * Returns 0; -ENOEXEC if it is no ELF file of this machine's class and byte order; -errno of mapping it.
 */
int elffile_open(int fd, struct elffile *ret);

/** Same for an image in memory, borrowed for the life of @ret; aligned to 8 bytes. */
int elffile_open_memory(struct slice image, struct elffile *ret);

/** Unmap and free; NULL allowed. */
void elffile_release(struct elffile *f);

/** Name of a section, "" if it has none. */
const char *elffile_section_name(const struct elffile *f, const ElfW(Shdr) * section);

/** First section called @name, NULL if there is none. */
const ElfW(Shdr) * elffile_find_section(const struct elffile *f, const char *name);

/**
 * Content of a section, unpacked if it is compressed.
 *
 * @section: one of @f's; NULL gives an empty slice
 * @ret: borrowed, valid until elffile_release(); empty for SHT_NOBITS
 *
 * Returns 0; -EBADMSG if it lies outside the file or does not unpack; -EFBIG if it is or unpacks to too much; -ENOTSUP
 * for an unknown compression; -ENOMEM.
 */
int elffile_section_data(struct elffile *f, const ElfW(Shdr) * section, struct slice *ret);

/** Section ".debug_@name", or GNU's compressed ".zdebug_@name"; NULL if there is neither. */
const ElfW(Shdr) * elffile_find_debug_section(const struct elffile *f, const char *name);

/** Content of ".debug_@name", or of GNU's compressed ".zdebug_@name"; empty slice if there is neither. */
int elffile_debug_section(struct elffile *f, const char *name, struct slice *ret);

#endif
