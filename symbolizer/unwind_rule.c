/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_rule.h"

#include <elf.h>

#include "base/array.h"
#include "symbolizer/cfi_reader.h"

enum {
	DW_OP_deref = 0x06,
	DW_OP_const1u = 0x08,
	DW_OP_const1s = 0x09,
	DW_OP_const2u = 0x0a,
	DW_OP_const2s = 0x0b,
	DW_OP_const4u = 0x0c,
	DW_OP_const4s = 0x0d,
	DW_OP_const8u = 0x0e,
	DW_OP_const8s = 0x0f,
	DW_OP_constu = 0x10,
	DW_OP_consts = 0x11,
	DW_OP_minus = 0x1c,
	DW_OP_plus = 0x22,
	DW_OP_plus_uconst = 0x23,
	DW_OP_lit0 = 0x30,
	DW_OP_lit31 = 0x4f,
	DW_OP_breg0 = 0x70,
	DW_OP_breg31 = 0x8f,
	DW_OP_bregx = 0x92,
	DW_OP_nop = 0x96,
};

#define TERM_STACK 8

bool unwind_is_s32(uint64_t value)
{
	return (int64_t)value >= INT32_MIN && (int64_t)value <= INT32_MAX;
}

/** Add or subtract a constant. Returns false if the sum is none that a rule holds. */
static bool term_add(struct unwind_term *to, const struct unwind_term *what, bool minus)
{
	if (what->kind != UNWIND_TERM_CONSTANT && (minus || to->kind != UNWIND_TERM_CONSTANT))
		return false;

	struct unwind_term sum = what->kind == UNWIND_TERM_CONSTANT ? *to : *what;
	uint64_t by = what->kind == UNWIND_TERM_CONSTANT ? what->offset : to->offset;

	if (minus)
		by = 0 - by;
	if (sum.kind == UNWIND_TERM_DEREF)
		sum.add += by;
	else
		sum.offset += by;
	*to = sum;
	return true;
}

static bool term_deref(struct unwind_term *t)
{
	if (t->kind != UNWIND_TERM_REG)
		return false;
	t->kind = UNWIND_TERM_DEREF;
	t->add = 0;
	return true;
}

/** What an operation without operands of its own on the stack pushes. Returns false if @op is another. */
static bool term_push(struct cfi_reader *r, uint8_t op, struct unwind_term *ret)
{
	*ret = (struct unwind_term){.kind = UNWIND_TERM_CONSTANT};
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		ret->offset = op - DW_OP_lit0;
		return true;
	}
	if ((op >= DW_OP_breg0 && op <= DW_OP_breg31) || op == DW_OP_bregx) {
		ret->kind = UNWIND_TERM_REG;
		ret->reg = op == DW_OP_bregx ? cfi_uleb(r) : (uint64_t)op - DW_OP_breg0;
		ret->offset = (uint64_t)cfi_sleb(r);
		return true;
	}
	if (op >= DW_OP_const1u && op <= DW_OP_const8s) {
		size_t bytes = (size_t)1 << (op - DW_OP_const1u) / 2;

		ret->offset = (op - DW_OP_const1u) & 1 ? (uint64_t)cfi_signed(r, bytes)
						       : cfi_unsigned(r, bytes);
		return true;
	}
	if (op == DW_OP_constu || op == DW_OP_consts) {
		ret->offset = op == DW_OP_constu ? cfi_uleb(r) : (uint64_t)cfi_sleb(r);
		return true;
	}
	return false;
}

bool unwind_term_evaluate(const uint8_t *bytes, uint32_t length, struct unwind_term *ret)
{
	struct cfi_reader r = {bytes, bytes + length, false};
	struct unwind_term stack[TERM_STACK];
	uint32_t depth = 0;

	while (r.at < r.end) {
		uint8_t op = cfi_u8(&r);
		struct unwind_term *top = depth ? &stack[depth - 1] : NULL;
		bool fits = true;

		if (depth < TERM_STACK && term_push(&r, op, &stack[depth])) {
			depth++;
		} else if (op == DW_OP_deref && top) {
			fits = term_deref(top);
		} else if (op == DW_OP_plus_uconst && top) {
			struct unwind_term by = {.kind = UNWIND_TERM_CONSTANT,
						 .offset = cfi_uleb(&r)};

			fits = term_add(top, &by, false);
		} else if ((op == DW_OP_plus || op == DW_OP_minus) && depth > 1) {
			fits = term_add(top - 1, top, op == DW_OP_minus);
			depth--;
		} else if (op != DW_OP_nop) {
			return false;
		}
		if (!fits)
			return false;
	}
	if (r.bad || depth != 1)
		return false;
	*ret = stack[0];
	return unwind_is_s32(ret->offset) &&
	       (ret->kind != UNWIND_TERM_DEREF || unwind_is_s32(ret->add));
}

struct unwind_rule unwind_rule_command(enum unwind_cfa cfa)
{
	return (struct unwind_rule){.cfa = UNWIND_PACK(cfa, 0)};
}

static const struct unwind_arch *const architectures[] = {&unwind_arch_x86};

const struct unwind_arch *unwind_arch_find(uint16_t machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (architectures[i]->machine == machine)
			return architectures[i];
	return NULL;
}
