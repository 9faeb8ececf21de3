/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/debugdata.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"

#define LZMA_MEMORY_MAX (128ull << 20)
#define PIECE_BYTES	(1u << 20)

static int convert(lzma_ret status)
{
	switch (status) {
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -EFBIG;
	default:
		return -EBADMSG;
	}
}

static int unpack(lzma_stream *stream, struct slice packed, struct buffer *to)
{
	lzma_ret status = LZMA_OK;

	stream->next_in = packed.bytes;
	stream->avail_in = packed.length;
	while (status == LZMA_OK) {
		char *room = buffer_reserve(to, PIECE_BYTES);

		if (!room)
			return to->error;
		stream->next_out = (uint8_t *)room;
		stream->avail_out = PIECE_BYTES;
		status = lzma_code(stream, LZMA_FINISH);
		to->length += PIECE_BYTES - stream->avail_out;
	}
	return status == LZMA_STREAM_END ? 0 : convert(status);
}

int debugdata_open(struct elffile *f, struct elffile *ret)
{
	const ElfW(Shdr) *section = elffile_find_section(f, ".gnu_debugdata");
	auto_buffer image = BUFFER_INIT;
	lzma_stream stream = LZMA_STREAM_INIT;
	struct slice packed;

	if (!section)
		return -ENOENT;

	int err = elffile_section_data(f, section, &packed);

	if (err)
		return err;
	image.limit = DEBUGDATA_BYTES_MAX;

	lzma_ret status = lzma_stream_decoder(&stream, LZMA_MEMORY_MAX, 0);

	err = status == LZMA_OK ? unpack(&stream, packed, &image) : convert(status);
	lzma_end(&stream);
	if (err)
		return err;

	size_t length;
	auto_free char *bytes = buffer_steal(&image, &length);

	if (!bytes)
		return -ENOMEM;
	err = elffile_open_memory((struct slice){(uint8_t *)bytes, length}, ret);
	if (err)
		return err == -ENOEXEC ? -EBADMSG : err;
	(void)take_ptr(bytes); /* debugdata_close() frees it as the image */
	return 0;
}

void debugdata_close(struct elffile *f)
{
	void *bytes = (void *)f->image.bytes;

	elffile_release(f);
	free(bytes);
}
