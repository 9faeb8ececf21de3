/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON into a buffer. The result may stand inside a script element of an HTML page as it is: '<', U+2028
 * and U+2029 are escaped.
 *
 * Thread rule: as the buffer.
 */
#ifndef HEARTH_SERVER_ENCODE_JSON_H
#define HEARTH_SERVER_ENCODE_JSON_H

#include <stdint.h>

#include "base/buffer.h"

/** A string with its quotes. Bytes that are no UTF-8 become U+FFFD. NULL counts as "". */
void json_put_string(struct buffer *out, const char *text);

/** `"key":`, behind a comma unless an object or array was just opened. */
void json_put_key(struct buffer *out, const char *key);

/** A comma, unless an object or array was just opened or nothing was written. */
void json_put_comma(struct buffer *out);

/** `"key":"value"` as json_put_key(). */
void json_put_text(struct buffer *out, const char *key, const char *value);

/** `"key":N` as json_put_key(). */
void json_put_number(struct buffer *out, const char *key, uint64_t value);

/** `"key":X` with the shortest decimals that keep 9 digits; as json_put_key(). NaN and infinity become 0. */
void json_put_double(struct buffer *out, const char *key, double value);

/** `"key":S` where S is @ns in seconds, exact; as json_put_key(). */
void json_put_seconds(struct buffer *out, const char *key, uint64_t ns);

/** `"key":true` or `"key":false` as json_put_key(). */
void json_put_bool(struct buffer *out, const char *key, int value);

#endif
