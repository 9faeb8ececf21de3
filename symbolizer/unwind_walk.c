/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_walk.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* What bpf/unwind.h needs from its surroundings. */
static inline struct unwind_walk *walk_of(struct unwind_state *u)
{
	return (struct unwind_walk *)(void *)((char *)u - offsetof(struct unwind_walk, state));
}

static inline const void *unwind_chunk(struct unwind_state *u, __u32 index)
{
	return unwind_slab_chunk(walk_of(u)->slab, index);
}

static inline int unwind_read(struct unwind_state *u, void *to, __u32 bytes, __u64 from)
{
	struct unwind_walk *w = walk_of(u);

	w->read_error = w->read(w->arg, to, bytes, from);
	return w->read_error;
}

static inline int unwind_know_mapping(struct unwind_state *u, __u64 addr)
{
	const struct unwind_walk *w = walk_of(u);
	uint32_t low = 0, high = w->mapping_count;

	if (!w->mappings)
		return -1;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (w->mappings[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || addr >= w->mappings[low - 1].end)
		return 0;
	u->mapping = w->mappings[low - 1];
	return 1;
}

#include "bpf/unwind.h"

void unwind_walk_begin(struct unwind_walk *w, const struct unwind_process *process,
		       const struct unwind_start *start)
{
	struct unwind_state *u = &w->state;

	memset(u, 0, sizeof(*u));
	u->process = *process;
	u->pc = start->pc;
	for (int i = 0; i < UNWIND_RA; i++)
		u->regs[i] = start->regs[i];
	u->known = start->known & UNWIND_KNOWN_ALL;
	u->exact = start->exact;
	u->leaf = 1;
}

bool unwind_walk_map(struct unwind_walk *w)
{
	return unwind_find_mapping(&w->state, unwind_lookup_pc(&w->state));
}

/** Take a step that missed by the rule in the table's file. */
static enum unwind_end step_by_file(struct unwind_walk *w, enum unwind_end miss)
{
	struct unwind_state *u = &w->state;
	const struct unwind_file *f = unwind_slab_file(w->slab, u->mapping.exe);
	const struct unwind_rule *rule;

	if (!f)
		return miss;
	rule = unwind_file_find(f, unwind_lookup_pc(u) - u->mapping.bias);
	u->rule = rule ? *rule : (struct unwind_rule){0};
	return unwind_apply(u);
}

enum unwind_end unwind_walk_step(struct unwind_walk *w)
{
	struct unwind_state *u = &w->state;
	enum unwind_end end = unwind_step(u);

	if (end == UNWIND_END_MISS_PAGE &&
	    !unwind_slab_load_page(w->slab, u->mapping.exe, u->miss_page))
		end = unwind_step(u);
	if (end == UNWIND_END_MISS_PAGE || end == UNWIND_END_MISS_TABLE)
		end = step_by_file(w, end);
	if (end == UNWIND_END_FAIL_READ && w->read_error == -ENODATA)
		end = UNWIND_END_TRUNC_STACK;
	u->end = (uint8_t)end;
	return end;
}

const char *unwind_end_text(enum unwind_end end)
{
	static const char *const texts[UNWIND_END_COUNT] = {
		[UNWIND_END_NOT_YET] = "not finished",
		[UNWIND_END_COMPLETE] = "complete",
		[UNWIND_END_TRUNC_FRAMES] = "frame limit",
		[UNWIND_END_TRUNC_STACK] = "copy of the stack ends",
		[UNWIND_END_MISS_PROCESS] = "process not known yet",
		[UNWIND_END_MISS_TABLE] = "no unwind table",
		[UNWIND_END_MISS_PAGE] = "unwind page not loaded",
		[UNWIND_END_FAIL_MAPPING] = "pc outside of executable mappings",
		[UNWIND_END_FAIL_ROW] = "no unwind information",
		[UNWIND_END_FAIL_EXPRESSION] = "DWARF expression",
		[UNWIND_END_FAIL_REGISTER] = "register not known",
		[UNWIND_END_FAIL_READ] = "stack memory unreadable",
		[UNWIND_END_FAIL_PROGRESS] = "caller not above",
		[UNWIND_END_FAIL_COMPAT] = "32-bit program",
	};

	return end < UNWIND_END_COUNT ? texts[end] : "?";
}

const char *unwind_end_verdict(enum unwind_end end)
{
	if (end == UNWIND_END_COMPLETE)
		return "complete";
	if (end == UNWIND_END_TRUNC_FRAMES || end == UNWIND_END_TRUNC_STACK)
		return "truncated";
	return "failed";
}
