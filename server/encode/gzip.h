/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip (RFC 1952) of whole buffers.
 *
 * Thread rule: as the buffers.
 */
#ifndef HEARTH_SERVER_ENCODE_GZIP_H
#define HEARTH_SERVER_ENCODE_GZIP_H

#include <stddef.h>

#include "base/buffer.h"

/**
 * Append a gzip member that holds @bytes.
 *
 * @level: 1 fast to 9 small
 *
 * Returns 0; -ENOMEM; -EFBIG if the buffer's limit was reached.
 */
int gzip_append(struct buffer *out, const void *bytes, size_t length, int level);

/**
 * Append what a gzip member of a trusted source holds.
 *
 * @plain_bytes: its uncompressed size, known beforehand
 *
 * Returns 0; -EBADMSG if it is no gzip member of that size; -ENOMEM; -EFBIG.
 */
int gunzip_append(struct buffer *out, const void *gzip, size_t length, size_t plain_bytes);

/**
 * Append what gzip members of anybody hold, at most up to the buffer's limit.
 *
 * Returns 0; -EBADMSG if it is not gzip from its first byte to its last; -ENOMEM; -EFBIG.
 */
int gunzip_append_untrusted(struct buffer *out, const void *gzip, size_t length);

#endif
