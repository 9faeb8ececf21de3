/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libdw says about an address, in the words of `hearth inspect --unwind`. Shared by the unit test and by
 * tests that go through many files; nothing in it comes from Hearth's own interpreter.
 */
#ifndef HEARTH_TESTS_UNWIND_ORACLE_H
#define HEARTH_TESTS_UNWIND_ORACLE_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct oracle {
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	Dwarf_CFI *eh;
	Dwarf_CFI *debug;
};

static inline bool oracle_open(struct oracle *o, const char *path)
{
	memset(o, 0, sizeof(*o));
	elf_version(EV_CURRENT);
	o->fd = open(path, O_RDONLY | O_CLOEXEC);
	o->elf = o->fd < 0 ? NULL : elf_begin(o->fd, ELF_C_READ_MMAP, NULL);
	if (!o->elf)
		return false;
	o->eh = dwarf_getcfi_elf(o->elf);
	o->dwarf = dwarf_begin_elf(o->elf, DWARF_C_READ, NULL);
	o->debug = o->dwarf ? dwarf_getcfi(o->dwarf) : NULL;
	return o->eh || o->debug;
}

static inline void oracle_close(struct oracle *o)
{
	if (o->eh)
		dwarf_cfi_end(o->eh);
	if (o->dwarf)
		dwarf_end(o->dwarf);
	elf_end(o->elf);
	if (o->fd >= 0)
		close(o->fd);
}

static inline const char *oracle_reg(uint64_t reg)
{
	static const char *const names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi",
					    "rbp", "rsp", "r8",	 "r9",	"r10", "r11",
					    "r12", "r13", "r14", "r15", "rip"};

	return reg < 17 ? names[reg] : "r?";
}

/** Register and offset of a DW_OP_breg*; false for other operations. */
static inline bool oracle_breg(const Dwarf_Op *op, uint64_t *reg, int64_t *offset)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		*reg = op->atom - DW_OP_breg0;
		*offset = (int64_t)op->number;
		return true;
	}
	if (op->atom == DW_OP_bregx) {
		*reg = op->number;
		*offset = (int64_t)op->number2;
		return true;
	}
	return false;
}

static inline bool oracle_plt(const Dwarf_Op *ops, size_t count, char *text)
{
	static const uint8_t atoms[] = {DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
					DW_OP_ge,    DW_OP_lit3,   DW_OP_shl,	DW_OP_plus};

	if (count != 9)
		return false;
	for (size_t i = 0; i < 9; i++)
		if (i != 4 && ops[i].atom != atoms[i])
			return false;
	if (ops[4].atom != DW_OP_lit10 && ops[4].atom != DW_OP_lit11)
		return false;
	sprintf(text, "plt%d", ops[4].atom - DW_OP_lit0);
	return true;
}

static inline void oracle_cfa(const Dwarf_Op *ops, size_t count, char *text)
{
	uint64_t reg;
	int64_t offset, add = 0;

	if (oracle_plt(ops, count, text))
		return;
	strcpy(text, "expr");
	if (!count || !oracle_breg(&ops[0], &reg, &offset) || reg > 15)
		return;
	if (count == 1) {
		sprintf(text, "%s%+ld", oracle_reg(reg), offset);
		return;
	}
	if (ops[1].atom != DW_OP_deref || count > 3)
		return;
	if (count == 3 && ops[2].atom != DW_OP_plus_uconst)
		return;
	if (count == 3)
		add = (int64_t)ops[2].number;
	sprintf(text, "*(%s%+ld)%+ld", oracle_reg(reg), offset, add);
}

/** "undefined" for undefined registers. */
static inline void oracle_register(Dwarf_Frame *frame, int number, char *text)
{
	Dwarf_Op memory[3], *ops;
	size_t count;
	uint64_t reg;
	int64_t offset;

	strcpy(text, "expr");
	if (dwarf_frame_register(frame, number, memory, &ops, &count))
		return;
	if (!count) {
		strcpy(text, ops ? "undefined" : "u");
	} else if (ops[0].atom == DW_OP_call_frame_cfa && count <= 2) {
		/* An expression starts with the CFA on the stack: a register pushed above it is the result. */
		if (count == 1 || ops[1].atom == DW_OP_plus_uconst)
			sprintf(text, "c%+ld", count == 1 ? 0l : (int64_t)ops[1].number);
		else if (oracle_breg(&ops[1], &reg, &offset))
			sprintf(text, "*(%s%+ld)", oracle_reg(reg), offset);
	} else if (count == 1 && ops[0].atom == DW_OP_regx) {
		strcpy(text, oracle_reg(ops[0].number));
	} else if (count == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31) {
		strcpy(text, oracle_reg(ops[0].atom - DW_OP_reg0));
	}
}

/** Where the caller's rbx is at @pc: "u", "c-16", ..., "" if nothing is known. */
static inline const char *oracle_base(struct oracle *o, uint64_t pc, char *text)
{
	Dwarf_Frame *frame = NULL;

	text[0] = '\0';
	if ((!o->eh || dwarf_cfi_addrframe(o->eh, pc, &frame)) &&
	    (!o->debug || dwarf_cfi_addrframe(o->debug, pc, &frame)))
		return text;
	oracle_register(frame, 3, text);
	free(frame);
	return text;
}

/** Write `CFA RBP RA` of @pc into @text (at least 160 bytes). */
static inline const char *oracle_rule(struct oracle *o, uint64_t pc, char *text)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr start, end;
	bool signal;
	Dwarf_Op *ops;
	size_t count;
	char cfa[64], bp[48], ra[48];

	if (!o->eh || dwarf_cfi_addrframe(o->eh, pc, &frame))
		if (!o->debug || dwarf_cfi_addrframe(o->debug, pc, &frame))
			return strcpy(text, "none - -");

	int ra_number = dwarf_frame_info(frame, &start, &end, &signal);

	if (signal) {
		free(frame);
		return strcpy(text, "signal - -");
	}
	oracle_register(frame, ra_number, ra);
	oracle_register(frame, 6, bp);
	if (dwarf_frame_cfa(frame, &ops, &count))
		strcpy(cfa, "none");
	else
		oracle_cfa(ops, count, cfa);
	free(frame);
	if (!strcmp(ra, "undefined"))
		return strcpy(text, "end - -");
	if (!strncmp(cfa, "plt", 3) || !strcmp(cfa, "none")) {
		sprintf(text, "%s - -", cfa);
		return text;
	}
	if (!strcmp(bp, "undefined"))
		strcpy(bp, "u");
	sprintf(text, "%s %s %s", cfa, bp, ra);
	return text;
}

#endif
