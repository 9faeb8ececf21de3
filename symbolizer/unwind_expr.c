/* SPDX-License-Identifier: Apache-2.0 */
#include <dwarf.h>
#include <errno.h>

#include "symbolizer/cfi_reader.h"
#include "symbolizer/unwind_full.h"

#define STACK_MAX      64
#define OPERATIONS_MAX 10000

struct evaluation {
	const uint8_t *begin;
	struct cfi_reader r;
	const struct unwind_scope *scope;
	uint64_t stack[STACK_MAX];
	uint32_t depth;
	int error; /* first failure */
};

static void push(struct evaluation *e, uint64_t value)
{
	if (e->depth == STACK_MAX)
		e->error = -EINVAL;
	else
		e->stack[e->depth++] = value;
}

static uint64_t pop(struct evaluation *e)
{
	if (!e->depth) {
		e->error = -EINVAL;
		return 0;
	}
	return e->stack[--e->depth];
}

/** Push a copy of the item @down below the top. */
static void pick(struct evaluation *e, uint64_t down)
{
	if (down >= e->depth)
		e->error = -EINVAL;
	else
		push(e, e->stack[e->depth - 1 - down]);
}

static void push_register(struct evaluation *e, uint64_t reg, int64_t offset)
{
	if (reg == 16)
		push(e, e->scope->frame->pc + (uint64_t)offset);
	else if (reg < 16 && e->scope->frame->known >> reg & 1)
		push(e, e->scope->frame->regs[reg] + (uint64_t)offset);
	else
		e->error = -EINVAL;
}

static void deref(struct evaluation *e, uint32_t bytes)
{
	uint64_t value = 0, from = pop(e);

	if (bytes < 1 || bytes > 8)
		e->error = -EINVAL;
	if (e->error)
		return;
	e->error = e->scope->memory->read(e->scope->memory->arg, &value, bytes, from);
	push(e, value);
}

static void jump(struct evaluation *e, int64_t by)
{
	if (by < e->begin - e->r.at || by > e->r.end - e->r.at)
		e->error = -EINVAL;
	else
		e->r.at += by;
}

/** Operations that push a constant. Returns false if @op is another. */
static bool constant(struct evaluation *e, uint8_t op)
{
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		push(e, op - DW_OP_lit0);
	} else if (op >= DW_OP_const1u && op <= DW_OP_const8s) {
		size_t bytes = (size_t)1 << (op - DW_OP_const1u) / 2;

		push(e, (op - DW_OP_const1u) & 1 ? (uint64_t)cfi_signed(&e->r, bytes)
						 : cfi_unsigned(&e->r, bytes));
	} else if (op == DW_OP_constu) {
		push(e, cfi_uleb(&e->r));
	} else if (op == DW_OP_consts) {
		push(e, (uint64_t)cfi_sleb(&e->r));
	} else if (op == DW_OP_addr) {
		push(e, cfi_unsigned(&e->r, 8) + e->scope->bias);
	} else {
		return false;
	}
	return true;
}

/** Operations with one operand on the stack, and those that move items. Returns false if @op is another. */
static bool unary(struct evaluation *e, uint8_t op)
{
	uint64_t a, b, c;

	switch (op) {
	case DW_OP_dup:
		pick(e, 0);
		return true;
	case DW_OP_drop:
		(void)pop(e);
		return true;
	case DW_OP_over:
		pick(e, 1);
		return true;
	case DW_OP_pick:
		pick(e, cfi_u8(&e->r));
		return true;
	case DW_OP_swap:
		a = pop(e), b = pop(e);
		push(e, a), push(e, b);
		return true;
	case DW_OP_rot:
		a = pop(e), b = pop(e), c = pop(e);
		push(e, a), push(e, c), push(e, b);
		return true;
	case DW_OP_abs:
		a = pop(e);
		push(e, (int64_t)a < 0 ? 0 - a : a);
		return true;
	case DW_OP_neg:
		push(e, 0 - pop(e));
		return true;
	case DW_OP_not:
		push(e, ~pop(e));
		return true;
	case DW_OP_plus_uconst:
		push(e, pop(e) + cfi_uleb(&e->r));
		return true;
	case DW_OP_nop:
		return true;
	default:
		return false;
	}
}

static uint64_t divide(struct evaluation *e, uint64_t a, uint64_t b, bool remainder)
{
	if (!b) {
		e->error = -EINVAL;
		return 0;
	}
	if (remainder)
		return a % b;
	return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}

/** Operations with two operands. Returns false if @op is another. */
static bool binary(struct evaluation *e, uint8_t op)
{
	bool is_binary = op == DW_OP_and || (op >= DW_OP_div && op <= DW_OP_mul) ||
			 (op >= DW_OP_or && op <= DW_OP_plus) ||
			 (op >= DW_OP_shl && op <= DW_OP_xor) || (op >= DW_OP_eq && op <= DW_OP_ne);

	if (!is_binary)
		return false;

	uint64_t b = pop(e), a = pop(e), v;
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case DW_OP_and:
		v = a & b;
		break;
	case DW_OP_div:
	case DW_OP_mod:
		v = divide(e, a, b, op == DW_OP_mod);
		break;
	case DW_OP_minus:
		v = a - b;
		break;
	case DW_OP_mul:
		v = a * b;
		break;
	case DW_OP_or:
		v = a | b;
		break;
	case DW_OP_plus:
		v = a + b;
		break;
	case DW_OP_shl:
		v = b < 64 ? a << b : 0;
		break;
	case DW_OP_shr:
		v = b < 64 ? a >> b : 0;
		break;
	case DW_OP_shra:
		v = (uint64_t)(sa >> (b < 64 ? b : 63));
		break;
	case DW_OP_xor:
		v = a ^ b;
		break;
	case DW_OP_eq:
		v = sa == sb;
		break;
	case DW_OP_ge:
		v = sa >= sb;
		break;
	case DW_OP_gt:
		v = sa > sb;
		break;
	case DW_OP_le:
		v = sa <= sb;
		break;
	case DW_OP_lt:
		v = sa < sb;
		break;
	default: /* DW_OP_ne */
		v = sa != sb;
	}
	push(e, v);
	return true;
}

/** The rest: registers, memory, control. */
static void other(struct evaluation *e, uint8_t op)
{
	uint64_t reg;

	if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
		push_register(e, op - DW_OP_breg0, cfi_sleb(&e->r));
		return;
	}
	switch (op) {
	case DW_OP_bregx:
		reg = cfi_uleb(&e->r);
		push_register(e, reg, cfi_sleb(&e->r));
		break;
	case DW_OP_deref:
		deref(e, 8);
		break;
	case DW_OP_deref_size:
		deref(e, cfi_u8(&e->r));
		break;
	case DW_OP_skip:
		jump(e, cfi_signed(&e->r, 2));
		break;
	case DW_OP_bra: {
		int64_t by = cfi_signed(&e->r, 2);

		if (pop(e))
			jump(e, by);
		break;
	}
	default:
		e->error = -EINVAL;
	}
}

int unwind_expression(const uint8_t *bytes, uint32_t length, const struct unwind_scope *scope,
		      uint64_t *ret)
{
	struct evaluation e = {
		.begin = bytes,
		.r = {bytes, bytes + length, false},
		.scope = scope,
	};

	if (scope->initial)
		push(&e, *scope->initial);
	for (uint32_t i = 0; e.r.at < e.r.end && !e.error; i++) {
		uint8_t op = cfi_u8(&e.r);

		if (i == OPERATIONS_MAX)
			return -EINVAL;
		if (!constant(&e, op) && !unary(&e, op) && !binary(&e, op))
			other(&e, op);
		if (e.r.bad)
			e.error = -EINVAL;
	}

	uint64_t value = pop(&e);

	if (!e.error)
		*ret = value;
	return e.error;
}
