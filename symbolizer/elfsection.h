/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a small section of an ELF file by name with pread(2) and little memory: what the daemon itself needs of
 * foreign files to find their debug information. Everything bigger is the worker's.
 *
 * Thread rule: pure function of the file.
 */
#ifndef HEARTH_SYMBOLIZER_ELFSECTION_H
#define HEARTH_SYMBOLIZER_ELFSECTION_H

#include <stddef.h>

/**
 * Read a section.
 *
 * @bytes: filled with at most @size bytes, always followed by a NUL (so @size + 1 bytes long)
 * @ret_length: on success bytes read
 *
 * Returns 0; -ENOENT if there is none of this name; -ENOEXEC if it is no ELF file of this machine's class and byte
 * order; -EBADMSG if the section lies outside the file; -E2BIG if it is longer than @size; -EIO.
 */
int elfsection_read(int fd, const char *name, void *bytes, size_t size, size_t *ret_length);

#endif
