/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions of call frame information (DWARF 5, 6.4.2), one row of the table at a time.
 */
#include <errno.h>

#include "symbolizer/cfi.h"
#include "symbolizer/cfi_reader.h"

enum {
	DW_CFA_nop = 0x00,
	DW_CFA_set_loc = 0x01,
	DW_CFA_advance_loc1 = 0x02,
	DW_CFA_advance_loc2 = 0x03,
	DW_CFA_advance_loc4 = 0x04,
	DW_CFA_offset_extended = 0x05,
	DW_CFA_restore_extended = 0x06,
	DW_CFA_undefined = 0x07,
	DW_CFA_same_value = 0x08,
	DW_CFA_register = 0x09,
	DW_CFA_remember_state = 0x0a,
	DW_CFA_restore_state = 0x0b,
	DW_CFA_def_cfa = 0x0c,
	DW_CFA_def_cfa_register = 0x0d,
	DW_CFA_def_cfa_offset = 0x0e,
	DW_CFA_def_cfa_expression = 0x0f,
	DW_CFA_expression = 0x10,
	DW_CFA_offset_extended_sf = 0x11,
	DW_CFA_def_cfa_sf = 0x12,
	DW_CFA_def_cfa_offset_sf = 0x13,
	DW_CFA_val_offset = 0x14,
	DW_CFA_val_offset_sf = 0x15,
	DW_CFA_val_expression = 0x16,
	DW_CFA_MIPS_advance_loc8 = 0x1d,
	DW_CFA_AARCH64_negate_ra_state_with_pc = 0x2c,
	DW_CFA_AARCH64_negate_ra_state = 0x2d, /* elsewhere DW_CFA_GNU_window_save */
	DW_CFA_GNU_args_size = 0x2e,
	DW_CFA_GNU_negative_offset_extended = 0x2f,
	DW_CFA_advance_loc = 0x40, /* with the delta in the low 6 bits */
	DW_CFA_offset = 0x80,	   /* with the register in the low 6 bits */
	DW_CFA_restore = 0xc0,	   /* likewise */
	DW_CFA_primary = 0xc0,
};

struct machine {
	const struct cfi_program *program;
	const struct cfi_handler *handler;
	struct cfi_row *row;
	struct cfi_reader r;
	uint64_t loc;
	bool done; /* reached the end of the range */
	uint32_t depth;
	struct cfi_row remembered[CFI_REMEMBER_DEPTH];
};

/** The rule of a register, to write to; NULL for registers that are not kept. */
static struct cfi_register *reg_slot(struct machine *m, uint64_t reg)
{
	if (reg >= CFI_REGS)
		return NULL;
	if (reg >= m->row->register_count)
		m->row->register_count = (uint32_t)reg + 1;
	return &m->row->registers[reg];
}

static void set_reg(struct machine *m, uint64_t reg, enum cfi_kind kind, int64_t offset)
{
	struct cfi_register *slot = reg_slot(m, reg);

	if (slot)
		*slot = (struct cfi_register){.kind = (uint8_t)kind, .offset = offset};
}

/** @factored * data alignment factor, wrapping: a later check of the range catches nonsense. */
static int64_t scale(const struct machine *m, uint64_t factored)
{
	return (int64_t)(factored * (uint64_t)m->program->cie->data_factor);
}

static const uint8_t *read_expression(struct machine *m, uint32_t *ret_length)
{
	uint64_t length = cfi_uleb(&m->r);

	if (length > CFI_EXPRESSION_BYTES_MAX)
		m->r.bad = true;
	*ret_length = (uint32_t)length;
	return cfi_bytes(&m->r, length);
}

static void set_reg_expression(struct machine *m, enum cfi_kind kind)
{
	uint64_t reg = cfi_uleb(&m->r);
	uint32_t length;
	const uint8_t *bytes = read_expression(m, &length);
	struct cfi_register *slot = reg_slot(m, reg);

	if (slot && bytes)
		*slot = (struct cfi_register){
			.kind = (uint8_t)kind, .length = length, .expression = bytes};
}

static void restore_reg(struct machine *m, uint64_t reg)
{
	struct cfi_register *slot = reg_slot(m, reg);

	if (slot)
		*slot = m->program->cie->initial.registers[reg];
}

/** Go on to @loc: what was said so far holds up to there. */
static void advance_to(struct machine *m, uint64_t loc)
{
	if (!m->handler || loc < m->loc) { /* not in a CIE; not backwards */
		m->r.bad = true;
		return;
	}
	if (loc > m->loc)
		m->handler->row(m->handler->arg, m->loc, m->row);
	m->loc = loc;
	m->done = loc >= m->program->limit;
}

static void advance(struct machine *m, uint64_t delta)
{
	uint64_t bytes;

	if (m->r.bad)
		return;
	if (__builtin_mul_overflow(delta, m->program->cie->code_factor, &bytes) ||
	    bytes > m->program->limit - m->loc)
		bytes = m->program->limit - m->loc;
	advance_to(m, m->loc + bytes);
}

static void set_loc(struct machine *m)
{
	uint64_t loc;

	if (cfi_read_pointer(&m->r, m->program->section, m->program->cie->fde_encoding, 0, &loc))
		m->r.bad = true;
	else
		advance_to(m, loc < m->program->limit ? loc : m->program->limit);
}

static void define_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->row->cfa_valid = true;
	m->row->cfa_is_expression = false;
	m->row->cfa_reg = reg;
	m->row->cfa_offset = offset;
}

/** The operations that change a part of the CFA's rule need one of register and offset. */
static void require_plain_cfa(struct machine *m)
{
	if (m->row->cfa_is_expression)
		m->row->cfa_valid = false;
}

static void cfa_operation(struct machine *m, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = cfi_uleb(&m->r);
		define_cfa(m, reg, (int64_t)cfi_uleb(&m->r));
		break;
	case DW_CFA_def_cfa_sf:
		reg = cfi_uleb(&m->r);
		define_cfa(m, reg, scale(m, (uint64_t)cfi_sleb(&m->r)));
		break;
	case DW_CFA_def_cfa_register:
		require_plain_cfa(m);
		m->row->cfa_reg = cfi_uleb(&m->r);
		break;
	case DW_CFA_def_cfa_offset:
		require_plain_cfa(m);
		m->row->cfa_offset = (int64_t)cfi_uleb(&m->r);
		break;
	case DW_CFA_def_cfa_offset_sf:
		require_plain_cfa(m);
		m->row->cfa_offset = scale(m, (uint64_t)cfi_sleb(&m->r));
		break;
	default: /* DW_CFA_def_cfa_expression */
		m->row->cfa_expression = read_expression(m, &m->row->cfa_expression_length);
		m->row->cfa_valid = m->row->cfa_expression != NULL;
		m->row->cfa_is_expression = true;
		break;
	}
}

static void register_operation(struct machine *m, uint8_t op)
{
	uint64_t reg = cfi_uleb(&m->r);

	switch (op) {
	case DW_CFA_offset_extended:
		set_reg(m, reg, CFI_OFFSET, scale(m, cfi_uleb(&m->r)));
		break;
	case DW_CFA_offset_extended_sf:
		set_reg(m, reg, CFI_OFFSET, scale(m, (uint64_t)cfi_sleb(&m->r)));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		set_reg(m, reg, CFI_OFFSET, (int64_t)(0 - (uint64_t)scale(m, cfi_uleb(&m->r))));
		break;
	case DW_CFA_val_offset:
		set_reg(m, reg, CFI_VAL_OFFSET, scale(m, cfi_uleb(&m->r)));
		break;
	case DW_CFA_val_offset_sf:
		set_reg(m, reg, CFI_VAL_OFFSET, scale(m, (uint64_t)cfi_sleb(&m->r)));
		break;
	case DW_CFA_restore_extended:
		restore_reg(m, reg);
		break;
	case DW_CFA_undefined:
		set_reg(m, reg, CFI_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set_reg(m, reg, CFI_SAME, 0);
		break;
	default: /* DW_CFA_register */
		set_reg(m, reg, CFI_REGISTER, (int64_t)cfi_uleb(&m->r));
		break;
	}
}

static void state_operation(struct machine *m, uint8_t op)
{
	if (op == DW_CFA_remember_state) {
		if (m->depth == CFI_REMEMBER_DEPTH)
			m->r.bad = true;
		else
			m->remembered[m->depth++] = *m->row;
	} else if (!m->depth) {
		m->r.bad = true;
	} else {
		*m->row = m->remembered[--m->depth];
	}
}

static void extended_operation(struct machine *m, uint8_t op)
{
	switch (op) {
	case DW_CFA_nop:
	case DW_CFA_AARCH64_negate_ra_state:
	case DW_CFA_AARCH64_negate_ra_state_with_pc:
		break;
	case DW_CFA_set_loc:
		set_loc(m);
		break;
	case DW_CFA_advance_loc1:
		advance(m, cfi_unsigned(&m->r, 1));
		break;
	case DW_CFA_advance_loc2:
		advance(m, cfi_unsigned(&m->r, 2));
		break;
	case DW_CFA_advance_loc4:
		advance(m, cfi_unsigned(&m->r, 4));
		break;
	case DW_CFA_MIPS_advance_loc8:
		advance(m, cfi_unsigned(&m->r, 8));
		break;
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		state_operation(m, op);
		break;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		cfa_operation(m, op);
		break;
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_register:
		register_operation(m, op);
		break;
	case DW_CFA_expression:
		set_reg_expression(m, CFI_EXPRESSION);
		break;
	case DW_CFA_val_expression:
		set_reg_expression(m, CFI_VAL_EXPRESSION);
		break;
	case DW_CFA_GNU_args_size:
		(void)cfi_uleb(&m->r);
		break;
	default:
		m->r.bad = true;
	}
}

static void operation(struct machine *m)
{
	uint8_t op = cfi_u8(&m->r), low = op & 0x3f;

	switch (op & DW_CFA_primary) {
	case DW_CFA_advance_loc:
		advance(m, low);
		break;
	case DW_CFA_offset:
		set_reg(m, low, CFI_OFFSET, scale(m, cfi_uleb(&m->r)));
		break;
	case DW_CFA_restore:
		restore_reg(m, low);
		break;
	default:
		extended_operation(m, op);
	}
}

int cfi_execute(const struct cfi_program *program, struct cfi_row *row,
		const struct cfi_handler *handler, uint64_t *ret_end)
{
	struct machine m;

	/* Not an initializer: that would clear the remembered states, 16 KiB for each FDE. */
	m.program = program;
	m.handler = handler;
	m.row = row;
	m.r = (struct cfi_reader){program->begin, program->end, false};
	m.loc = program->start;
	m.done = false;
	m.depth = 0;
	while (m.r.at < m.r.end && !m.r.bad && !m.done)
		operation(&m);
	*ret_end = program->limit;
	if (m.r.bad)
		*ret_end = m.loc;
	else if (handler && !m.done)
		handler->row(handler->arg, m.loc, row);
	return m.r.bad ? -EBADMSG : 0;
}
