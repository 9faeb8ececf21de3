/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder's part for x86-64: how a rule leads to the caller. Included by bpf/unwind.h.
 *
 * DWARF register numbers: System V ABI, AMD64 supplement, figure 3.36. Signal frame: struct rt_sigframe and
 * struct sigcontext of arch/x86/include/uapi/asm/sigcontext.h; at __restore_rt SP points at its ucontext.
 */
#ifndef HEARTH_BPF_UNWIND_X86_H
#define HEARTH_BPF_UNWIND_X86_H

enum unwind_x86_reg {
	UNWIND_RAX,
	UNWIND_RDX,
	UNWIND_RCX,
	UNWIND_RBX,
	UNWIND_RSI,
	UNWIND_RDI,
	UNWIND_RBP,
	UNWIND_RSP,
	UNWIND_R8,
	UNWIND_R15 = 15,
	UNWIND_RA = 16,
};

#define UNWIND_SP UNWIND_RSP
#define UNWIND_BP UNWIND_RBP

/* Registers that outlive a step. RBX is the base register: not read before a rule asks for it. */
#define UNWIND_KNOWN_FRAME    (1u << UNWIND_RSP | 1u << UNWIND_RBP | 1u << UNWIND_RBX)
#define UNWIND_KNOWN_ALL      0xffffu

#define UNWIND_X86_SIGCONTEXT 40 /* offset of uc_mcontext in struct ucontext */

/** Take the step to a caller at @ra whose stack pointer is @cfa. */
static __always_inline enum unwind_end unwind_return(struct unwind_state *u, __u64 cfa, __u64 ra)
{
	if (!ra)
		return UNWIND_END_COMPLETE; /* nothing can return to 0: thread entries are marked that way */
	if (cfa < u->regs[UNWIND_RSP] + !u->leaf)
		return UNWIND_END_FAIL_PROGRESS;
	u->pc = ra;
	u->regs[UNWIND_RSP] = cfa;
	u->known &= UNWIND_KNOWN_FRAME;
	u->exact = 0;
	u->leaf = 0;
	return UNWIND_END_NOT_YET;
}

/** Go by frame pointer: the caller's is at it, the return address above. */
static __always_inline enum unwind_end unwind_by_frame_pointer(struct unwind_state *u)
{
	__u64 bp = u->regs[UNWIND_RBP];

	if (!(u->known & 1u << UNWIND_RBP))
		return UNWIND_END_FAIL_ROW;
	if (!bp)
		return UNWIND_END_COMPLETE;
	if (bp < u->regs[UNWIND_RSP] || bp & 7)
		return UNWIND_END_FAIL_ROW;
	if (unwind_read(u, u->scratch, 16, bp))
		return UNWIND_END_FAIL_READ;
	u->by_frame_pointer = 1;

	enum unwind_end end = unwind_return(u, bp + 16, u->scratch[1]);

	if (!end) {
		u->regs[UNWIND_RBP] = u->scratch[0];
		u->known &= ~(1u << UNWIND_RBX);
	}
	return end;
}

/** Whether the 8 bytes of code that end where a call would return to (first byte lowest) end in a call instruction. */
static __always_inline int unwind_is_call(__u64 code)
{
	__u32 last2 = (__u32)(code >> 48), last3 = (__u32)(code >> 40) & 0xffff;

	if ((code >> 24 & 0xff) == 0xe8) /* call rel32 */
		return 1;
	if ((last2 & 0x38ff) == 0x10ff && last2 >> 14 != 1 &&
	    last2 >> 14 != 2) /* call reg, call [reg] */
		return 1;
	if ((last3 & 0xf8ff) == 0x50ff ||
	    (last3 & 0xffff) == 0x14ff) /* call [reg+d8], call [sib] */
		return 1;
	if ((code >> 32 & 0xffff) == 0x54ff) /* call [sib+d8] */
		return 1;
	if ((code >> 16 & 0xf8ff) == 0x90ff ||
	    (code >> 16 & 0xffff) == 0x15ff) /* call [reg+d32], call [rip+d32] */
		return 1;
	return (code >> 8 & 0xffff) == 0x94ff ||
	       (code >> 8 & 0xffff) == 0x14ff; /* call [sib+d32] */
}

/** Whether @ra can be a return address: executable, and behind a call where the code can be read. */
static __always_inline int unwind_plausible_return(struct unwind_state *u, __u64 ra)
{
	__u64 *code = &u->scratch[2];

	if (!ra || !unwind_find_mapping(u, ra - 1))
		return 0;
	return unwind_read(u, code, sizeof(*code), ra - sizeof(*code)) || unwind_is_call(*code);
}

/**
 * A frame without a row. In a leaf the return address most likely is on top of the stack (hand-written code, JIT
 * code before its prologue, a call to nowhere); if what is there is none, and for other frames, by frame pointer.
 */
static __always_inline enum unwind_end unwind_without_row(struct unwind_state *u)
{
	if (u->leaf) {
		__u64 sp = u->regs[UNWIND_RSP];
		struct unwind_mapping *m = &u->mapping;

		if (unwind_read(u, u->scratch, 8, sp))
			return UNWIND_END_FAIL_READ;
		if (!u->pc || unwind_plausible_return(u, u->scratch[0]))
			return unwind_return(u, sp + 8, u->scratch[0]);
		m->end = m->start; /* it may be another's now */
	}
	return unwind_by_frame_pointer(u);
}

/** Go from the kernel's signal frame to what it interrupted. */
static __always_inline enum unwind_end unwind_signal(struct unwind_state *u)
{
	__u64 sp = u->regs[UNWIND_RSP];
	__u64 *r = u->scratch; /* r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip */

	if (unwind_read(u, r, 17 * 8, sp + UNWIND_X86_SIGCONTEXT))
		return UNWIND_END_FAIL_READ;
	if (r[16] == u->pc && r[15] == sp)
		return UNWIND_END_FAIL_PROGRESS;
	for (int i = 0; i < 8; i++)
		u->regs[UNWIND_R8 + i] = r[i];
	u->regs[UNWIND_RDI] = r[8];
	u->regs[UNWIND_RSI] = r[9];
	u->regs[UNWIND_RBP] = r[10];
	u->regs[UNWIND_RBX] = r[11];
	u->regs[UNWIND_RDX] = r[12];
	u->regs[UNWIND_RAX] = r[13];
	u->regs[UNWIND_RCX] = r[14];
	u->regs[UNWIND_RSP] = r[15];
	u->pc = r[16];
	u->known = UNWIND_KNOWN_ALL;
	u->base_at = 0;
	u->exact = 1;
	u->leaf = 1;
	return UNWIND_END_NOT_YET;
}

/** The canonical frame address into u->scratch[0]. Returns 0 or an end. */
static __always_inline enum unwind_end unwind_find_cfa(struct unwind_state *u, __u32 kind)
{
	__u32 reg = UNWIND_REGNO(u->rule.cfa);
	__u64 sp = u->regs[UNWIND_RSP];

	if (kind == UNWIND_CFA_PLT) {
		u->scratch[0] = sp + 8 + ((u->pc & 15) >= (__u32)u->rule.cfa_offset ? 8 : 0);
		return UNWIND_END_NOT_YET;
	}
	if (!(u->known >> reg & 1))
		return UNWIND_END_FAIL_REGISTER;
	if (reg == UNWIND_RBX && u->base_at) {
		if (unwind_read(u, &u->regs[UNWIND_RBX], 8, u->base_at))
			return UNWIND_END_FAIL_READ;
		u->base_at = 0;
	}

	__u64 at = u->regs[reg & (UNWIND_REGS - 1)] + (__u64)(__s64)u->rule.cfa_offset;

	u->scratch[0] = at;
	if (kind == UNWIND_CFA_DEREF) {
		if (unwind_read(u, u->scratch, 8, at))
			return UNWIND_END_FAIL_READ;
		u->scratch[0] += (__u64)(__s64)u->rule.extra;
	}
	return UNWIND_END_NOT_YET;
}

/** The caller's frame pointer, given the CFA; marks it unknown where it cannot be had. */
static __always_inline enum unwind_end unwind_find_bp(struct unwind_state *u, __u64 cfa, __u64 *bp)
{
	__u32 kind = UNWIND_KIND(u->rule.bp), reg = UNWIND_REGNO(u->rule.bp) & (UNWIND_REGS - 1);
	__u64 at = cfa;

	*bp = u->regs[UNWIND_RBP];
	if (kind == UNWIND_REG_SAME)
		return UNWIND_END_NOT_YET;
	if (kind == UNWIND_REG_EXPR || (kind != UNWIND_REG_CFA && !(u->known >> reg & 1))) {
		u->known &= ~(1u << UNWIND_RBP);
		*bp = 0;
		return UNWIND_END_NOT_YET;
	}
	if (kind != UNWIND_REG_CFA)
		at = u->regs[reg];
	if (kind == UNWIND_REG_REGISTER) {
		*bp = at;
		return UNWIND_END_NOT_YET;
	}
	at += (__u64)(__s64)u->rule.bp_offset;
	if (kind == UNWIND_REG_CFA && at < u->regs[UNWIND_RSP])
		return UNWIND_END_NOT_YET; /* popped already: the value is back in its register */
	if (unwind_read(u, &u->scratch[3], 8, at))
		return UNWIND_END_FAIL_READ;
	u->known |= 1u << UNWIND_RBP;
	*bp = u->scratch[3];
	return UNWIND_END_NOT_YET;
}

/** The return address into u->scratch[2]. Returns 0 or an end. */
static __always_inline enum unwind_end unwind_find_ra(struct unwind_state *u, __u64 cfa,
						      __s32 offset)
{
	__u32 kind = UNWIND_KIND(u->rule.ra), reg = UNWIND_REGNO(u->rule.ra) & (UNWIND_REGS - 1);

	if (kind == UNWIND_REG_CFA) {
		if (unwind_read(u, &u->scratch[2], 8, cfa + (__u64)(__s64)offset))
			return UNWIND_END_FAIL_READ;
		return UNWIND_END_NOT_YET;
	}
	if (kind != UNWIND_REG_REGISTER)
		return UNWIND_END_FAIL_EXPRESSION;
	if (!(u->known >> reg & 1))
		return UNWIND_END_FAIL_REGISTER;
	u->scratch[2] = u->regs[reg];
	return UNWIND_END_NOT_YET;
}

/** Take note of where a frame saved the base register. */
static __always_inline void unwind_note_base(struct unwind_state *u, __u64 cfa, __u64 sp)
{
	__u32 base = UNWIND_RULE_BASE(u->rule.flags);

	if (base == UNWIND_RULE_BASE_LOST) {
		u->known &= ~(1u << UNWIND_RBX);
	} else if (base && cfa - 8 * base >= sp) {
		u->base_at = cfa - 8 * base;
		u->known |= 1u << UNWIND_RBX;
	}
}

/** Go to the caller, given the CFA: return address and frame pointer, in one read where they lie side by side. */
static __always_inline enum unwind_end unwind_recover(struct unwind_state *u, __u64 cfa,
						      __s32 ra_offset)
{
	enum unwind_end end = UNWIND_END_NOT_YET;
	__u64 bp, sp = u->regs[UNWIND_RSP];

	if (u->rule.bp == UNWIND_PACK(UNWIND_REG_CFA, 0) &&
	    u->rule.ra == UNWIND_PACK(UNWIND_REG_CFA, 0) && u->rule.bp_offset == ra_offset - 8 &&
	    cfa - 16 >= sp && ra_offset == -8) {
		if (unwind_read(u, &u->scratch[1], 16, cfa - 16))
			return UNWIND_END_FAIL_READ;
		bp = u->scratch[1];
		u->known |= 1u << UNWIND_RBP;
	} else {
		end = unwind_find_ra(u, cfa, ra_offset);
		if (!end)
			end = unwind_find_bp(u, cfa, &bp);
		if (end)
			return end;
	}
	end = unwind_return(u, cfa, u->scratch[2]);
	if (end)
		return end;
	u->regs[UNWIND_RBP] = bp;
	unwind_note_base(u, cfa, sp);
	return UNWIND_END_NOT_YET;
}

/** Go to the caller by u->rule. Returns 0 or an end. */
static __always_inline enum unwind_end unwind_apply(struct unwind_state *u)
{
	__u32 kind = UNWIND_KIND(u->rule.cfa);

	if (kind == UNWIND_CFA_NONE)
		return unwind_without_row(u);
	if (kind == UNWIND_CFA_END)
		return UNWIND_END_COMPLETE;
	if (kind == UNWIND_CFA_EXPR)
		return UNWIND_END_FAIL_EXPRESSION;
	if (kind == UNWIND_CFA_SIGNAL && !(u->rule.flags & UNWIND_RULE_PLAIN_SIGNAL))
		return unwind_signal(u);
	if (kind == UNWIND_CFA_PLT) {
		u->rule.bp = UNWIND_PACK(UNWIND_REG_SAME, 0);
		u->rule.ra = UNWIND_PACK(UNWIND_REG_CFA, 0);
		u->rule.extra = -8;
		u->rule.flags = 0;
	}

	enum unwind_end end = unwind_find_cfa(u, kind);

	if (end)
		return end;
	end = unwind_recover(u, u->scratch[0], kind == UNWIND_CFA_DEREF ? -8 : u->rule.extra);
	if (!end && kind == UNWIND_CFA_SIGNAL)
		u->exact = 1;
	return end;
}

#endif
