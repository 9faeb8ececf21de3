/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64's part of unwind rules. The stack pointer of the caller is its CFA; the frame pointer is rbp; of the other
 * registers only rbx is followed, by which the dynamic linker's resolver finds its frame.
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "symbolizer/unwind_rule.h"

enum { REG_RBX = 3, REG_RBP = 6, REG_RA = 16 };

/**
 * The linkers' expression for a whole procedure linkage table: rsp + 8 + (((rip & 15) >= N) << 3), N = 11, or 10
 * where entries start with endbr64. Returns N, 0 for other expressions.
 */
static uint32_t plt_threshold(const uint8_t *bytes, uint32_t length)
{
	static const uint8_t lazy[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};

	if (length != sizeof(lazy) || memcmp(bytes, lazy, 6) ||
	    memcmp(bytes + 7, lazy + 7, sizeof(lazy) - 7))
		return 0;
	return bytes[6] == 0x3b ? 11 : bytes[6] == 0x3a ? 10 : 0;
}

/** Fill in the CFA's part. Returns false if the whole rule is said by it. */
static bool put_cfa(struct unwind_rule *rule, const struct cfi_row *row)
{
	struct unwind_term t = {
		.kind = UNWIND_TERM_REG, .reg = row->cfa_reg, .offset = (uint64_t)row->cfa_offset};

	if (row->cfa_is_expression) {
		uint32_t plt = plt_threshold(row->cfa_expression, row->cfa_expression_length);

		if (plt) {
			*rule = (struct unwind_rule){.cfa = UNWIND_PACK(UNWIND_CFA_PLT, 0),
						     .cfa_offset = (int32_t)plt};
			return false;
		}
		if (!unwind_term_evaluate(row->cfa_expression, row->cfa_expression_length, &t))
			t.kind = UNWIND_TERM_CONSTANT;
	}
	if (t.kind == UNWIND_TERM_CONSTANT || t.reg >= REG_RA || !unwind_is_s32(t.offset)) {
		rule->cfa = UNWIND_PACK(UNWIND_CFA_EXPR, 0);
		return true;
	}
	rule->cfa =
		UNWIND_PACK(t.kind == UNWIND_TERM_REG ? UNWIND_CFA_REG : UNWIND_CFA_DEREF, t.reg);
	rule->cfa_offset = (int32_t)t.offset;
	if (t.kind == UNWIND_TERM_DEREF)
		rule->extra = (int32_t)t.add;
	return true;
}

static void put_bp(struct unwind_rule *rule, const struct cfi_register *bp)
{
	struct unwind_term t;

	rule->bp = UNWIND_PACK(UNWIND_REG_EXPR, 0);
	switch ((enum cfi_kind)bp->kind) {
	case CFI_UNSPECIFIED:
	case CFI_UNDEFINED:
	case CFI_SAME:
		rule->bp = UNWIND_PACK(UNWIND_REG_SAME, 0);
		break;
	case CFI_OFFSET:
		if (unwind_is_s32((uint64_t)bp->offset)) {
			rule->bp = UNWIND_PACK(UNWIND_REG_CFA, 0);
			rule->bp_offset = (int32_t)bp->offset;
		}
		break;
	case CFI_REGISTER:
		if ((uint64_t)bp->offset < REG_RA)
			rule->bp = UNWIND_PACK(UNWIND_REG_REGISTER, (uint64_t)bp->offset);
		break;
	case CFI_EXPRESSION:
		if (unwind_term_evaluate(bp->expression, bp->length, &t) &&
		    t.kind == UNWIND_TERM_REG && t.reg < REG_RA) {
			rule->bp = UNWIND_PACK(UNWIND_REG_DEREF, t.reg);
			rule->bp_offset = (int32_t)t.offset;
		}
		break;
	case CFI_VAL_OFFSET:
	case CFI_VAL_EXPRESSION:
		break;
	}
}

static void put_ra(struct unwind_rule *rule, const struct cfi_register *ra)
{
	bool deref = UNWIND_KIND(rule->cfa) == UNWIND_CFA_DEREF;

	rule->ra = UNWIND_PACK(UNWIND_REG_EXPR, 0);
	if (ra->kind == CFI_REGISTER && (uint64_t)ra->offset < REG_RA) {
		rule->ra = UNWIND_PACK(UNWIND_REG_REGISTER, (uint64_t)ra->offset);
	} else if (ra->kind == CFI_OFFSET && unwind_is_s32((uint64_t)ra->offset) &&
		   (!deref || ra->offset == -8)) {
		rule->ra = UNWIND_PACK(UNWIND_REG_CFA, 0);
		if (!deref)
			rule->extra = (int32_t)ra->offset;
	}
}

/** Where rbx is saved, for unwind_rule.flags. */
static uint8_t base_flags(const struct cfi_register *rbx)
{
	int64_t slot =
		-(int64_t)((uint64_t)rbx->offset / 8 * 8 == (uint64_t)rbx->offset ? rbx->offset / 8
										  : 0);

	if (rbx->kind == CFI_UNSPECIFIED || rbx->kind == CFI_SAME)
		return 0;
	if (rbx->kind == CFI_OFFSET && slot >= 1 && slot <= (int64_t)UNWIND_RULE_BASE_MAX)
		return UNWIND_RULE_PUT_BASE(slot);
	return UNWIND_RULE_PUT_BASE(UNWIND_RULE_BASE_LOST);
}

struct unwind_rule unwind_rule_x86(const struct cfi_row *row)
{
	struct unwind_rule rule = {0};
	const struct cfi_register *ra = &row->registers[row->ra_reg];

	/*
	 * The kernel's signal frames are described by expressions only; other frames marked so (their caller's pc
	 * is exact) by whatever describes them.
	 */
	if (row->signal_frame && (row->cfa_is_expression || !row->cfa_valid))
		return unwind_rule_command(UNWIND_CFA_SIGNAL);
	if (ra->kind == CFI_UNDEFINED || (ra->kind == CFI_UNSPECIFIED && row->cfa_valid))
		return unwind_rule_command(UNWIND_CFA_END);
	if (!row->cfa_valid)
		return unwind_rule_command(UNWIND_CFA_NONE);
	if (!put_cfa(&rule, row))
		return rule;
	put_bp(&rule, &row->registers[REG_RBP]);
	put_ra(&rule, ra);
	rule.flags = base_flags(&row->registers[REG_RBX]);
	if (row->signal_frame) {
		rule.flags |= UNWIND_RULE_PLAIN_SIGNAL;
		rule.cfa = UNWIND_PACK(UNWIND_CFA_SIGNAL, UNWIND_REGNO(rule.cfa));
	}
	return rule;
}

/* --- text ------------------------------------------------------------------------------------------ */

static const char *const reg_names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi",
					"rbp", "rsp", "r8",  "r9",  "r10", "r11",
					"r12", "r13", "r14", "r15", "rip"};

const char *unwind_reg_name_x86(uint32_t reg)
{
	return reg < ARRAY_SIZE(reg_names) ? reg_names[reg] : "r?";
}

int unwind_reg_number_x86(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(reg_names); i++)
		if (!strcmp(name, reg_names[i]))
			return (int)i;
	return -1;
}

static void format_reg(char *text, size_t size, uint8_t rule, int32_t offset)
{
	const char *name = unwind_reg_name_x86(UNWIND_REGNO(rule));

	switch ((enum unwind_reg)UNWIND_KIND(rule)) {
	case UNWIND_REG_SAME:
		(void)snprintf(text, size, "u");
		break;
	case UNWIND_REG_CFA:
		(void)snprintf(text, size, "c%+d", offset);
		break;
	case UNWIND_REG_DEREF:
		(void)snprintf(text, size, "*(%s%+d)", name, offset);
		break;
	case UNWIND_REG_REGISTER:
		(void)snprintf(text, size, "%s", name);
		break;
	default:
		(void)snprintf(text, size, "expr");
	}
}

const char *unwind_rule_format_x86(const struct unwind_rule *rule, char *text)
{
	uint32_t kind = UNWIND_KIND(rule->cfa);
	const char *name = unwind_reg_name_x86(UNWIND_REGNO(rule->cfa));
	const char *command = kind == UNWIND_CFA_NONE	  ? "none"
			      : kind == UNWIND_CFA_END	  ? "end"
			      : kind == UNWIND_CFA_SIGNAL ? "signal"
			      : kind != UNWIND_CFA_PLT	  ? NULL
			      : rule->cfa_offset == 10	  ? "plt10"
							  : "plt11";
	char cfa[48], bp[32], ra[32];

	if (command) {
		(void)snprintf(text, UNWIND_RULE_TEXT_BYTES, "%s - -", command);
		return text;
	}
	if (kind == UNWIND_CFA_REG)
		(void)snprintf(cfa, sizeof(cfa), "%s%+d", name, rule->cfa_offset);
	else if (kind == UNWIND_CFA_DEREF)
		(void)snprintf(cfa, sizeof(cfa), "*(%s%+d)%+d", name, rule->cfa_offset,
			       rule->extra);
	else
		(void)snprintf(cfa, sizeof(cfa), "expr");
	format_reg(bp, sizeof(bp), rule->bp, rule->bp_offset);
	format_reg(ra, sizeof(ra), rule->ra, kind == UNWIND_CFA_DEREF ? -8 : rule->extra);
	(void)snprintf(text, UNWIND_RULE_TEXT_BYTES, "%s %s %s", cfa, bp, ra);
	return text;
}

/* mov $15,%rax; syscall */
static const uint8_t sigreturn[] = UNWIND_SIGRETURN_X86;

const struct unwind_arch unwind_arch_x86 = {
	.machine = EM_X86_64,
	.make = unwind_rule_x86,
	.format = unwind_rule_format_x86,
	.sigreturn = sigreturn,
	.sigreturn_bytes = UNWIND_SIGRETURN_X86_BYTES,
};
