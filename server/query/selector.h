/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selectors: what part of the samples a query is about.
 *
 *	selector = [ TYPE ] [ "{" [ matcher { "," matcher } [ "," ] ] "}" ]
 *	matcher  = NAME ( "=" | "!=" | "=~" | "!~" ) STRING
 *	TYPE     = "cpu"
 *	NAME     = [a-zA-Z_][a-zA-Z0-9_]*
 *	STRING   = "..." or '...' with \a \b \f \n \r \t \v \\ \" \' \xHH \OOO \uHHHH \UHHHHHHHH, or `...` as it stands
 *
 * As in PromQL: all matchers must hold, regular expressions are anchored at both ends, and a label that is not
 * there reads "" (so `pod=""` selects what runs in no pod). An empty selector selects everything.
 *
 * Invariants: immutable after parse; regular expressions carry limits on matching steps and memory, so that no
 * pattern can hang a query.
 * Thread rule: any thread may use one, read-only.
 */
#ifndef HEARTH_SERVER_QUERY_SELECTOR_H
#define HEARTH_SERVER_QUERY_SELECTOR_H

#include <stddef.h>

#define SELECTOR_BYTES_MAX    4096
#define SELECTOR_MATCHERS_MAX 32

enum selector_operator {
	SELECTOR_EQUAL,
	SELECTOR_NOT_EQUAL,
	SELECTOR_REGEX,
	SELECTOR_NOT_REGEX,
};

struct selector;

/**
 * Parse a selector.
 *
 * @text: NULL counts as ""
 * @ret: on success owned by the caller, free with selector_destroy()
 * @error_text: on -EINVAL one line for a person with the position (1-based, in bytes) and what was expected there
 *
 * Returns 0; -EINVAL if the text is no selector, has too many matchers, is too long, or a regular expression
 * does not compile; -ENOMEM.
 */
int selector_parse(const char *text, struct selector **ret, char *error_text, size_t error_size);

/** Free; NULL allowed. */
void selector_destroy(struct selector *s);

/** Number of matchers. */
size_t selector_count(const struct selector *s);

/** Label name that matcher @index looks at; borrowed, valid until selector_destroy(). */
const char *selector_label(const struct selector *s, size_t index);

/**
 * Apply one matcher to a value.
 *
 * @value: text of the label, "" if it is not there
 *
 * Returns 1 if it matches, 0 if not; -E2BIG if a regular expression went beyond its limits; -ENOMEM.
 */
int selector_match(const struct selector *s, size_t index, const char *value);

#endif
