/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict parsing of the small things people type and /proc prints. Each function takes the whole string
 * (parse_take_*: the digits it starts with) or says no: no leading space, no trailing rest, no silent overflow, no locale.
 *
 * All return 0; -EINVAL if the text is not of the form; -ERANGE if the value does not fit. The result is
 * written on success only.
 */
#ifndef HEARTH_BASE_PARSE_H
#define HEARTH_BASE_PARSE_H

#include <stdint.h>

/**
 * Decimal digits at the start of @text, for formats with several fields.
 *
 * @text: moved behind the digits on success
 */
int parse_take_u64(const char **text, uint64_t *ret);

/** Like parse_take_u64() for hexadecimal digits, without 0x. */
int parse_take_hex(const char **text, uint64_t *ret);

/** Decimal digits. */
int parse_u64(const char *text, uint64_t *ret);

/** Decimal digits, between @min and @max inclusive. */
int parse_u32_range(const char *text, uint32_t min, uint32_t max, uint32_t *ret);

/** Hexadecimal digits with or without 0x. */
int parse_hex(const char *text, uint64_t *ret);

/** Bytes: digits with an optional fraction and an optional unit of K, M, G, T (1024-based; "KiB", "kB", "k" too). */
int parse_size(const char *text, uint64_t *ret_bytes);

/** A share of a hundred, with an optional fraction and an optional %, in millionths: "1.5%" is 15000. */
int parse_percent(const char *text, uint64_t *ret_ppm);

/** Time span: a number with an optional fraction and a unit of ns, us, ms, s, m, h, d, w; no unit means seconds. */
int parse_duration(const char *text, uint64_t *ret_ns);

/**
 * Point in time: Unix seconds with optional fraction, RFC 3339 ("2026-05-01T12:00:00Z", offsets, fractions),
 * "now", "now-15m", "now+1s".
 *
 * @wall_now_ns: what "now" means
 */
int parse_time(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns);

#endif
