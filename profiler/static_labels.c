// SPDX-License-Identifier: Apache-2.0
#include "profiler/static_labels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/profiler_internal.h"

int static_labels_create(const struct profiler_label *labels, size_t count,
			 struct static_labels **ret)
{
	CLEANUP(static_labels_destroyp) struct static_labels *l = NULL;

	if (count > PROFILER_LABELS_MAX)
		return -E2BIG;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->labels = calloc(count + 1, sizeof(l->labels[0]));
	if (!l->labels)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		l->count = i + 1;
		l->labels[i].name = strdup(labels[i].name);
		l->labels[i].value = strdup(labels[i].value);
		if (!l->labels[i].name || !l->labels[i].value)
			return -ENOMEM;
	}
	*ret = take_ptr(l);
	return 0;
}

void static_labels_destroy(struct static_labels *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++) {
		free((char *)l->labels[i].name);
		free((char *)l->labels[i].value);
	}
	free(l->labels);
	free(l);
}

int profiler_set_labels(struct profiler *p, const struct profiler_label *labels, size_t count)
{
	CLEANUP(static_labels_destroyp) struct static_labels *l = NULL;
	int error = static_labels_create(labels, count, &l);
	if (error)
		return error;

	(void)pthread_mutex_lock(&p->lock); /* not recursive, not error-checking: cannot fail */
	struct static_labels *before = p->next_labels;
	p->next_labels = take_ptr(l);
	(void)pthread_mutex_unlock(&p->lock);
	static_labels_destroy(before);
	return 0;
}

void profiler_take_labels(struct profiler *p)
{
	(void)pthread_mutex_lock(&p->lock); /* cannot fail, see above */
	struct static_labels *next = take_ptr(p->next_labels);
	(void)pthread_mutex_unlock(&p->lock);
	if (!next)
		return;
	static_labels_destroy(p->labels);
	p->labels = next;
	p->resolver.static_labels = next;
}
