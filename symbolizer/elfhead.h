/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of an ELF file that identifies it: header, PT_LOAD segments, build id. Read with pread(2) and a few
 * KiB of memory, because the daemon itself does this to every file that a process maps: whatever the file
 * claims, a call reads at most about 4 MiB and allocates at most 64 KiB.
 *
 * Sources: System V gABI chapters 4 and 5; the note types are those of <elf.h> and, for Go,
 * cmd/internal/buildid.
 *
 * Thread rule: pure functions of the file.
 */
#ifndef HEARTH_SYMBOLIZER_ELFHEAD_H
#define HEARTH_SYMBOLIZER_ELFHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/binary.h"

#define ELFHEAD_SEGMENTS_MAX 256 /* PT_LOADs kept; real files have 1 to 8 */

enum build_id_source {
	BUILD_ID_GNU,  /* NT_GNU_BUILD_ID */
	BUILD_ID_GO,   /* hash of Go's own build id */
	BUILD_ID_HASH, /* hash of parts of the file: it carries no id */
};

/** What elfhead_read() found. */
struct elfhead {
	struct binary_segment *segments; /* owned; in file order */
	size_t segment_count;
	struct build_id build_id; /* never empty */
	enum build_id_source build_id_source;
	uint16_t type;	     /* ET_EXEC, ET_DYN, ET_REL, ... */
	uint16_t machine;    /* EM_X86_64, ... */
	uint64_t file_bytes; /* size when it was read */
};

/**
 * Read the head of an ELF file.
 *
 * @fd: a regular file or memfd; its position is not used
 * @ret: on success release with elfhead_release()
 *
 * Returns 0; -ENOEXEC if it is no ELF file of this machine's class and byte order, or its headers do not
 * fit into it; -EIO; -ENOMEM.
 */
int elfhead_read(int fd, struct elfhead *ret);

/** Free what @h holds; NULL allowed. */
void elfhead_release(struct elfhead *h);

/**
 * Find the build id in note bytes.
 *
 * @notes: content of a PT_NOTE segment or SHT_NOTE section, 4- or 8-byte aligned entries
 * @align: p_align or sh_addralign
 *
 * Returns 0; -ENOENT if neither a GNU nor a Go build id is among them.
 */
int elfhead_find_build_id(const void *notes, size_t length, uint64_t align, struct build_id *ret_id,
			  enum build_id_source *ret_source);

#endif
