/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon itself reads of foreign files: headers, notes, small sections. */
#include "fuzz/fuzz.h"

#include "symbolizer/binary.h"
#include "symbolizer/elfhead.h"
#include "symbolizer/elfsection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_memfd(data, size);
	char text[512], hex[BUILD_ID_HEX_MAX];
	struct build_id id;
	enum build_id_source source;
	struct binary *b;
	size_t length;

	if (!elfsection_read(fd, ".gnu_debuglink", text, sizeof(text) - 1, &length))
		fuzz_sink += strlen(text);
	if (!elfsection_read(fd, ".gnu_debugaltlink", text, sizeof(text) - 1, &length))
		fuzz_sink += strlen(text);
	for (uint64_t align = 4; align <= 8; align += 4)
		if (!elfhead_find_build_id(data, size, align, &id, &source))
			fuzz_sink += strlen(build_id_format(&id, hex));
	if (binary_open(fd, "/fuzz", 0, &b)) {
		(void)close(fd);
		return 0;
	}

	size_t count;
	uint64_t vaddr;

	(void)binary_segments(b, &count);
	for (uint64_t offset = 0; offset < size; offset += 97)
		fuzz_sink += !binary_offset_to_vaddr(b, offset, &vaddr);
	binary_unref(b);
	return 0;
}
