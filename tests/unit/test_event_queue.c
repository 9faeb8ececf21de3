/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/event_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit/check.h"

static void push(struct event_queue *q, enum queued_kind kind, uint64_t time_ns, const char *text)
{
	assert_int_equal(event_queue_push(q, kind, time_ns, text, strlen(text) + 1), 0);
}

static void assert_next(struct event_queue *q, uint64_t until_ns, const char *text)
{
	const void *bytes;
	const struct queued_event *event = event_queue_next(q, until_ns, &bytes);

	assert_non_null(event);
	assert_string_equal(bytes, text);
	assert_int_equal(event->size, strlen(text) + 1);
	assert_int_equal((uintptr_t)bytes % 8, 0);
}

static void assert_none(struct event_queue *q, uint64_t until_ns)
{
	const void *bytes;

	assert_null(event_queue_next(q, until_ns, &bytes));
}

static void oldest_first_up_to_the_limit(void **state)
{
	struct event_queue q = {0};

	(void)state;
	push(&q, QUEUED_SAMPLE, 30, "c");
	push(&q, QUEUED_SAMPLE, 10, "a");
	push(&q, QUEUED_SAMPLE, 20, "b");
	event_queue_sort(&q);
	assert_next(&q, 30, "a");
	assert_next(&q, 30, "b");
	assert_none(&q, 30);
	event_queue_compact(&q);
	assert_int_equal(event_queue_length(&q), 1);

	push(&q, QUEUED_SAMPLE, 25, "late");
	event_queue_sort(&q);
	assert_next(&q, 31, "late");
	assert_next(&q, 31, "c");
	assert_none(&q, UINT64_MAX);
	event_queue_release(&q);
}

static void of_equal_time_process_events_come_first(void **state)
{
	struct event_queue q = {0};

	(void)state;
	push(&q, QUEUED_SAMPLE, 5, "sample 1");
	push(&q, QUEUED_SIDEBAND, 5, "event 1");
	push(&q, QUEUED_SAMPLE, 5, "sample 2");
	push(&q, QUEUED_SIDEBAND, 5, "event 2");
	event_queue_sort(&q);
	assert_next(&q, 6, "event 1");
	assert_next(&q, 6, "event 2");
	assert_next(&q, 6, "sample 1");
	assert_next(&q, 6, "sample 2");
	event_queue_release(&q);
}

static void a_deferred_event_comes_again(void **state)
{
	struct event_queue q = {0};
	const void *bytes;

	(void)state;
	push(&q, QUEUED_SAMPLE, 1, "first");
	push(&q, QUEUED_SAMPLE, 2, "second");
	push(&q, QUEUED_SAMPLE, 9, "third");
	event_queue_sort(&q);
	assert_next(&q, 5, "first");
	event_queue_defer(&q);
	assert_next(&q, 5, "second");
	assert_none(&q, 5);
	event_queue_compact(&q);

	event_queue_sort(&q);
	const struct queued_event *event = event_queue_next(&q, 5, &bytes);
	assert_non_null(event);
	assert_string_equal(bytes, "first");
	assert_int_equal(event->deferrals, 1);
	assert_none(&q, 5);
	event_queue_compact(&q);
	event_queue_sort(&q);
	assert_next(&q, 10, "third");
	event_queue_release(&q);
}

static void pushes_leave_the_event_in_hand_alone(void **state)
{
	static const char filler[1000];
	struct event_queue q = {0};
	const void *bytes;

	(void)state;
	push(&q, QUEUED_SAMPLE, 1, "in hand");
	event_queue_sort(&q);
	const struct queued_event *event = event_queue_next(&q, UINT64_MAX, &bytes);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(event_queue_push(&q, QUEUED_SIDEBAND, 2, filler, sizeof(filler)),
				 0);
	assert_string_equal(bytes, "in hand");
	assert_int_equal(event->time_ns, 1);
	event_queue_release(&q);
}

static void the_byte_limit_holds_and_room_comes_back(void **state)
{
	struct event_queue q = {0};
	static char big[1u << 20];
	int error = 0, pushed = 0;
	const void *bytes;

	(void)state;
	while (!error && pushed < 1000) {
		error = event_queue_push(&q, QUEUED_SAMPLE, 1, big, sizeof(big));
		pushed += !error;
	}
	assert_int_equal(error, -ENOSPC);
	assert_int_equal(pushed, EVENT_QUEUE_BYTES_MAX >> 20);
	event_queue_sort(&q);
	assert_non_null(event_queue_next(&q, 2, &bytes));
	event_queue_compact(&q);
	assert_int_equal(event_queue_push(&q, QUEUED_SAMPLE, 1, big, sizeof(big)), 0);
	event_queue_release(&q);
}

/* Rounds of pushes and takes against the plain fact: what comes out is what went in, in order of time. */
static void random_rounds_keep_order_and_content(void **state)
{
	struct event_queue q = {0};
	uint64_t seed = 3, now = 0, taken_until = 0;
	size_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 500; round++) {
		for (uint64_t i = next_random(&seed) % 50; i; i--) {
			uint64_t time_ns = now + next_random(&seed) % 100;
			uint64_t content[4] = {time_ns, ~time_ns, in, 0};

			assert_int_equal(event_queue_push(&q, QUEUED_SAMPLE, time_ns, content,
							  8 * (2 + next_random(&seed) % 3)),
					 0);
			in++;
		}
		event_queue_sort(&q);
		const struct queued_event *event;
		const void *bytes;
		while ((event = event_queue_next(&q, now, &bytes))) {
			const uint64_t *content = bytes;

			assert_int_equal(content[0], event->time_ns);
			assert_int_equal(content[1], ~event->time_ns);
			assert_true(event->time_ns >= taken_until);
			taken_until = event->time_ns;
			out++;
		}
		event_queue_compact(&q);
		now += 50;
	}
	assert_int_equal(in, out + event_queue_length(&q));
	event_queue_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_first_up_to_the_limit),
		cmocka_unit_test(of_equal_time_process_events_come_first),
		cmocka_unit_test(a_deferred_event_comes_again),
		cmocka_unit_test(pushes_leave_the_event_in_hand_alone),
		cmocka_unit_test(the_byte_limit_holds_and_room_comes_back),
		cmocka_unit_test(random_rounds_keep_order_and_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
