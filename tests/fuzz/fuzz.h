/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzz targets share. A target is a file fuzz_NAME.c with one function; `make fuzz` links it with libFuzzer,
 * `make check` with replay.c, which runs it over tests/fuzz/corpus/NAME.
 */
#ifndef HEARTH_TESTS_FUZZ_FUZZ_H
#define HEARTH_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** The target: must return 0 whatever the bytes are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Keeps what was computed from being optimised away. */
extern volatile size_t fuzz_sink;

/** A memfd with these bytes, owned by the caller. */
static inline int fuzz_memfd(const void *bytes, size_t length)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || (length && pwrite(fd, bytes, length, 0) != (ssize_t)length))
		abort();
	return fd;
}

/** The bytes as a string, owned by the caller; it ends at the first NUL. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/** Cut the next part off: two bytes say how long it is, as far as there are so many. */
static inline const uint8_t *fuzz_take(const uint8_t **data, size_t *size, size_t *ret_length)
{
	size_t length = *size < 2 ? 0 : (size_t)((*data)[0] | (*data)[1] << 8);
	const uint8_t *part = *size < 2 ? *data : *data + 2;
	size_t left = *size < 2 ? 0 : *size - 2;

	if (length > left)
		length = left;
	*data = part + length;
	*size = left - length;
	*ret_length = length;
	return part;
}

#endif
