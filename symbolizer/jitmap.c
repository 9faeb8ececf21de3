/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/jitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "symbolizer/demangle.h"

void jitmap_release(struct jitmap *m)
{
	if (!m)
		return;
	free(m->ranges);
	free(m->added);
	free(m->past);
	strpool_release(&m->names);
	*m = (struct jitmap){0};
}

static int intern(struct jitmap *m, const char *name, size_t length, uint32_t *ret)
{
	auto_buffer raw = BUFFER_INIT, clean = BUFFER_INIT;

	buffer_append(&raw, name, length < JITMAP_NAME_MAX ? length : JITMAP_NAME_MAX);

	const char *text = buffer_terminate(&raw);

	if (!text)
		return -ENOMEM;
	demangle(text, &clean);
	if (clean.error)
		return -ENOMEM;
	return strpool_add_bytes(&m->names, clean.bytes, clean.length, ret);
}

int jitmap_add(struct jitmap *m, const struct jitmap_range *range, const char *name, size_t length)
{
	struct jitmap_range r = *range;

	if (r.end <= r.start || !length)
		return 0;
	if (m->count + m->added_count >= JITMAP_RANGES_MAX ||
	    strpool_bytes(&m->names) >= JITMAP_NAME_BYTES_MAX) {
		m->refused++;
		return 0;
	}
	if (intern(m, name, length, &r.name) ||
	    array_reserve((void **)&m->added, &m->added_capacity, m->added_count + 1,
			  sizeof(*m->added)))
		return -ENOMEM;
	r.order = ++m->last_order;
	r.end_ns = UINT64_MAX;
	m->added[m->added_count++] = r;
	return 0;
}

/* Remembers a range that was ended at @end_ns. */
static void put_past(struct jitmap *m, struct jitmap_range range, uint64_t end_ns)
{
	range.end_ns = end_ns;
	if (!m->past)
		m->past = calloc(JITMAP_PAST_MAX, sizeof(*m->past));
	if (m->past) /* without memory it is forgotten */
		m->past[m->past_count++ % JITMAP_PAST_MAX] = range;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct jitmap_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Puts a range behind others that do not start after it; of those that overlap the newer stays. */
static void put_range(struct jitmap *m, struct jitmap_range *to, size_t *count,
		      const struct jitmap_range *range)
{
	while (*count && to[*count - 1].end > range->start) {
		struct jitmap_range *last = &to[*count - 1];

		if (last->order > range->order) {
			put_past(m, *range, last->time_ns);
			return;
		}
		if (last->name != range->name || last->start != range->start)
			put_past(m, *last, range->time_ns);
		--*count;
	}
	to[(*count)++] = *range;
}

int jitmap_settle(struct jitmap *m)
{
	if (!m->added_count)
		return 0;

	size_t capacity = m->count + m->added_count, count = 0, i = 0, j = 0;
	struct jitmap_range *merged = malloc(capacity * sizeof(*merged));

	if (!merged)
		return -ENOMEM;
	qsort(m->added, m->added_count, sizeof(*m->added), compare_ranges);
	while (i < m->count || j < m->added_count) {
		bool old = j == m->added_count ||
			   (i < m->count && compare_ranges(&m->ranges[i], &m->added[j]) < 0);

		put_range(m, merged, &count, old ? &m->ranges[i++] : &m->added[j++]);
	}
	free(m->ranges);
	m->ranges = merged;
	m->count = count;
	m->capacity = capacity;
	m->added_count = 0;
	return 0;
}

static const struct jitmap_range *find_past(const struct jitmap *m, uint64_t addr, uint64_t time_ns)
{
	uint64_t oldest = m->past_count > JITMAP_PAST_MAX ? m->past_count - JITMAP_PAST_MAX : 0;
	const struct jitmap_range *found = NULL;

	for (uint64_t i = oldest; i < m->past_count; i++) {
		const struct jitmap_range *r = &m->past[i % JITMAP_PAST_MAX];

		if (r->start <= addr && addr < r->end && r->time_ns <= time_ns &&
		    time_ns < r->end_ns && (!found || r->order > found->order))
			found = r;
	}
	return found;
}

const struct jitmap_range *jitmap_find(const struct jitmap *m, uint64_t addr, uint64_t time_ns)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->ranges[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}

	const struct jitmap_range *now =
		low && addr < m->ranges[low - 1].end ? &m->ranges[low - 1] : NULL;

	if (now && now->time_ns <= time_ns)
		return now;

	const struct jitmap_range *then = find_past(m, addr, time_ns);

	return then ? then : now;
}

const char *jitmap_name(const struct jitmap *m, const struct jitmap_range *range)
{
	return strpool_get(&m->names, range->name);
}

size_t jitmap_bytes(const struct jitmap *m)
{
	return (m->capacity + m->added_capacity) * sizeof(*m->ranges) + strpool_bytes(&m->names) +
	       (m->past ? JITMAP_PAST_MAX * sizeof(*m->past) : 0);
}
