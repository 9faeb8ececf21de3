/* SPDX-License-Identifier: Apache-2.0 */
/* Names of any bytes to names for people. */
#include "fuzz/fuzz.h"

#include "base/utf8.h"
#include "symbolizer/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	auto_buffer name = BUFFER_INIT;

	demangle(text, &name);

	const char *shown = buffer_terminate(&name);

	if (!shown)
		abort();
	if (name.length > DEMANGLE_NAME_MAX || !utf8_is_clean(shown))
		abort(); /* what the header promises */
	for (size_t i = 0; i < name.length; i++)
		if ((unsigned char)shown[i] < 0x20 || shown[i] == 0x7f)
			abort();
	free(text);
	return 0;
}
