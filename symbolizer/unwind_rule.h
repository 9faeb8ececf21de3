/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: from a row of call frame information to the 16 bytes that the unwinder works with, and to text.
 *
 * What differs between architectures lies in unwind_rule_<architecture>.c and is found through struct unwind_arch.
 *
 * How the rules of arm64 fit the form of bpf/unwind_format.h, which has 5 bits for a register, by DWARF's numbers: the
 * CFA is UNWIND_CFA_REG from sp (31) or x29; the frame pointer (x29) is UNWIND_REG_SAME or _CFA; the return address is
 * UNWIND_REG_REGISTER x30 in leaves and prologues, else _CFA with its offset in `extra`. Whether it is signed
 * (DW_CFA_AARCH64_negate_ra_state) need not be known: the unwinder strips every code pointer.
 *
 * Thread rule: none; no state.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_RULE_H
#define HEARTH_SYMBOLIZER_UNWIND_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_format.h"
#include "symbolizer/cfi.h"

#define UNWIND_RULE_TEXT_BYTES 128

/** What is particular to an architecture. */
struct unwind_arch {
	uint16_t machine; /* EM_* */
	/** Make the rule of a row. */
	struct unwind_rule (*make)(const struct cfi_row *row);
	/** Write a rule as text, see unwind_rule_format_x86(). */
	const char *(*format)(const struct unwind_rule *rule, char *text);
	const uint8_t *sigreturn; /* code of the signal return trampoline */
	size_t sigreturn_bytes;
};

/** The architecture of an ELF machine number; NULL if there are no rules for it. Static. */
const struct unwind_arch *unwind_arch_find(uint16_t machine);

extern const struct unwind_arch unwind_arch_x86;

/** A value that an expression may compute: constant, reg + offset, or *(reg + offset) + add. */
struct unwind_term {
	enum { UNWIND_TERM_CONSTANT, UNWIND_TERM_REG, UNWIND_TERM_DEREF } kind;
	uint64_t reg;
	uint64_t offset;
	uint64_t add;
};

/** Evaluate a DWARF expression into one term. Returns false if it computes anything else. */
bool unwind_term_evaluate(const uint8_t *bytes, uint32_t length, struct unwind_term *ret);

/** Whether a two's complement number fits the fields of a rule. */
bool unwind_is_s32(uint64_t value);

/**
 * Make the rule of a row, x86-64. What the unwinder cannot evaluate becomes the kinds *_EXPR; a row without a valid
 * CFA becomes UNWIND_CFA_NONE.
 */
struct unwind_rule unwind_rule_x86(const struct cfi_row *row);

/**
 * Write a rule as `CFA RBP RA`, the form of `hearth inspect --unwind`.
 *
 * @text: UNWIND_RULE_TEXT_BYTES
 *
 * Returns @text.
 */
const char *unwind_rule_format_x86(const struct unwind_rule *rule, char *text);

/** Name of an x86-64 register by its DWARF number ("rax"; 16 is "rip"); "r?" above. */
const char *unwind_reg_name_x86(uint32_t reg);

/** DWARF number of a register by name, such as "rip" or "r10". Returns -1 if there is none of that name. */
int unwind_reg_number_x86(const char *name);

/** Rule that says only `@cfa`: UNWIND_CFA_NONE, UNWIND_CFA_END, UNWIND_CFA_SIGNAL or UNWIND_CFA_EXPR. */
struct unwind_rule unwind_rule_command(enum unwind_cfa cfa);

/** The code of x86-64's signal return trampoline: mov $15,%rax; syscall. */
#define UNWIND_SIGRETURN_X86	   "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"
#define UNWIND_SIGRETURN_X86_BYTES 9

#endif
