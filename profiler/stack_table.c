// SPDX-License-Identifier: Apache-2.0
#include "profiler/stack_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void stack_table_release(struct stack_table *t)
{
	if (!t)
		return;
	free(t->stacks);
	free(t->frames);
	idmap_release(&t->ids);
	*t = (struct stack_table){0};
}

void stack_table_reset(struct stack_table *t, uint32_t epoch)
{
	t->epoch = epoch;
	t->count = 0;
	t->frame_count = 0;
	idmap_clear(&t->ids);
}

int stack_table_add(struct stack_table *t, const struct stack_record *record, size_t size)
{
	if (size < sizeof(*record))
		return -EBADMSG;
	size_t frame_count = (size_t)record->kernel_count + record->user_count;
	if (frame_count > SAMPLE_FRAMES_MAX ||
	    size != sizeof(*record) + frame_count * sizeof(uint64_t))
		return -EBADMSG;
	if (stack_table_find(t, record->id))
		return 0;
	if (t->count >= STACK_TABLE_STACKS_MAX ||
	    frame_count > STACK_TABLE_FRAMES_MAX - t->frame_count)
		return -ENOSPC;

	if (array_reserve((void **)&t->stacks, &t->capacity, t->count + 1, sizeof(t->stacks[0])) ||
	    array_reserve((void **)&t->frames, &t->frame_capacity, t->frame_count + frame_count,
			  sizeof(t->frames[0])) ||
	    idmap_insert(&t->ids, record->id, (uint32_t)t->count))
		return -ENOMEM;

	if (frame_count)
		memcpy(&t->frames[t->frame_count], record + 1, frame_count * sizeof(t->frames[0]));
	t->stacks[t->count++] =
		(struct raw_stack){.record = *record, .first_frame = t->frame_count};
	t->frame_count += frame_count;
	return 0;
}

struct raw_stack *stack_table_find(struct stack_table *t, uint64_t id)
{
	for (struct idmap_probe p = idmap_find(&t->ids, id); p.found; idmap_next(&t->ids, &p)) {
		if (t->stacks[p.id].record.id == id)
			return &t->stacks[p.id];
	}
	return NULL;
}
