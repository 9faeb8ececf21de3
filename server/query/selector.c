/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/selector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "server/query/selector_scan.h"

/* What one match may cost: steps of the matcher, and KiB of heap for what it backtracks into. */
#define REGEX_MATCH_LIMIT 100000
#define REGEX_DEPTH_LIMIT 2000
#define REGEX_HEAP_KIB	  1024
/* What one pattern may cost to compile. */
#define REGEX_PAREN_LIMIT 50

struct matcher {
	enum selector_operator operator;
	char *label;	   /* owned */
	char *value;	   /* owned */
	pcre2_code *regex; /* owned; NULL unless the operator is one of the regex ones */
};

struct selector {
	struct matcher *matchers; /* owned */
	size_t count;
	size_t capacity;
	pcre2_compile_context *compile;
	pcre2_match_context *limits;
};

DEFINE_CLEANUP(selector_destroy, struct selector *)

void selector_destroy(struct selector *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		free(s->matchers[i].label);
		free(s->matchers[i].value);
		pcre2_code_free(s->matchers[i].regex);
	}
	free(s->matchers);
	pcre2_compile_context_free(s->compile);
	pcre2_match_context_free(s->limits);
	free(s);
}

static int selector_allocate(struct selector **ret)
{
	CLEANUP(selector_destroyp) struct selector *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->compile = pcre2_compile_context_create(NULL);
	s->limits = pcre2_match_context_create(NULL);
	if (!s->compile || !s->limits)
		return -ENOMEM;

	/* These fail for bad pointers only. */
	(void)pcre2_set_parens_nest_limit(s->compile, REGEX_PAREN_LIMIT);
	(void)pcre2_set_max_pattern_length(s->compile, SELECTOR_BYTES_MAX);
	(void)pcre2_set_match_limit(s->limits, REGEX_MATCH_LIMIT);
	(void)pcre2_set_depth_limit(s->limits, REGEX_DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(s->limits, REGEX_HEAP_KIB);
	*ret = take_ptr(s);
	return 0;
}

static int compile_regex(struct selector *s, struct matcher *m, struct scan *scan)
{
	/* Values need not be UTF-8: a comm is any bytes. \C may end inside a character, callouts and (*VERB)s would let the pattern lift our limits. */
	uint32_t flags = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
			 PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_INVALID_UTF;
	int code;
	PCRE2_SIZE offset;
	PCRE2_UCHAR reason[128];

	if (m->value[0] == '(' && m->value[1] == '*')
		return scan_fail(scan, "a regular expression may not begin with '(*'");
	m->regex = pcre2_compile((PCRE2_SPTR)m->value, strlen(m->value), flags, &code, &offset,
				 s->compile);
	if (m->regex)
		return 0;
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	(void)pcre2_get_error_message(code, reason, sizeof(reason)); /* at worst it is cut */
	return scan_fail(scan, "bad regular expression at its character %zu: %s",
			 (size_t)offset + 1, (const char *)reason);
}

static int parse_operator(struct scan *scan, enum selector_operator *ret)
{
	static const struct {
		const char *text;
		enum selector_operator operator;
	} operators[] = {
		{"=~", SELECTOR_REGEX},
		{"!~", SELECTOR_NOT_REGEX},
		{"!=", SELECTOR_NOT_EQUAL},
		{"=", SELECTOR_EQUAL},
	};

	scan_space(scan);
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (scan_accept(scan, operators[i].text)) {
			*ret = operators[i].operator;
			return 0;
		}
	return scan_fail(scan, "expected '=', '!=', '=~' or '!~' after the label name");
}

static int parse_matcher(struct selector *s, struct scan *scan)
{
	if (s->count == SELECTOR_MATCHERS_MAX)
		return scan_fail(scan, "more than %d matchers", SELECTOR_MATCHERS_MAX);
	if (array_reserve((void **)&s->matchers, &s->capacity, s->count + 1, sizeof(*s->matchers)))
		return -ENOMEM;

	/* Counted at once: selector_destroy() frees what a failure leaves half done. */
	struct matcher *m = &s->matchers[s->count++];

	*m = (struct matcher){0};

	int err = scan_name(scan, "a label name", &m->label);

	if (!err)
		err = parse_operator(scan, &m->operator);
	if (err)
		return err;

	scan_space(scan);

	struct scan at_value = *scan;

	err = scan_string(scan, &m->value);
	if (!err && (m->operator== SELECTOR_REGEX || m->operator== SELECTOR_NOT_REGEX))
		err = compile_regex(s, m, &at_value);
	return err;
}

static int parse_matchers(struct selector *s, struct scan *scan)
{
	for (;;) {
		scan_space(scan);
		if (scan_accept(scan, "}"))
			return 0;

		int err = parse_matcher(s, scan);

		if (err)
			return err;
		scan_space(scan);
		if (scan_accept(scan, "}"))
			return 0;
		if (!scan_accept(scan, ","))
			return scan_fail(scan, "expected ',' or '}' after a matcher");
	}
}

static int parse_type(struct scan *scan)
{
	auto_free char *type = NULL;

	if (scan_ended(scan) || scan_peek(scan) == '{')
		return 0;

	struct scan start = *scan;
	int err = scan_name(scan, "a profile type or '{'", &type);

	if (err)
		return err;
	if (strcmp(type, "cpu"))
		return scan_fail(&start, "unknown profile type '%.32s', there is only 'cpu'", type);
	return 0;
}

int selector_parse(const char *text, struct selector **ret, char *error_text, size_t error_size)
{
	struct scan scan = {
		.text = text ? text : "",
		.error_text = error_text,
		.error_size = error_size,
	};
	CLEANUP(selector_destroyp) struct selector *s = NULL;
	int err = selector_allocate(&s);

	if (err)
		return err;
	scan.length = strlen(scan.text);
	if (scan.length > SELECTOR_BYTES_MAX)
		return scan_fail(&scan, "longer than %d bytes", SELECTOR_BYTES_MAX);

	scan_space(&scan);
	err = parse_type(&scan);
	scan_space(&scan);
	if (!err && scan_accept(&scan, "{"))
		err = parse_matchers(s, &scan);
	scan_space(&scan);
	if (!err && !scan_ended(&scan))
		err = scan_fail(&scan, "expected the end of the selector");
	if (err)
		return err;

	*ret = take_ptr(s);
	return 0;
}

size_t selector_count(const struct selector *s)
{
	return s->count;
}

const char *selector_label(const struct selector *s, size_t index)
{
	return s->matchers[index].label;
}

static int match_regex(const struct selector *s, const struct matcher *m, const char *value)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);

	if (!data)
		return -ENOMEM;

	int found = pcre2_match(m->regex, (PCRE2_SPTR)value, strlen(value), 0, 0, data, s->limits);

	pcre2_match_data_free(data);
	switch (found) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_RECURSELOOP:
		return -E2BIG;
	case PCRE2_ERROR_NOMEMORY:
		return -ENOMEM;
	default:
		return found >= 0;
	}
}

int selector_match(const struct selector *s, size_t index, const char *value)
{
	const struct matcher *m = &s->matchers[index];

	switch (m->operator) {
	case SELECTOR_EQUAL:
		return !strcmp(m->value, value);
	case SELECTOR_NOT_EQUAL:
		return strcmp(m->value, value) != 0;
	case SELECTOR_REGEX:
		return match_regex(s, m, value);
	default: {
		int found = match_regex(s, m, value);

		return found < 0 ? found : !found;
	}
	}
}
