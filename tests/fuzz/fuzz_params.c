/* SPDX-License-Identifier: Apache-2.0 */
/* Values of parameters and options: times, spans, sizes, numbers, lists. */
#include "fuzz/fuzz.h"

#include "base/parse.h"
#include "server/http/json_list.h"
#include "symbolizer/binary.h"

#define NOW_NS 1700000000000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	uint64_t value = 0;
	uint32_t small = 0;
	char **list;
	size_t count;
	struct build_id id;

	fuzz_sink += (size_t)parse_time(text, NOW_NS, &value) + value;
	fuzz_sink += (size_t)parse_duration(text, &value) + value;
	fuzz_sink += (size_t)parse_size(text, &value) + value;
	fuzz_sink += (size_t)parse_u64(text, &value) + value;
	fuzz_sink += (size_t)parse_hex(text, &value) + value;
	fuzz_sink += (size_t)parse_u32_range(text, 1, 1000, &small) + small;
	fuzz_sink += (size_t)build_id_parse(text, &id);
	if (!json_list_parse(text, 64, &list, &count)) {
		for (size_t i = 0; i < count; i++) {
			fuzz_sink += strlen(list[i]);
			free(list[i]);
		}
		free(list);
	}
	free(text);
	return 0;
}
