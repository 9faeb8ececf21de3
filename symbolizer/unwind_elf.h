/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an ELF file keeps its call frame information: .eh_frame and .debug_frame, in the file or in its separate
 * debug file; without section headers, what PT_GNU_EH_FRAME points to.
 *
 * Thread rule: one owner.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_ELF_H
#define HEARTH_SYMBOLIZER_UNWIND_ELF_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/cfi.h"
#include "symbolizer/unwind_file.h"

#define UNWIND_ELF_SEGMENTS 64
#define UNWIND_ELF_SECTIONS 4

/** An executable PT_LOAD. */
struct unwind_segment {
	uint64_t vaddr;
	uint64_t end;	      /* by memory size */
	const uint8_t *bytes; /* in the file image */
	size_t file_bytes;    /* of them, cut where the file ends */
};

struct unwind_elf {
	Elf *main;
	Elf *debug;	  /* NULL if there is none */
	uint16_t machine; /* EM_* */
	uint16_t sources; /* bits of enum unwind_source: where the sections come from */
	uint32_t segment_count;
	uint32_t section_count;
	struct unwind_segment
		segments[UNWIND_ELF_SEGMENTS];		  /* in the order of the program headers */
	struct cfi_section sections[UNWIND_ELF_SECTIONS]; /* the better first */
};

/**
 * Find the information in an open file.
 *
 * @fd: of the ELF file, borrowed until unwind_elf_release(); mapped, so run this where SIGBUS may strike
 * @debug_fd: of its separate debug file, borrowed likewise; -1 = none
 * @ret: on success to be released with unwind_elf_release()
 *
 * Returns 0, also when no section was found; -ENOEXEC if it is no 64-bit little-endian ELF file; -ENOTSUP for
 * a machine that is not supported; -ENOMEM.
 */
int unwind_elf_open(int fd, int debug_fd, struct unwind_elf *ret);

/** The same for an image in memory, such as the vDSO; borrowed until unwind_elf_release(). */
int unwind_elf_open_memory(const void *image, size_t size, struct unwind_elf *ret);

/** Free what @e holds; NULL allowed. */
void unwind_elf_release(struct unwind_elf *e);

/** The executable segment that holds @vaddr; NULL if none does. Borrowed. */
const struct unwind_segment *unwind_elf_segment(const struct unwind_elf *e, uint64_t vaddr);

#endif
