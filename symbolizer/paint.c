/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/paint.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

void paint_release(struct paint *p)
{
	if (!p)
		return;
	free(p->runs);
	free(p->heap);
	*p = (struct paint){0};
}

static int compare_ranges(const void *left, const void *right)
{
	const struct paint_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Readers of DWARF deliver most ranges in order: then sorting them costs a look. */
static void sort_ranges(struct paint_range *ranges, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (compare_ranges(&ranges[i - 1], &ranges[i]) > 0) {
			qsort(ranges, count, sizeof(*ranges), compare_ranges);
			return;
		}
}

/* Whether range @a shows above range @b. */
static int above(const struct paint_range *ranges, uint32_t a, uint32_t b)
{
	return ranges[a].order != ranges[b].order ? ranges[a].order > ranges[b].order : a > b;
}

static int heap_push(struct paint *p, const struct paint_range *ranges, uint32_t range)
{
	if (array_reserve((void **)&p->heap, &p->heap_capacity, p->heap_count + 1,
			  sizeof(*p->heap)))
		return -ENOMEM;

	size_t at = p->heap_count++;

	while (at && above(ranges, range, p->heap[(at - 1) / 2])) {
		p->heap[at] = p->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	p->heap[at] = range;
	return 0;
}

static void heap_pop(struct paint *p, const struct paint_range *ranges)
{
	uint32_t last = p->heap[--p->heap_count];
	size_t at = 0;

	for (size_t child; (child = 2 * at + 1) < p->heap_count; at = child) {
		if (child + 1 < p->heap_count && above(ranges, p->heap[child + 1], p->heap[child]))
			child++;
		if (above(ranges, last, p->heap[child]))
			break;
		p->heap[at] = p->heap[child];
	}
	p->heap[at] = last;
}

static int add_run(struct paint *p, uint32_t start, uint32_t value)
{
	if (p->run_count && p->runs[p->run_count - 1].start == start)
		p->run_count--; /* of length 0: painted over at once */
	if (p->run_count ? p->runs[p->run_count - 1].value == value : value == PAINT_NOTHING)
		return 0;
	if (array_reserve((void **)&p->runs, &p->run_capacity, p->run_count + 1, sizeof(*p->runs)))
		return -ENOMEM;
	p->runs[p->run_count++] = (struct paint_run){start, value};
	return 0;
}

/* Lets the ranges that end up to @until go, and shows what is below them. */
static int end_ranges(struct paint *p, const struct paint_range *ranges, uint32_t until)
{
	while (p->heap_count && ranges[p->heap[0]].end <= until) {
		uint32_t end = ranges[p->heap[0]].end;

		/* What ended below the top, or will have by then, never shows again. */
		while (p->heap_count && ranges[p->heap[0]].end <= end)
			heap_pop(p, ranges);

		uint32_t value = p->heap_count ? ranges[p->heap[0]].value : PAINT_NOTHING;

		if (add_run(p, end, value))
			return -ENOMEM;
	}
	return 0;
}

int paint_ranges(struct paint *p, struct paint_range *ranges, size_t count)
{
	p->run_count = 0;
	p->heap_count = 0;
	if (count >= PAINT_NOTHING)
		return -ENOMEM;
	sort_ranges(ranges, count);

	for (size_t i = 0; i < count; i++) {
		if (ranges[i].end <= ranges[i].start)
			continue;
		if (end_ranges(p, ranges, ranges[i].start) || heap_push(p, ranges, (uint32_t)i))
			return -ENOMEM;
		if (add_run(p, ranges[i].start, ranges[p->heap[0]].value))
			return -ENOMEM;
	}
	return end_ranges(p, ranges, UINT32_MAX);
}
