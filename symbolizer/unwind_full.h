/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The complete step: all registers, by call frame information itself, DWARF expressions included. It is what user
 * space has beyond the rules of bpf/unwind.h, at the cost of reading the file's sections for each frame.
 *
 * Registers of x86-64. A register whose value cannot be recovered becomes unknown, which ends the stack only where
 * it is needed.
 *
 * Thread rule: none; no state outside the arguments.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_FULL_H
#define HEARTH_SYMBOLIZER_UNWIND_FULL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/unwind_format.h"
#include "symbolizer/unwind_elf.h"

#define UNWIND_FULL_REGS 17 /* 16 = return address */

/** A frame. */
struct unwind_frame {
	uint64_t pc;
	uint64_t regs[UNWIND_FULL_REGS]; /* by DWARF number; 16 is not used */
	uint32_t known;			 /* bit per register with a value */
	bool exact;			 /* as in struct unwind_state */
};

/** Memory of the thread. */
struct unwind_memory {
	void *arg;
	/** Returns 0; -EFAULT; -ENODATA where a copy of a stack ends too early. */
	int (*read)(void *arg, void *to, uint32_t bytes, uint64_t from);
};

/**
 * Go from a frame to its caller.
 *
 * @elf: of the file that covers the frame, @bias: its runtime addresses - ELF vaddrs
 * @frame: replaced by the caller's on success
 *
 * Returns UNWIND_END_NOT_YET, or how the stack ended with @frame unchanged.
 */
enum unwind_end unwind_full_step(const struct unwind_elf *elf, uint64_t bias,
				 const struct unwind_memory *memory, struct unwind_frame *frame);

/** What a DWARF expression is evaluated in. */
struct unwind_scope {
	const struct unwind_frame *frame;
	const struct unwind_memory *memory;
	uint64_t bias;		 /* added to DW_OP_addr */
	const uint64_t *initial; /* value on the stack at the start; NULL = none */
};

/**
 * Evaluate a DWARF expression (DWARF 5, 2.5) as call frame information uses it.
 *
 * Returns 0 with the top of the stack; -EINVAL for a malformed or unsupported one, or one that needs an unknown
 * register; what reading memory returned where that failed. Ends after 10,000 operations.
 */
int unwind_expression(const uint8_t *bytes, uint32_t length, const struct unwind_scope *scope,
		      uint64_t *ret);

#endif
