/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a mapped executable's own addresses lie in a process.
 *
 * Thread rule: none; no state.
 */
#ifndef HEARTH_SYMBOLIZER_UNWIND_MAP_H
#define HEARTH_SYMBOLIZER_UNWIND_MAP_H

#include <stdint.h>

#include "symbolizer/binary.h"

/**
 * Runtime address - ELF vaddr of an executable mapping, by the segment its offset lies in.
 *
 * @start, @offset: of the mapping; mappings start at whole pages, so that may be a little before the segment
 *
 * Returns 0; -ENOENT if no segment of the file is mapped there.
 */
int unwind_map_bias(const struct binary *b, uint64_t start, uint64_t offset, uint64_t *ret);

#endif
