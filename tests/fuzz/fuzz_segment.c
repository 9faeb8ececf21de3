/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History read back from disk: a dictionary and a block of samples. The input gives the columns, so that a fuzzer does
 * not have to find out how to compress; a first byte that is odd takes the rest as a pack as it is.
 */
#define XXH_INLINE_ALL
#include "fuzz/fuzz.h"

#include <xxhash.h>

#include "server/store/segment_block.h"
#include "server/store/segment_dict.h"

static void make_pack(const uint8_t **data, size_t *size, size_t columns, struct buffer *out)
{
	struct pack p = {.count = columns};

	for (size_t i = 0; i < columns; i++) {
		size_t length;
		const uint8_t *part = fuzz_take(data, size, &length);

		buffer_append(&p.columns[i], part, length);
	}
	if (pack_write(&p, 1, out))
		abort();
	pack_release(&p);
}

static void read_block(const struct segment_dict *d, const struct buffer *bytes, bool without_times)
{
	CLEANUP(segment_block_reader_release) struct segment_block_reader reader = {0};
	struct segment_window w;

	if (segment_block_open(d, bytes->bytes, bytes->length, without_times, &reader))
		return;
	while (!segment_block_next(&reader, &w))
		for (size_t i = 0; i < w.sample_count; i++)
			if (w.samples[i].series >= d->series_count)
				abort(); /* what the header promises */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_dict d;
	auto_buffer dict = BUFFER_INIT, block = BUFFER_INIT;

	if (!size)
		return 0;
	segment_dict_init(&d);
	if (*data % 2 && size > 9) {
		uint64_t checksum = XXH3_64bits(data + 9, size - 9);

		buffer_append(&dict, &checksum, sizeof(checksum));
		buffer_append(&dict, data + 9, size - 9);
		(void)segment_dict_read(&d, dict.bytes, dict.length);
	} else {
		data++;
		size--;
		make_pack(&data, &size, DICT_COLUMN_COUNT, &dict);
		make_pack(&data, &size, BLOCK_COLUMN_COUNT, &block);
		if (!segment_dict_read(&d, dict.bytes, dict.length)) {
			read_block(&d, &block, false);
			read_block(&d, &block, true);
		}
	}
	segment_dict_release(&d);
	return 0;
}
