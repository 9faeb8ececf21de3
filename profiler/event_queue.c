// SPDX-License-Identifier: Apache-2.0
#include "profiler/event_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void event_queue_release(struct event_queue *q)
{
	if (!q)
		return;
	free(q->events);
	free(q->bytes);
	*q = (struct event_queue){0};
}

int event_queue_push(struct event_queue *q, enum queued_kind kind, uint64_t time_ns,
		     const void *bytes, size_t size)
{
	size_t room = (size + 7) & ~(size_t)7;

	if (room > EVENT_QUEUE_BYTES_MAX - q->byte_count)
		return -ENOSPC;
	if (array_reserve((void **)&q->events, &q->capacity, q->count + 1, sizeof(q->events[0])) ||
	    array_reserve((void **)&q->bytes, &q->byte_capacity, q->byte_count + room, 1))
		return -ENOMEM;

	memcpy(q->bytes + q->byte_count, bytes, size);
	q->events[q->count] = (struct queued_event){.time_ns = time_ns,
						    .sequence = (uint32_t)q->count,
						    .size = (uint32_t)size,
						    .at = q->byte_count,
						    .kind = (uint8_t)kind};
	q->byte_count += room;
	q->count++;
	return 0;
}

static int compare_events(const void *left, const void *right)
{
	const struct queued_event *a = left, *b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

void event_queue_sort(struct event_queue *q)
{
	if (q->count > 1)
		qsort(q->events, q->count, sizeof(q->events[0]), compare_events);
}

const struct queued_event *event_queue_next(struct event_queue *q, uint64_t until_ns,
					    const void **ret_bytes)
{
	if (q->taken == q->count || q->events[q->taken].time_ns >= until_ns)
		return NULL;

	const struct queued_event *event = &q->events[q->taken++];
	*ret_bytes = q->bytes + event->at;
	return event;
}

void event_queue_defer(struct event_queue *q)
{
	struct queued_event event = q->events[q->taken - 1];

	event.deferrals++;
	q->events[q->deferred++] = event;
}

void event_queue_compact(struct event_queue *q)
{
	size_t kept = q->deferred + (q->count - q->taken);
	if (q->count > q->taken)
		memmove(&q->events[q->deferred], &q->events[q->taken],
			(q->count - q->taken) * sizeof(q->events[0]));
	q->count = kept;
	q->taken = 0;
	q->deferred = 0;
	if (!kept) {
		q->byte_count = 0;
		return;
	}

	size_t bytes = 0;
	for (size_t i = 0; i < kept; i++) {
		q->events[i].sequence = (uint32_t)i;
		bytes += (q->events[i].size + 7u) & ~7u;
	}
	unsigned char *moved = malloc(bytes);
	if (!moved)
		return; /* nothing is lost: the room comes back in a later round */
	size_t at = 0;
	for (size_t i = 0; i < kept; i++) {
		memcpy(moved + at, q->bytes + q->events[i].at, q->events[i].size);
		q->events[i].at = at;
		at += (q->events[i].size + 7u) & ~7u;
	}
	free(q->bytes);
	q->bytes = moved;
	q->byte_count = q->byte_capacity = bytes;
}

size_t event_queue_length(const struct event_queue *q)
{
	return q->count - q->taken;
}
