/* SPDX-License-Identifier: Apache-2.0 */
/* An unwind table by a writer who means harm: its checksum is made right. */
#include "fuzz/fuzz.h"

#include "bpf/unwind_format.h"
#include "symbolizer/unwind_file.h"
#include "symbolizer/unwind_rule.h"

static uint8_t block[UNWIND_CHUNK_BYTES / 2] __attribute__((aligned(64)));

static void ask(const struct unwind_file *f)
{
	const struct unwind_file_header *h = unwind_file_header(f);
	uint64_t vaddr;

	for (uint32_t i = 0; i < h->row_count; i++) {
		const struct unwind_rule *rule = unwind_file_row(f, i, &vaddr);
		char text[UNWIND_RULE_TEXT_BYTES];

		unwind_rule_format_x86(rule, text);
		fuzz_sink += strlen(text);
	}
	for (uint32_t page = 0; page < h->page_count && page < 64; page++) {
		uint32_t bytes = 0;

		for (uint32_t low = 0; low < 1u << UNWIND_PAGE_SHIFT; low += 1021)
			fuzz_sink += (size_t)unwind_file_find(
				f, ((uint64_t)(h->first_page + page) << UNWIND_PAGE_SHIFT) + low);
		if (!unwind_file_make_page(f, page, block, &bytes))
			fuzz_sink += block[bytes - 1];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_file_header header;
	struct unwind_file *f;

	if (size < sizeof(header))
		return 0;

	uint8_t *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	memcpy(&header, data, sizeof(header));
	memcpy(header.magic, UNWIND_FILE_MAGIC, sizeof(header.magic));
	header.version = UNWIND_FILE_VERSION;
	memcpy(copy, &header, sizeof(header));
	header.checksum = unwind_file_checksum(copy, size);
	memcpy(copy, &header, sizeof(header));
	if (unwind_file_open_memory(copy, size, &f)) {
		free(copy);
		return 0;
	}
	ask(f);
	unwind_file_unref(f);
	return 0;
}
