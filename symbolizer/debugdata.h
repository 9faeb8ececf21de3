/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MiniDebugInfo: the section .gnu_debugdata holds a whole ELF file, xz-compressed, with the symbol table that
 * stripping took away (Fedora and its kin ship all their programs so).
 *
 * Thread rule: pure functions of the file.
 */
#ifndef HEARTH_SYMBOLIZER_DEBUGDATA_H
#define HEARTH_SYMBOLIZER_DEBUGDATA_H

#include "symbolizer/elffile.h"

#define DEBUGDATA_BYTES_MAX (256u << 20) /* unpacked */

/**
 * Unpack the section of a file.
 *
 * @ret: on success close with debugdata_close()
 *
 * Returns 0; -ENOENT if there is no such section; -EBADMSG if it is damaged; -EFBIG; -ENOMEM.
 */
int debugdata_open(struct elffile *f, struct elffile *ret);

/** Free it. */
void debugdata_close(struct elffile *f);

#endif
