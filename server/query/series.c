/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/hash.h"
#include "server/query/sample_walk.h"

#define CELLS_MAX (4u << 20) /* 64 MiB */

void series_set_release(struct series_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->series[i].cpu_ns); /* samples are in the same block */
	free(s->series);
	free(s->covered_ns);
	strpool_release(&s->strings);
	idmap_release(&s->by_value);
	*s = (struct series_set){0};
}

static int find_series(struct series_set *s, const char *value, uint32_t *ret)
{
	uint32_t id;

	if (strpool_add(&s->strings, value, &id))
		return -ENOMEM;
	for (struct idmap_probe at = idmap_find(&s->by_value, id); at.found;
	     idmap_next(&s->by_value, &at))
		if (s->series[at.id].value == id) {
			*ret = at.id;
			return 0;
		}

	if ((s->count + 1) * s->step_count > CELLS_MAX)
		return -EFBIG;
	if (array_reserve((void **)&s->series, &s->capacity, s->count + 1, sizeof(*s->series)))
		return -ENOMEM;

	uint64_t *cpu_ns = calloc(2 * s->step_count, sizeof(*cpu_ns));

	if (!cpu_ns || idmap_insert(&s->by_value, id, (uint32_t)s->count)) {
		free(cpu_ns);
		return -ENOMEM;
	}
	*ret = (uint32_t)s->count;
	s->series[s->count++] = (struct series){
		.value = id,
		.cpu_ns = cpu_ns,
		.samples = cpu_ns + s->step_count,
	};
	return 0;
}

struct counting {
	struct series_set *set;
	const char *by;
};

static int count_sample(const struct sample_walk *walk, const struct window_sample *sample,
			uint64_t time_ns, void *arg)
{
	struct counting *c = arg;
	const struct window *w = walk->w;
	uint32_t *slot = &walk->scratch[sample->labels];

	if (!*slot) {
		uint32_t index;
		int err = find_series(c->set, window_label_value(w, sample->labels, c->by), &index);

		if (err)
			return err;
		*slot = index + 1;
	}

	struct series *series = &c->set->series[*slot - 1];
	uint64_t cpu_ns = sample->weight * w->period_ns;

	size_t step = (time_ns - c->set->wall_from_ns) / c->set->step_ns;

	series->cpu_ns[step] += cpu_ns;
	series->samples[step] += sample->weight;
	series->total_ns += cpu_ns;
	return 0;
}

/* Notes which parts of the steps lie in the window. */
static void cover(const struct window *w, uint64_t from_ns, uint64_t to_ns, void *arg)
{
	struct series_set *s = ((struct counting *)arg)->set;

	if (w->period_ns > s->period_ns)
		s->period_ns = w->period_ns;
	while (from_ns < to_ns) {
		size_t step = (from_ns - s->wall_from_ns) / s->step_ns;
		uint64_t end_ns = s->wall_from_ns + (step + 1) * s->step_ns;

		if (end_ns > to_ns)
			end_ns = to_ns;
		s->covered_ns[step] += end_ns - from_ns;
		from_ns = end_ns;
	}
}

static int compare_series(const void *a, const void *b, void *arg)
{
	const struct series *x = a;
	const struct series *y = b;
	const struct strpool *strings = arg;

	if (x->total_ns != y->total_ns)
		return x->total_ns > y->total_ns ? -1 : 1;
	return strcmp(strpool_get(strings, x->value), strpool_get(strings, y->value));
}

int query_series(struct query_engine *e, const struct query *q, const char *by, uint64_t step_ns,
		 struct series_set *ret)
{
	struct series_set set = {
		.wall_from_ns = q->wall_from_ns,
		.step_ns = step_ns,
		.step_count = (q->wall_to_ns - q->wall_from_ns + step_ns - 1) / step_ns,
	};
	struct counting c = {.set = &set, .by = by ? by : ""};
	struct sample_visitor visitor = {
		.sample = count_sample, .window = cover, .arg = &c, .resolution_ns = step_ns};
	int err = 0;

	set.covered_ns = calloc(set.step_count + 1, sizeof(*set.covered_ns));
	if (!set.covered_ns)
		err = -ENOMEM;
	if (!err)
		err = sample_walk(e, q, &visitor);
	if (err) {
		series_set_release(&set);
		return err;
	}
	qsort_r(set.series, set.count, sizeof(*set.series), compare_series, &set.strings);
	*ret = set;
	return 0;
}

void label_list_release(struct label_list *l)
{
	if (!l)
		return;
	free(l->items);
	strpool_release(&l->strings);
	idmap_release(&l->by_text);
	*l = (struct label_list){0};
}

static int count_label(struct label_list *l, const char *text, uint64_t samples)
{
	uint32_t id;

	if (strpool_add(&l->strings, text, &id))
		return -ENOMEM;
	for (struct idmap_probe at = idmap_find(&l->by_text, id); at.found;
	     idmap_next(&l->by_text, &at))
		if (l->items[at.id].text == id) {
			l->items[at.id].samples += samples;
			return 0;
		}
	if (array_reserve((void **)&l->items, &l->capacity, l->count + 1, sizeof(*l->items)) ||
	    idmap_insert(&l->by_text, id, (uint32_t)l->count))
		return -ENOMEM;
	l->items[l->count++] = (struct label_count){id, samples};
	return 0;
}

struct listing {
	struct label_list *list;
	const char *name; /* NULL = names */
};

static int add_samples(const struct sample_walk *walk, const struct window_sample *sample,
		       uint64_t time_ns, void *arg)
{
	(void)time_ns;
	(void)arg;
	walk->scratch[sample->labels] += sample->weight;
	return 0;
}

/* Once per label set, when the samples of the window are counted. */
static int list_set(const struct window *w, uint32_t set_id, uint64_t samples, struct listing *l)
{
	const struct window_label_set *set = &w->label_sets[set_id];

	for (uint32_t i = set->first; i < set->first + set->count; i++) {
		const char *name = strpool_get(&w->strings, w->labels[i].name);
		int err = 0;

		if (!l->name)
			err = count_label(l->list, name, samples);
		else if (!strcmp(name, l->name))
			err = count_label(l->list, strpool_get(&w->strings, w->labels[i].value),
					  samples);
		if (err)
			return err;
	}
	return 0;
}

static int list_window(const struct sample_walk *walk, void *arg)
{
	for (uint32_t i = 0; i < walk->w->label_set_count; i++) {
		int err = walk->scratch[i] ? list_set(walk->w, i, walk->scratch[i], arg) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int compare_labels(const void *a, const void *b, void *arg)
{
	const struct label_count *x = a;
	const struct label_count *y = b;

	return strcmp(strpool_get(arg, x->text), strpool_get(arg, y->text));
}

int query_labels(struct query_engine *e, const struct query *q, const char *name,
		 struct label_list *ret)
{
	struct label_list list = {0};
	struct listing l = {.list = &list, .name = name};
	struct sample_visitor visitor = {.sample = add_samples,
					 .done = list_window,
					 .arg = &l,
					 .resolution_ns = STORE_TOTALS};
	int err = sample_walk(e, q, &visitor);

	if (err) {
		label_list_release(&list);
		return err;
	}
	qsort_r(list.items, list.count, sizeof(*list.items), compare_labels, &list.strings);
	*ret = list;
	return 0;
}
