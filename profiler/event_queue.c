// SPDX-License-Identifier: Apache-2.0
#include "profiler/event_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"

/* What a round may leave behind in memory when the queue runs empty. */
#define KEPT_BYTES (1u << 20)

void event_queue_release(struct event_queue *q)
{
	if (!q)
		return;
	free(q->events);
	if (q->bytes)
		(void)munmap(q->bytes, EVENT_QUEUE_BYTES_MAX); /* it is ours and whole */
	*q = (struct event_queue){0};
}

/*
 * The bytes lie in address space reserved once, so that they never move: an event is still being applied when process
 * events that arrived meanwhile are pushed. Memory is taken as it is written to.
 */
static int reserve_bytes(struct event_queue *q)
{
	if (q->bytes)
		return 0;
	void *bytes = mmap(NULL, EVENT_QUEUE_BYTES_MAX, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		return -ENOMEM;
	q->bytes = bytes;
	return 0;
}

int event_queue_push(struct event_queue *q, enum queued_kind kind, uint64_t time_ns,
		     const void *bytes, size_t size)
{
	size_t room = (size + 7) & ~(size_t)7;

	if (room > EVENT_QUEUE_BYTES_MAX - q->byte_count)
		return -ENOSPC;
	if (reserve_bytes(q) ||
	    array_reserve((void **)&q->events, &q->capacity, q->count + 1, sizeof(q->events[0])))
		return -ENOMEM;

	memcpy(q->bytes + q->byte_count, bytes, size);
	q->events[q->count] = (struct queued_event){.time_ns = time_ns,
						    .sequence = (uint32_t)q->count,
						    .size = (uint32_t)size,
						    .at = q->byte_count,
						    .kind = (uint8_t)kind};
	q->byte_count += room;
	if (q->byte_count > q->byte_peak)
		q->byte_peak = q->byte_count;
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

	q->current = q->events[q->taken++];
	*ret_bytes = q->bytes + q->current.at;
	return &q->current;
}

void event_queue_defer(struct event_queue *q)
{
	struct queued_event event = q->events[q->taken - 1];

	event.deferrals++;
	q->events[q->deferred++] = event;
}

/* Give back memory that only a burst needed. */
static void trim(struct event_queue *q)
{
	if (q->byte_peak <= KEPT_BYTES || q->byte_count > KEPT_BYTES)
		return;
	(void)madvise(q->bytes + KEPT_BYTES, q->byte_peak - KEPT_BYTES, MADV_DONTNEED); /* a hint */
	q->byte_peak = KEPT_BYTES;
}

/* Move the bytes of the events that stay to the front. They are in the order of time, not of place. */
static void pack_bytes(struct event_queue *q)
{
	unsigned char *packed = malloc(q->byte_count);
	size_t at = 0;

	if (!packed)
		return; /* nothing is lost: the room comes back in a later round */
	for (size_t i = 0; i < q->count; i++) {
		memcpy(packed + at, q->bytes + q->events[i].at, q->events[i].size);
		q->events[i].at = at;
		at += (q->events[i].size + 7u) & ~7u;
	}
	memcpy(q->bytes, packed, at);
	free(packed);
	q->byte_count = at;
}

void event_queue_compact(struct event_queue *q)
{
	if (q->count > q->taken)
		memmove(&q->events[q->deferred], &q->events[q->taken],
			(q->count - q->taken) * sizeof(q->events[0]));
	q->count = q->deferred + (q->count - q->taken);
	q->taken = 0;
	q->deferred = 0;
	for (size_t i = 0; i < q->count; i++)
		q->events[i].sequence = (uint32_t)i;

	if (q->count)
		pack_bytes(q);
	else
		q->byte_count = 0;
	trim(q);
}

size_t event_queue_length(const struct event_queue *q)
{
	return q->count - q->taken;
}
