/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder of OTLP profiles on any bytes: it answers, within its memory, and what it makes keeps the promises of a
 * window. A window that it made is encoded and decoded again, and has as many samples then.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "server/fleet/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(int condition)
{
	if (!condition)
		abort();
}

static void check_window(const struct window *w)
{
	for (uint32_t i = 0; i < w->sample_count; i++) {
		const struct window_sample *s = &w->samples[i];

		check(s->stack < w->stack_count && s->labels < w->label_set_count && s->weight);
		check(!i || w->samples[i - 1].time_us <= s->time_us);
	}
	for (uint32_t i = 0; i < w->stack_count; i++)
		check(w->stacks[i].first + (uint64_t)w->stacks[i].count <= w->stack_frame_count);
	for (uint32_t i = 0; i < w->stack_frame_count; i++)
		check(w->stack_frames[i] < w->frame_count);
	for (uint32_t i = 0; i < w->frame_count; i++)
		check(w->frames[i].binary < w->binary_count &&
		      w->frames[i].name < strpool_count(&w->strings));
}

static void send_again(const struct window *w)
{
	const struct otlp_source source = {.host = "h"};
	const struct otlp_options options = {.memory_limit_bytes = 64u << 20};
	struct otlp_result again;
	auto_buffer out = BUFFER_INIT;

	check(!otlp_encode(w, &source, &out));
	check(!otlp_decode(out.bytes, out.length, &options, &again));
	check(again.samples == w->sample_count || again.rejected);
	otlp_result_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct otlp_options options = {
		.default_host = "peer",
		.memory_limit_bytes = 16u << 20,
	};
	struct otlp_result r;

	(void)otlp_decode(bytes, length, &options, &r); /* any answer will do */
	for (size_t i = 0; i < r.window_count; i++) {
		check_window(r.windows[i]);
		send_again(r.windows[i]);
	}
	otlp_result_release(&r);
	return 0;
}
