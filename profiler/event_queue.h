/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of several rings, put into the order of their time.
 *
 * Each CPU writes its own rings, so that what comes out of them is only nearly ordered. Events wait here until
 * everything older must have arrived, then leave oldest first.
 *
 * Thread rule: loop thread only.
 */
#ifndef HEARTH_PROFILER_EVENT_QUEUE_H
#define HEARTH_PROFILER_EVENT_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define EVENT_QUEUE_BYTES_MAX (64u << 20)

/** Of equal time, a process event comes before a sample. */
enum queued_kind {
	QUEUED_SIDEBAND, /* a perf record */
	QUEUED_SAMPLE,	 /* a struct sample_record */
	QUEUED_STASH,	 /* a struct stash_record with its stack */
};

struct queued_event {
	uint64_t time_ns;
	uint32_t sequence; /* order of arrival, for events of equal time and kind */
	uint32_t size;
	uint64_t at; /* place of the bytes */
	uint8_t kind;
	uint8_t deferrals; /* how often event_queue_defer() held it back */
};

struct event_queue {
	struct queued_event *events; /* events[0 .. taken) are done with */
	size_t count, capacity, taken;
	unsigned char *bytes; /* EVENT_QUEUE_BYTES_MAX of address space; never moves */
	size_t byte_count, byte_peak;
	struct queued_event current; /* what event_queue_next() gave back last */
	size_t deferred; /* events[0 .. deferred) stay for the next round; deferred <= taken */
};

/** Free what @q holds; NULL allowed. A zeroed struct is an empty queue. */
void event_queue_release(struct event_queue *q);

/** Add an event; its bytes are copied. Returns 0; -ENOSPC at EVENT_QUEUE_BYTES_MAX; -ENOMEM. */
int event_queue_push(struct event_queue *q, enum queued_kind kind, uint64_t time_ns,
		     const void *bytes, size_t size);

/** Order what waits; call it after the pushes of a round and before its first event_queue_next(). */
void event_queue_sort(struct event_queue *q);

/**
 * Take the oldest event.
 *
 * @until_ns: events of this time and later stay
 * @ret_bytes: its bytes, 8-byte aligned, borrowed until event_queue_compact(); pushes leave them alone
 *
 * Returns the event, borrowed until the next event_queue_next(); NULL if none is old enough.
 */
const struct queued_event *event_queue_next(struct event_queue *q, uint64_t until_ns,
					    const void **ret_bytes);

/** Put the event that event_queue_next() just gave back, for the next round. */
void event_queue_defer(struct event_queue *q);

/** End a round: drop the events that were taken. */
void event_queue_compact(struct event_queue *q);

/** Events that wait. */
size_t event_queue_length(const struct event_queue *q);

#endif
