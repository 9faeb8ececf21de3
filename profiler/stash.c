// SPDX-License-Identifier: Apache-2.0
#include "profiler/stash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define STACK_REACH_BYTES (64ull << 20) /* a read this far above a slice is still of its stack */

static int read_file(const struct address_space *space, void *to, uint32_t bytes, uint64_t from)
{
	const struct mapping *m = address_space_find(space, from);

	if (!m || binary_fd(m->binary) < 0 || bytes > m->end - from)
		return -EFAULT;
	ssize_t n = pread(binary_fd(m->binary), to, bytes, (off_t)(from - m->start + m->offset));
	return n == (ssize_t)bytes ? 0 : -EFAULT;
}

int stash_read(void *arg, void *to, uint32_t bytes, uint64_t from)
{
	const struct stash_memory *m = arg;
	uint64_t start = m->stash->regs[STASH_REG_SP] & ~7ull, into = from - start;

	if (into < m->stash->stack_bytes && bytes <= m->stash->stack_bytes - into) {
		memcpy(to, (const char *)(m->stash + 1) + into, bytes);
		return 0;
	}
	if (!read_file(m->space, to, bytes, from))
		return 0;
	return into < STACK_REACH_BYTES ? -ENODATA : -EFAULT;
}

void stash_judge(struct stack_record *r, enum unwind_end end)
{
	r->user_reason = (uint8_t)(UNWIND_REASON_TABLES + end);
	r->user_verdict = UNWIND_FAILED;
	if (end == UNWIND_END_COMPLETE) {
		r->user_verdict = UNWIND_COMPLETE;
		r->user_reason = UNWIND_REASON_NONE;
	} else if (end == UNWIND_END_TRUNC_FRAMES) {
		r->user_verdict = UNWIND_TRUNCATED;
		r->user_reason = UNWIND_REASON_FRAME_LIMIT;
	} else if (end == UNWIND_END_TRUNC_STACK) {
		r->user_verdict = UNWIND_TRUNCATED;
	}
}
