/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_map.h"

#include <errno.h>

int unwind_map_bias(const struct binary *b, uint64_t start, uint64_t offset, uint64_t *ret)
{
	size_t count;
	const struct binary_segment *s = binary_segments(b, &count);

	/* Executable segments first: two segments may share a page of the file. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			if (s[i].executable != (pass == 0) || offset < (s[i].offset & ~4095ull) ||
			    offset >= s[i].offset + s[i].file_bytes)
				continue;
			*ret = start - offset - (s[i].vaddr - s[i].offset);
			return 0;
		}
	}
	return -ENOENT;
}
