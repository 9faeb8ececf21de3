/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step of making an unwind table: rows that are in order become the image of an unwind file.
 *
 * Thread rule: none; no state.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_IMAGE_H
#define HEARTH_SYMBOLIZER_UNWIND_IMAGE_H

#include <stdint.h>

#include "symbolizer/cfi.h"
#include "symbolizer/unwind_file.h"

/** A row that holds until the next one. */
struct unwind_laid_row {
	uint32_t at; /* from the base on */
	uint32_t rule;
};

/** What goes into a file; everything is borrowed. */
struct unwind_image {
	uint16_t machine; /* EM_* */
	uint16_t sources; /* bits of enum unwind_source */
	uint64_t base;	  /* ELF vaddr of the first page */
	uint64_t end;	  /* of code */
	struct cfi_stats stats;
	const struct unwind_rule *rules;
	uint32_t rule_count;
	const struct unwind_laid_row *rows; /* ascending */
	uint32_t row_count;
};

/** Make the file. @ret: on success one reference, drop with unwind_file_unref(). Returns 0; -ENOMEM. */
int unwind_image_make(const struct unwind_image *image, struct unwind_file **ret);

#endif
