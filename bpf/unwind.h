/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder: from a thread's registers to its callers, by tables, without frame pointers.
 *
 * Plain C that is compiled for BPF and for the host. Who includes it first defines what differs between the two:
 *
 *	static const void *unwind_chunk(struct unwind_state *u, __u32 index);
 *		the UNWIND_CHUNK_BYTES of a chunk, NULL if there is none
 *	static int unwind_read(struct unwind_state *u, void *to, __u32 bytes, __u64 from);
 *		read the thread's memory; 0 or an error
 *	static int unwind_know_mapping(struct unwind_state *u, __u64 addr);
 *		find the mapping by other means than chunks and put it into u->mapping; 1 if there is one, 0 if none, -1
 *		if there are no other means
 *
 * and then calls unwind_begin() and unwind_step() until it returns an end. A step writes no frame: the caller
 * takes `pc` and `exact` from the state before each step, so that it decides on form and limit.
 *
 * For the verifier: every access into a chunk is masked to its size and aligned to what is read; searches choose
 * sides by arithmetic instead of branches, and their result goes through memory once, so that all their ways
 * look the same to what follows. Without that its states multiply with every step of a search.
 */
#ifndef HEARTH_BPF_UNWIND_H
#define HEARTH_BPF_UNWIND_H

#include "bpf/unwind_format.h"
#include "bpf/unwind_state.h"

#ifdef __clang__
#define UNWIND_UNROLL _Pragma("unroll")
#else
#define UNWIND_UNROLL _Pragma("GCC unroll 16")
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/** The address to look up: inside the instruction that the frame executes or has called from. */
static __always_inline __u64 unwind_lookup_pc(const struct unwind_state *u)
{
	return u->pc - !u->exact;
}

/** -1 if @a <= @b, else 0; both below 2^63. */
static __always_inline __u64 unwind_not_above(__u64 a, __u64 b)
{
	return (__u64)((__s64)(a - b - 1) >> 63);
}

/** Read a search's result back from memory, where the verifier does not follow it. */
static __always_inline __u32 unwind_opaque(struct unwind_state *u, __u32 value)
{
	*(volatile __u32 *)&u->result = value;
	return *(volatile __u32 *)&u->result;
}

/** Sorted items in a chunk, each starting with its 8-byte key. */
struct unwind_items {
	const void *chunk;
	__u32 offset;
	__u32 size; /* of an item, a power of two */
	__u32 count;
};

/** The last item whose key is <= @key; item 0 if there is none. Handed out as it lies in the chunk. */
static __always_inline const void *unwind_search(struct unwind_state *u,
						 const struct unwind_items *items, __u64 key)
{
	const char *chunk = items->chunk;
	__u32 size = items->size, offset = items->offset;
	__u64 low = 0, left = items->count;

	UNWIND_UNROLL
	for (int step = 0; step < 13; step++) { /* 2^12 items at most */
		__u64 half = left >> 1;

		if (!half)
			break;
		__u64 at = (offset + (low + half) * size) & (UNWIND_CHUNK_BYTES - size);

		low += half & unwind_not_above(*(const __u64 *)(chunk + at), key);
		left -= half;
	}

	__u32 found = unwind_opaque(u, (__u32)low);

	return chunk + ((offset + found * size) & (UNWIND_CHUNK_BYTES - size));
}

/** Make u->mapping cover @addr. Returns whether there is a mapping that does. */
static __always_inline int unwind_find_mapping(struct unwind_state *u, __u64 addr)
{
	if (addr - u->mapping.start < u->mapping.end - u->mapping.start)
		return 1;
	if (addr >> 63)
		return 0;

	int known = unwind_know_mapping(u, addr);

	if (known >= 0)
		return known;

	__u32 table = u->process.table;
	struct unwind_items items = {
		.chunk = unwind_chunk(u, UNWIND_REF_CHUNK(table)),
		.offset = UNWIND_REF_OFFSET(table),
		.size = sizeof(struct unwind_mapping),
		.count = u->process.count,
	};

	if (!items.chunk)
		return 0;
	if (u->process.tables) {
		struct unwind_items list = items;

		list.size = sizeof(struct unwind_table_ref);
		list.count = u->process.tables;

		const struct unwind_table_ref *ref = unwind_search(u, &list, addr);

		items.offset = UNWIND_REF_OFFSET(ref->table);
		items.count = ref->count;
		items.chunk = unwind_chunk(u, UNWIND_REF_CHUNK(ref->table));
		if (!items.chunk)
			return 0;
	}
	if (!items.count)
		return 0;

	const struct unwind_mapping *m = unwind_search(u, &items, addr);

	if (addr - m->start >= m->end - m->start)
		return 0;
	u->mapping = *m;
	return 1;
}

/** The last row of a page that starts at or below @low. */
static __always_inline __u32 unwind_search_rows(struct unwind_state *u, const void *chunk,
						__u32 offset, __u32 count, __u64 key)
{
	__u64 low = 0, left = count;

	UNWIND_UNROLL
	for (int step = 0; step < 15; step++) { /* 2^14 rows at most */
		__u64 half = left >> 1;

		if (!half)
			break;
		__u64 at = (offset + (low + half) * 2) & (UNWIND_CHUNK_BYTES - 2);

		low += half & unwind_not_above(*(const __u16 *)((const char *)chunk + at), key);
		left -= half;
	}
	return unwind_opaque(u, (__u32)low);
}

/** Find the row of @vaddr in the page at @ref and copy its rule to u->rule. Returns 0 or an end. */
static __always_inline enum unwind_end unwind_find_row(struct unwind_state *u, __u32 ref,
						       __u64 vaddr)
{
	char *chunk = (char *)unwind_chunk(u, UNWIND_REF_CHUNK(ref));

	if (!chunk)
		return UNWIND_END_MISS_PAGE;

	__u32 base = UNWIND_REF_OFFSET(ref);
	struct unwind_page *page = (void *)(chunk + base);

	if (!page->used)
		page->used = 1;

	__u32 rows = base + sizeof(*page) + page->rule_count * (__u32)sizeof(struct unwind_rule);
	__u32 count = page->row_count;
	__u32 i = unwind_search_rows(u, chunk, rows, count, vaddr & (UNWIND_PAGE_BYTES - 1));
	__u32 ids = rows + count * 2, id;

	if (page->wide)
		id = *(const __u16 *)(chunk + ((ids + i * 2) & (UNWIND_CHUNK_BYTES - 2)));
	else
		id = *(const __u8 *)(chunk + ((ids + i) & (UNWIND_CHUNK_BYTES - 1)));

	__u32 at = (base + sizeof(*page) + id * (__u32)sizeof(struct unwind_rule)) &
		   (UNWIND_CHUNK_BYTES - (__u32)sizeof(struct unwind_rule));

	u->rule = *(const struct unwind_rule *)(chunk + at);
	return UNWIND_END_NOT_YET;
}

/** Reference to the directory of the executable in u->mapping, or UNWIND_REF_NONE or UNWIND_REF_NO_TABLE. */
static __always_inline __u32 unwind_find_directory(struct unwind_state *u)
{
	const char *chunk = unwind_chunk(u, 0);

	if (!chunk)
		return UNWIND_REF_NONE;
	return *(const volatile __u32 *)(chunk + ((u->mapping.exe * 4) & (UNWIND_CHUNK_BYTES - 4)));
}

/** Find the rule of the frame, whose mapping is in u->mapping. Returns 0 or an end; a missing row is UNWIND_CFA_NONE. */
static __always_inline enum unwind_end unwind_find_rule(struct unwind_state *u)
{
	if (!u->mapping.exe)
		return UNWIND_END_NOT_YET;

	__u32 ref = unwind_find_directory(u);

	if (ref == UNWIND_REF_NO_TABLE)
		return UNWIND_END_NOT_YET;
	if (ref == UNWIND_REF_NONE)
		return UNWIND_END_MISS_TABLE;

	const char *chunk = unwind_chunk(u, UNWIND_REF_CHUNK(ref));

	if (!chunk)
		return UNWIND_END_MISS_TABLE;

	__u32 base = UNWIND_REF_OFFSET(ref);
	const struct unwind_directory *directory = (const void *)(chunk + base);
	__u64 vaddr = unwind_lookup_pc(u) - u->mapping.bias;
	__u64 index = (vaddr >> UNWIND_PAGE_SHIFT) - directory->first_page;

	if (index >= directory->page_count)
		return UNWIND_END_NOT_YET;
	u->miss_page = (__u32)(vaddr >> UNWIND_PAGE_SHIFT);

	__u32 at = (base + (__u32)sizeof(*directory) + (__u32)index * 4) & (UNWIND_CHUNK_BYTES - 4);

	ref = *(const volatile __u32 *)(chunk + at);
	if (ref == UNWIND_REF_NONE || ref == UNWIND_REF_TOO_BIG)
		return UNWIND_END_MISS_PAGE;
	return unwind_find_row(u, ref, vaddr);
}

#if defined(__TARGET_ARCH_arm64) || (defined(__aarch64__) && !defined(__bpf__))
#error "arm64: write bpf/unwind_arm64.h beside bpf/unwind_x86.h"
#else
#include "bpf/unwind_x86.h"
#endif

/**
 * Go from a frame to its caller.
 *
 * Returns UNWIND_END_NOT_YET with the caller in @u, or how the stack ended (also in u->end); @u then is at the last frame
 * that was reached.
 */
static __always_inline enum unwind_end unwind_step(struct unwind_state *u)
{
	enum unwind_end end = UNWIND_END_NOT_YET;

	u->by_frame_pointer = 0;
	u->rule.cfa = UNWIND_CFA_NONE;
	if (unwind_find_mapping(u, unwind_lookup_pc(u)))
		end = unwind_find_rule(u);
	else if (!u->leaf)
		end = UNWIND_END_FAIL_MAPPING;
	if (!end)
		end = unwind_apply(u);
	u->end = (__u8)end;
	return end;
}

#endif
