/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a sticky error: append many times, check once.
 *
 * Invariants: `bytes` is NULL or holds `capacity` bytes of which `length` are used; after a failure `error`
 * is -ENOMEM or -EFBIG, every further append does nothing, and what was there before stays readable.
 * `limit` (0 = none) bounds `length`; it is the caller's to set right after buffer_init().
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_BASE_BUFFER_H
#define HEARTH_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *bytes;	 /* owned; not NUL-terminated unless buffer_terminate() was called */
	size_t length;	 /* bytes in use */
	size_t capacity; /* bytes allocated */
	size_t limit;	 /* most bytes ever held; 0 = no limit */
	int error;	 /* 0, or the first failure as -errno */
};

#define BUFFER_INIT ((struct buffer){0})

/** Make @b empty without touching what it held before; for storage that is not initialised yet. */
void buffer_init(struct buffer *b);

/** Free what @b holds and make it empty again; NULL allowed. */
void buffer_release(struct buffer *b);

/** Forget the content and the error, keep the memory. */
void buffer_clear(struct buffer *b);

/** Append @length bytes of @bytes. */
void buffer_append(struct buffer *b, const void *bytes, size_t length);

/** Append a NUL-terminated string without its NUL. */
void buffer_puts(struct buffer *b, const char *text);

/** Append one byte. */
void buffer_putc(struct buffer *b, char c);

/** Append an unsigned number in decimal. */
void buffer_put_u64(struct buffer *b, uint64_t value);

/** Append formatted text, as printf(3). */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Append formatted text, as vprintf(3). */
void buffer_vprintf(struct buffer *b, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/**
 * Make room for @length more bytes and hand out where to write them; add to `length` what was written.
 *
 * Returns the first free byte, borrowed, valid until the next call on @b; NULL after a failure.
 */
char *buffer_reserve(struct buffer *b, size_t length);

/**
 * Put a NUL behind the content (not counted in `length`).
 *
 * Returns the content as a string, borrowed, valid until the next call on @b; NULL after a failure.
 */
const char *buffer_terminate(struct buffer *b);

/**
 * Hand the content over: owned by the caller, free with free(). @b is empty afterwards.
 *
 * @ret_length: bytes in the result; NULL allowed
 *
 * Returns the content with a NUL behind it; NULL after a failure (the error stays readable in @b).
 */
char *buffer_steal(struct buffer *b, size_t *ret_length);

#define auto_buffer __attribute__((cleanup(buffer_release))) struct buffer

#endif
