/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_full.h"

#include <errno.h>

#include "symbolizer/cfi.h"

enum { REG_RSP = 7, REG_RA = 16 };

/** What the ABI preserves across calls: rbx, rbp, r12 to r15. */
#define CALLEE_SAVED (1u << 3 | 1u << 6 | 0xfu << 12)

struct search {
	uint64_t vaddr;
	bool found;
	bool covered; /* by the FDE at hand */
	struct cfi_row row;
};

static bool search_fde(void *arg, uint64_t start, uint64_t end)
{
	struct search *s = arg;

	s->covered = !s->found && s->vaddr - start < end - start;
	return s->covered;
}

static void search_row(void *arg, uint64_t start, const struct cfi_row *row)
{
	struct search *s = arg;

	if (start <= s->vaddr) {
		s->row = *row;
		s->found = true;
	}
}

static void search_end(void *arg, uint64_t end)
{
	struct search *s = arg;

	if (s->vaddr >= end)
		s->found = false; /* damaged before it came to the address */
}

static bool find_row(const struct unwind_elf *elf, uint64_t vaddr, struct search *s)
{
	struct cfi_handler handler = {s, search_fde, search_row, search_end};
	struct cfi_stats ignored = {0};

	*s = (struct search){.vaddr = vaddr};
	for (uint32_t i = 0; i < elf->section_count && !s->found; i++)
		cfi_walk(&elf->sections[i], &handler, &ignored);
	return s->found && s->row.cfa_valid;
}

struct step {
	const struct cfi_row *row;
	const struct unwind_frame *frame;
	const struct unwind_memory *memory;
	uint64_t bias;
	uint64_t cfa;
};

static int find_cfa(struct step *s)
{
	const struct cfi_row *row = s->row;
	struct unwind_scope scope = {.frame = s->frame, .memory = s->memory, .bias = s->bias};

	if (row->cfa_is_expression)
		return unwind_expression(row->cfa_expression, row->cfa_expression_length, &scope,
					 &s->cfa);
	if (row->cfa_reg >= REG_RA || !(s->frame->known >> row->cfa_reg & 1))
		return -EINVAL;
	s->cfa = s->frame->regs[row->cfa_reg] + (uint64_t)row->cfa_offset;
	return 0;
}

/** The caller's value of a register. Returns 0; -ENOENT if it has none; other errors as of reading. */
static int recover(const struct step *s, uint32_t number, uint64_t *ret)
{
	const struct cfi_register *r = &s->row->registers[number];
	struct unwind_scope scope = {
		.frame = s->frame, .memory = s->memory, .bias = s->bias, .initial = &s->cfa};
	uint64_t at = s->cfa + (uint64_t)r->offset;
	int error;

	switch ((enum cfi_kind)r->kind) {
	case CFI_UNDEFINED:
		return -ENOENT;
	case CFI_UNSPECIFIED:
		if (number == REG_RSP) {
			*ret = s->cfa;
			return 0;
		}
		if (!(CALLEE_SAVED >> number & 1))
			return -ENOENT;
		__attribute__((fallthrough));
	case CFI_SAME:
		*ret = s->frame->regs[number];
		return s->frame->known >> number & 1 ? 0 : -ENOENT;
	case CFI_OFFSET:
		return s->memory->read(s->memory->arg, ret, 8, at);
	case CFI_VAL_OFFSET:
		*ret = at;
		return 0;
	case CFI_REGISTER:
		if ((uint64_t)r->offset >= REG_RA || !(s->frame->known >> r->offset & 1))
			return -ENOENT;
		*ret = s->frame->regs[r->offset];
		return 0;
	case CFI_EXPRESSION:
	case CFI_VAL_EXPRESSION:
		error = unwind_expression(r->expression, r->length, &scope, &at);
		if (!error && r->kind == CFI_EXPRESSION)
			return s->memory->read(s->memory->arg, ret, 8, at);
		*ret = at;
		return error;
	}
	return -ENOENT;
}

static enum unwind_end end_of(int error)
{
	return error == -ENODATA  ? UNWIND_END_TRUNC_STACK
	       : error == -EFAULT ? UNWIND_END_FAIL_READ
				  : UNWIND_END_FAIL_EXPRESSION;
}

enum unwind_end unwind_full_step(const struct unwind_elf *elf, uint64_t bias,
				 const struct unwind_memory *memory, struct unwind_frame *frame)
{
	struct search found;
	struct unwind_frame caller = {0};

	if (!find_row(elf, frame->pc - !frame->exact - bias, &found))
		return UNWIND_END_FAIL_ROW;

	struct step s = {.row = &found.row, .frame = frame, .memory = memory, .bias = bias};
	const struct cfi_register *ra = &found.row.registers[found.row.ra_reg];

	if (ra->kind == CFI_UNDEFINED || ra->kind == CFI_UNSPECIFIED)
		return UNWIND_END_COMPLETE;

	int error = find_cfa(&s);

	if (!error)
		error = recover(&s, found.row.ra_reg, &caller.pc);
	if (error)
		return end_of(error);
	if (!caller.pc)
		return UNWIND_END_COMPLETE;
	for (uint32_t i = 0; i < REG_RA; i++)
		if (!recover(&s, i, &caller.regs[i]))
			caller.known |= 1u << i;
	caller.exact = found.row.signal_frame;
	if (!(caller.known >> REG_RSP & 1))
		return UNWIND_END_FAIL_REGISTER;
	if (!caller.exact && caller.regs[REG_RSP] <= frame->regs[REG_RSP] && caller.pc == frame->pc)
		return UNWIND_END_FAIL_PROGRESS;
	*frame = caller;
	return UNWIND_END_NOT_YET;
}
