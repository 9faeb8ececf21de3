/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to selector.c: the tokens of a selector.
 */
#ifndef HEARTH_SERVER_QUERY_SELECTOR_SCAN_H
#define HEARTH_SERVER_QUERY_SELECTOR_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct scan {
	const char *text;
	size_t length;
	size_t at; /* next byte to read */
	char *error_text;
	size_t error_size;
};

/** Describe what is wrong at the current position. Returns -EINVAL. */
int scan_fail(struct scan *scan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Whether the whole text was read. */
bool scan_ended(const struct scan *scan);

/** The next byte, '\0' at the end. */
char scan_peek(const struct scan *scan);

/** Go behind white space. */
void scan_space(struct scan *scan);

/** Go behind @token if it comes next. Returns whether it did. */
bool scan_accept(struct scan *scan, const char *token);

/** Read a name; @what says in the error what was expected. @ret: owned by the caller. Returns 0; -EINVAL; -ENOMEM. */
int scan_name(struct scan *scan, const char *what, char **ret);

/** Read a quoted string. @ret: owned by the caller. Returns 0; -EINVAL; -ENOMEM. */
int scan_string(struct scan *scan, char **ret);

#endif
