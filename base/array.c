/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16

int array_reserve(void **items, size_t *capacity, size_t wanted_count, size_t item_bytes)
{
	if (wanted_count <= *capacity)
		return 0;

	size_t grown = *capacity < FIRST_CAPACITY ? FIRST_CAPACITY : *capacity + *capacity / 2;

	if (grown < wanted_count)
		grown = wanted_count;
	if (grown > SIZE_MAX / item_bytes)
		return -ENOMEM;

	void *moved = realloc(*items, grown * item_bytes);

	if (!moved)
		return -ENOMEM;

	*items = moved;
	*capacity = grown;
	return 0;
}
