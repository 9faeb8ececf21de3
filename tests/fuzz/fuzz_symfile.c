/* SPDX-License-Identifier: Apache-2.0 */
/* A symbol file by a writer who means harm: checksum and size are made right, everything else is not. */
#define XXH_INLINE_ALL
#include "fuzz/fuzz.h"

#include <xxhash.h>

#include "symbolizer/symfile.h"
#include "symbolizer/symfile_format.h"

static void ask(const struct symfile *f, uint64_t base)
{
	struct symfile_frame chain[SYMFILE_CHAIN_MAX];
	struct symfile_range range;

	for (uint64_t at = base; at < base + 4096; at += 31) {
		size_t count = symfile_lookup(f, at, chain, SYMFILE_CHAIN_MAX);

		for (size_t i = 0; i < count; i++)
			fuzz_sink += (chain[i].function ? strlen(chain[i].function) : 0) +
				     (chain[i].file ? strlen(chain[i].file) : 0);
	}
	for (size_t i = 0; symfile_range_at(f, i, &range); i++)
		fuzz_sink += range.function ? strlen(range.function) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t from = offsetof(struct symfile_disk_header, base);
	struct symfile_disk_header header;
	struct symfile *f;

	if (size < sizeof(header))
		return 0;

	uint8_t *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	memcpy(&header, data, sizeof(header));
	memcpy(header.magic, SYMFILE_MAGIC, sizeof(header.magic));
	header.version = SYMFILE_VERSION;
	header.header_bytes = sizeof(header);
	header.file_bytes = size;
	memcpy(copy, &header, sizeof(header));
	header.checksum = XXH3_64bits(copy + from, size - from);
	memcpy(copy, &header, sizeof(header));

	int fd = fuzz_memfd(copy, size);

	if (!symfile_open(fd, &f)) {
		ask(f, header.base);
		symfile_unref(f);
	}
	(void)close(fd);
	free(copy);
	return 0;
}
