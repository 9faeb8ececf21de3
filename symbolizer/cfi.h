/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information: walks an .eh_frame or .debug_frame section and interprets it into rows, each of which
 * says for a range of addresses how the caller's registers are found.
 *
 * Sources: DWARF 5 chapter 6.4; LSB core, chapter 10.6 (.eh_frame, augmentations, pointer encodings).
 * Understood: CIE versions 1, 3 and 4; augmentations of the letters zLRPSBG; 32- and 64-bit lengths; every DW_CFA
 * operation of DWARF 5 and GNU's. An FDE that is damaged ends there and counts; the walk goes on with the next.
 *
 * Nothing here allocates, recurses or trusts a length.
 * Thread rule: none; no state outside the arguments.
 */
#ifndef HEARTH_SYMBOLIZER_CFI_H
#define HEARTH_SYMBOLIZER_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFI_REGS		 33 /* DWARF numbers kept: 0-16 of x86-64 (16 = return address), 0-32 of arm64 */
#define CFI_REMEMBER_DEPTH	 16   /* states that DW_CFA_remember_state stacks; in practice 1 */
#define CFI_CIE_BYTES_MAX	 1024 /* initial instructions of a CIE; in practice below 64 */
#define CFI_EXPRESSION_BYTES_MAX 4096

enum cfi_kind {
	CFI_UNSPECIFIED, /* no rule given: the ABI's default */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET,	    /* saved at CFA + offset */
	CFI_VAL_OFFSET,	    /* is CFA + offset */
	CFI_REGISTER,	    /* held in register number `offset` */
	CFI_EXPRESSION,	    /* saved where the expression says */
	CFI_VAL_EXPRESSION, /* is what the expression says */
};

/** Rule of one register. */
struct cfi_register {
	uint8_t kind;	 /* enum cfi_kind */
	uint32_t length; /* of the expression */
	union {
		int64_t offset;
		const uint8_t *expression; /* in the section */
	};
};

/** What is known for a range of addresses. */
struct cfi_row {
	bool cfa_valid; /* false: no CFA was defined, or nonsense was said about it */
	bool cfa_is_expression;
	bool signal_frame;	 /* augmentation S */
	uint8_t ra_reg;		 /* column of the return address */
	uint32_t register_count; /* registers[] in use; those behind are unspecified */
	uint64_t cfa_reg;	 /* DWARF number; may be above CFI_REGS */
	int64_t cfa_offset;
	const uint8_t *cfa_expression; /* in the section */
	uint32_t cfa_expression_length;
	struct cfi_register registers[CFI_REGS];
};

/** A section to walk. */
struct cfi_section {
	const uint8_t *bytes;
	size_t size;
	uint64_t vaddr;	       /* of its first byte */
	bool is_debug_frame;   /* .debug_frame rather than .eh_frame */
	bool until_terminator; /* the size is only a bound: stop at the first zero length */
};

/** A range of one FDE. Callbacks of the walk; @arg is theirs. */
struct cfi_handler {
	void *arg;
	/** An FDE of [@start, @end) begins. Returns whether its rows are wanted. */
	bool (*fde)(void *arg, uint64_t start, uint64_t end);
	/** The row holds from @start (inside the FDE, ascending) to the next row or @end; @row is borrowed. */
	void (*row)(void *arg, uint64_t start, const struct cfi_row *row);
	/** The FDE is done; from @end on it says nothing (its end, or where it is damaged). */
	void (*fde_end)(void *arg, uint64_t end);
};

struct cfi_stats {
	uint64_t cies;
	uint64_t fdes;
	uint64_t damaged; /* CIEs and FDEs that could not be read to their end */
};

/** Interpret a whole section. @stats: added to. */
void cfi_walk(const struct cfi_section *section, const struct cfi_handler *handler,
	      struct cfi_stats *stats);

/* --- between cfi.c and cfi_exec.c ---------------------------------------------------------------- */

/** A CIE, read. */
struct cfi_cie {
	uint64_t offset; /* in the section; UINT64_MAX = empty */
	uint64_t code_factor;
	int64_t data_factor;
	uint8_t fde_encoding; /* DW_EH_PE_* of addresses in FDEs */
	uint8_t address_bytes;
	bool has_augmentation_data;
	bool valid;
	struct cfi_row initial; /* after the initial instructions */
};

/** A run of instructions. */
struct cfi_program {
	const struct cfi_section *section;
	const struct cfi_cie *cie;
	const uint8_t *begin;
	const uint8_t *end;
	uint64_t start; /* address range of the FDE; both 0 for a CIE's initial instructions */
	uint64_t limit;
};

/**
 * Run instructions.
 *
 * @row: state, updated
 * @handler: gets the rows; NULL for initial instructions
 * @ret_end: where the last row ends: @program->limit, or where the instructions turn bad
 *
 * Returns 0; -EBADMSG.
 */
int cfi_execute(const struct cfi_program *program, struct cfi_row *row,
		const struct cfi_handler *handler, uint64_t *ret_end);

struct cfi_reader;

/**
 * Read an encoded pointer (LSB 10.5.1, DW_EH_PE_*).
 *
 * @section: what pc-relative refers to
 * @data_base: what data-relative refers to; 0 = there is none, such encodings fail
 *
 * Returns 0 with the value; -EBADMSG for encodings that cannot be resolved in a file.
 */
int cfi_read_pointer(struct cfi_reader *r, const struct cfi_section *section, uint8_t encoding,
		     uint64_t data_base, uint64_t *ret);

#endif
