/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/label_filter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

/* Answers of one matcher for the values seen so far. */
struct answers {
	uint8_t *known; /* owned; by value id: 0 = not asked yet, 1 = no, 2 = yes */
	size_t capacity;
};

struct label_filter {
	const struct selector *selector; /* borrowed; NULL = all */
	struct strpool values;
	struct answers *answers; /* one per matcher */
	size_t count;		 /* matchers */
};

DEFINE_CLEANUP(label_filter_destroy, struct label_filter *)

int label_filter_create(const struct selector *selector, struct label_filter **ret)
{
	CLEANUP(label_filter_destroyp) struct label_filter *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->selector = selector;
	f->count = selector ? selector_count(selector) : 0;
	f->answers = calloc(f->count + 1, sizeof(*f->answers));
	if (!f->answers)
		return -ENOMEM;
	*ret = take_ptr(f);
	return 0;
}

void label_filter_destroy(struct label_filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->count && f->answers; i++)
		free(f->answers[i].known);
	free(f->answers);
	strpool_release(&f->values);
	free(f);
}

/* The remembered answer, or a new one. Returns 1, 0, or -errno. */
static int ask(struct label_filter *f, size_t matcher, const char *value)
{
	struct answers *a = &f->answers[matcher];
	size_t before = a->capacity;
	uint32_t id;

	if (strpool_add(&f->values, value, &id) ||
	    array_reserve((void **)&a->known, &a->capacity, id + 1u, 1))
		return -ENOMEM;
	memset(a->known + before, 0, a->capacity - before);

	if (!a->known[id]) {
		int answer = selector_match(f->selector, matcher, value);

		if (answer < 0)
			return answer;
		a->known[id] = (uint8_t)(answer + 1);
	}
	return a->known[id] - 1;
}

static const char *value_of(const struct window *w, const struct window_label_set *set,
			    const char *name)
{
	for (uint32_t i = set->first; i < set->first + set->count; i++)
		if (!strcmp(strpool_get(&w->strings, w->labels[i].name), name))
			return strpool_get(&w->strings, w->labels[i].value);
	return "";
}

int label_filter_apply(struct label_filter *f, const struct window *w, uint8_t *ret_matches)
{
	for (uint32_t i = 0; i < w->label_set_count; i++) {
		int matches = 1;

		for (size_t j = 0; j < f->count && matches == 1; j++)
			matches =
				ask(f, j,
				    value_of(w, &w->label_sets[i], selector_label(f->selector, j)));
		if (matches < 0)
			return matches;
		ret_matches[i] = (uint8_t)matches;
	}
	return 0;
}
