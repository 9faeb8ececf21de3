/* SPDX-License-Identifier: Apache-2.0 */
/* The text of /proc/kallsyms. */
#include "fuzz/fuzz.h"

#include <stdio.h>

#include "symbolizer/ksyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_memfd(data, size);
	char path[64];
	struct ksyms *k;
	struct ksym found;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!ksyms_load(path, &k)) {
		for (int shift = 0; shift < 64; shift++)
			if (!ksyms_lookup(k, (UINT64_MAX << shift) + 16, &found))
				fuzz_sink += strlen(found.name) +
					     (found.module ? strlen(found.module) : 0);
		fuzz_sink += ksyms_count(k);
		ksyms_destroy(k);
	}
	(void)close(fd);
	return 0;
}
