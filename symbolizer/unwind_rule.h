/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: from a row of call frame information to the 16 bytes that the unwinder works with, and to text.
 *
 * What differs between architectures lies in unwind_rule_<architecture>.c.
 * Thread rule: none; no state.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_RULE_H
#define HEARTH_SYMBOLIZER_UNWIND_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_format.h"
#include "symbolizer/cfi.h"

#define UNWIND_RULE_TEXT_BYTES 128

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
