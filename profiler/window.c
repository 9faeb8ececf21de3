// SPDX-License-Identifier: Apache-2.0
#include "profiler/window.h"

#include <stdlib.h>

struct window *window_ref(struct window *w)
{
	__atomic_add_fetch(&w->ref_count, 1, __ATOMIC_RELAXED);
	return w;
}

void window_unref(struct window *w)
{
	if (!w || __atomic_sub_fetch(&w->ref_count, 1, __ATOMIC_ACQ_REL))
		return;

	for (uint32_t i = 0; i < w->binary_count; i++)
		binary_unref(w->binaries[i]);
	strpool_release(&w->strings);
	free(w->binaries);
	free(w->frames);
	free(w->stack_frames);
	free(w->stacks);
	free(w->labels);
	free(w->label_sets);
	free(w->samples);
	free(w);
}

size_t window_bytes(const struct window *w)
{
	return sizeof(*w) + strpool_bytes(&w->strings) +
	       (size_t)w->binary_count * sizeof(w->binaries[0]) +
	       (size_t)w->frame_count * sizeof(w->frames[0]) +
	       (size_t)w->stack_frame_count * sizeof(w->stack_frames[0]) +
	       (size_t)w->stack_count * sizeof(w->stacks[0]) +
	       (size_t)w->label_count * sizeof(w->labels[0]) +
	       (size_t)w->label_set_count * sizeof(w->label_sets[0]) +
	       (size_t)w->sample_count * sizeof(w->samples[0]);
}
