/* SPDX-License-Identifier: Apache-2.0 */
/* A selector as it comes with a request, matched against values as they come from processes. */
#include "fuzz/fuzz.h"

#include "server/query/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	char error[320];
	struct selector *s;

	if (!selector_parse(text, &s, error, sizeof(error))) {
		for (size_t i = 0; i < selector_count(s); i++) {
			fuzz_sink += strlen(selector_label(s, i));
			fuzz_sink += (size_t)selector_match(s, i, "nginx: worker process");
			fuzz_sink += (size_t)selector_match(s, i, text);
			fuzz_sink += (size_t)selector_match(s, i, "");
		}
		selector_destroy(s);
	} else {
		fuzz_sink += strlen(error);
	}
	free(text);
	return 0;
}
