/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the entries of the procedure linkage table, which have no symbols: `foo@plt` is the code that jumps to where the
 * dynamic linker found foo. An entry is known by the relocation of the slot in the global offset table that it jumps
 * through, or, where it only pushes a number for the dynamic linker, by the relocation of that number.
 *
 * x86-64: .plt, .plt.sec (with -fcf-protection) and .plt.got.
 * Source: System V ABI, AMD64 supplement, 5.2 and 13.2.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_ELFPLT_H
#define HEARTH_SYMBOLIZER_ELFPLT_H

#include "symbolizer/elfsyms.h"

#define ELFPLT_SLOTS_MAX (1u << 20) /* relocations, and entries of tables; libjvm has 700 */

/**
 * Add the entries of a file.
 *
 * Returns 0 also when there are none or they are damaged; -ENOMEM.
 */
int elfplt_add(struct elfsyms *e, struct elffile *f);

#endif
