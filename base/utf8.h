/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names come from anywhere (a comm is any 15 bytes); the formats we write ask for UTF-8.
 *
 * Thread rule: as the buffers.
 */
#ifndef HEARTH_BASE_UTF8_H
#define HEARTH_BASE_UTF8_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/strpool.h"

/**
 * Bytes of the well-formed sequence at the start of a text (Unicode 15, table 3-7), 0 if there is none.
 *
 * @left: bytes of text; SIZE_MAX = it ends with a NUL
 */
size_t utf8_length(const unsigned char *s, size_t left);

/** Append @text, with U+FFFD in place of each byte that is no UTF-8. */
void utf8_put_clean(struct buffer *out, const char *text);

/** Whether all of @text is UTF-8. */
int utf8_is_clean(const char *text);

/** Add a text to a pool as utf8_put_clean() writes it. Returns as strpool_add(). */
int utf8_add_clean(struct strpool *pool, const char *text, uint32_t *ret_id);

#endif
