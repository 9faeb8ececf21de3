/* SPDX-License-Identifier: Apache-2.0 */
/* Call frame information of an ELF file to an unwind table, from a file and from memory. */
#include "fuzz/fuzz.h"

#include "symbolizer/unwind_file.h"
#include "symbolizer/unwind_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_memfd(data, size);
	struct unwind_file *f;

	if (!unwind_table_build(fd, size % 2 ? fd : -1, &f)) {
		fuzz_sink += unwind_file_header(f)->row_count;
		unwind_file_unref(f);
	}
	if (!unwind_table_build_memory(data, size, &f))
		unwind_file_unref(f);
	(void)close(fd);
	return 0;
}
