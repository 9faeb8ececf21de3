/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/host/unwind_user.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { REG_RBP = 6, REG_RSP = 7 };

void unwind_user_begin(struct unwind_user *user, const struct recording *r,
		       const struct unwind_state *u)
{
	(void)u;
	*user = (struct unwind_user){.recording = r};
	user->elfs = calloc(r->module_count + 1, sizeof(*user->elfs));
	user->opened = calloc(r->module_count + 1, sizeof(*user->opened));
}

void unwind_user_note(struct unwind_user *user, const struct unwind_state *u)
{
	if (array_reserve((void **)&user->frames, &user->frame_capacity, user->frame_count + 1,
			  sizeof(*user->frames)))
		return;

	struct unwind_frame *f = &user->frames[user->frame_count++];

	*f = (struct unwind_frame){.pc = u->pc, .known = u->known & 0xffff, .exact = u->exact};
	if (!u->leaf) /* the others may be the callee's */
		f->known &= 1u << REG_RSP | 1u << REG_RBP;
	for (int i = 0; i < 16; i++)
		f->regs[i] = u->regs[i];
}

static int read_memory(void *arg, void *to, uint32_t bytes, uint64_t from)
{
	return recording_read(arg, to, bytes, from);
}

static enum unwind_end full_step(struct unwind_user *user, struct unwind_frame *frame)
{
	const struct recording *r = user->recording;
	const struct recording_map *m = recording_find(r, frame->pc - !frame->exact);
	struct unwind_memory memory = {.arg = (void *)(uintptr_t)r, .read = read_memory};

	if (!m || !m->module || !r->modules[m->module - 1].exe || !user->elfs || !user->opened)
		return UNWIND_END_FAIL_ROW;

	uint32_t i = m->module - 1;

	if (!user->opened[i] && unwind_elf_open(r->modules[i].fd, -1, &user->elfs[i]))
		return UNWIND_END_FAIL_ROW;
	user->opened[i] = true;
	return unwind_full_step(&user->elfs[i], m->bias, &memory, frame);
}

enum unwind_end unwind_user_step(struct unwind_user *user, struct unwind_state *u)
{
	if (!user->frame_count)
		return u->end;

	size_t last = user->frame_count - 1;

	while (user->complete < last) {
		struct unwind_frame next = user->frames[user->complete];
		struct unwind_frame *noted = &user->frames[++user->complete];

		if (!full_step(user, &next) && next.pc == noted->pc &&
		    next.regs[REG_RSP] == noted->regs[REG_RSP])
			*noted = next;
	}

	struct unwind_frame caller = user->frames[last];
	enum unwind_end end = full_step(user, &caller);

	if (end)
		return end;
	u->pc = caller.pc;
	u->known = caller.known;
	u->base_at = 0;
	u->exact = u->leaf = caller.exact;
	for (int i = 0; i < 16; i++)
		u->regs[i] = caller.regs[i];
	return UNWIND_END_NOT_YET;
}

void unwind_user_release(struct unwind_user *user)
{
	for (size_t i = 0; user->elfs && user->opened && i < user->recording->module_count; i++)
		if (user->opened[i])
			unwind_elf_release(&user->elfs[i]);
	free(user->elfs);
	free(user->opened);
	free(user->frames);
}
