/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of unwind tables: the contract between the builder (symbolizer/), the loader (profiler/) and the
 * unwinder (bpf/unwind.h), which runs in the kernel and, compiled for the host, in user space.
 *
 * A table says for each address of one executable how to find the caller's frame. It is cut into pages of 64 KiB
 * of ELF address space. A loaded page is one self-contained block:
 *
 *	struct unwind_page | struct unwind_rule rules[] | __u16 low[] | __u8 or __u16 rule_id[]
 *
 * low[i] is where row i starts, relative to the page; the row holds until the next one. low[0] is always 0: the
 * row that is in force where a page begins is repeated there, so a look-up never leaves its page. A row costs
 * 3 bytes (4 when a page has more than 256 rules), and each page carries the rules it uses, so that there is no
 * table of rules that could overflow or would have to be collected when pages are evicted.
 *
 * All blocks live in chunks of UNWIND_CHUNK_BYTES. A reference names a block by chunk and offset. Blocks are
 * immutable once they are referred to, but for unwind_page.used and unwind_directory.pages[].
 *
 *	process (BPF hash, by tgid) -> struct unwind_mapping[], sorted by start (or a list of such tables)
 *	struct unwind_mapping       -> number of an executable
 *	chunk 0                     -> __u32[UNWIND_EXES]: reference to its struct unwind_directory
 *	struct unwind_directory     -> struct unwind_page, one per 64 KiB, 0 while it is not loaded
 */
#ifndef HEARTH_BPF_UNWIND_FORMAT_H
#define HEARTH_BPF_UNWIND_FORMAT_H

#include <linux/types.h>

#define UNWIND_PAGE_SHIFT     16
#define UNWIND_PAGE_BYTES     (1u << UNWIND_PAGE_SHIFT)

#define UNWIND_CHUNK_BYTES    (256u << 10)
#define UNWIND_BLOCK_ALIGN    64u

#define UNWIND_PAGE_ROWS_MAX  16384u /* a page with more stays out of the kernel */
#define UNWIND_PAGE_RULES_MAX 1024u
#define UNWIND_TABLE_MAPPINGS 4096u /* mappings in one table; more need a list of tables */
#define UNWIND_PROCESS_TABLES 512u  /* tables in the list of a process */
#define UNWIND_DIRECTORY_PAGES \
	32768u /* 2 GiB of text; executables with more stay out of the kernel */

#define UNWIND_EXES (UNWIND_CHUNK_BYTES / 4) /* executables known at a time; number 0 is none */

/** Where a block is: chunk << 12 | offset / 64. Chunk 0 holds no blocks, so small values are free for: */
#define UNWIND_REF_NONE	       0u
#define UNWIND_REF_NO_TABLE    1u /* in chunk 0: it is known that there is no table */
#define UNWIND_REF_TOO_BIG     1u /* in unwind_directory.pages[]: the page exceeds the limits above */
#define UNWIND_REF_OFFSET_BITS 12
#define UNWIND_REF_OFFSET(ref) (((ref) & ((1u << UNWIND_REF_OFFSET_BITS) - 1)) * UNWIND_BLOCK_ALIGN)
#define UNWIND_REF_CHUNK(ref)  ((ref) >> UNWIND_REF_OFFSET_BITS)

_Static_assert((UNWIND_BLOCK_ALIGN << UNWIND_REF_OFFSET_BITS) == UNWIND_CHUNK_BYTES,
	       "a reference reaches every block of a chunk and no further");

/** How the canonical frame address is found; in the low 3 bits of unwind_rule.cfa. */
enum unwind_cfa {
	UNWIND_CFA_NONE,   /* there is no unwind information from here on */
	UNWIND_CFA_END,	   /* the return address is undefined: outermost frame */
	UNWIND_CFA_REG,	   /* register + cfa_offset */
	UNWIND_CFA_DEREF,  /* *(register + cfa_offset) + extra */
	UNWIND_CFA_PLT,	   /* SP + 8, and 8 more where (pc & 15) >= cfa_offset (10 or 11) */
	UNWIND_CFA_SIGNAL, /* the kernel's signal frame lies at SP; see unwind_rule.flags */
	UNWIND_CFA_EXPR,   /* a DWARF expression that no rule holds: left to user space */
};

/** How a register of the caller is found; in the low 3 bits of unwind_rule.bp and .ra. */
enum unwind_reg {
	UNWIND_REG_SAME,     /* unchanged */
	UNWIND_REG_CFA,	     /* saved at CFA + offset */
	UNWIND_REG_DEREF,    /* saved at register + offset (frame pointer only) */
	UNWIND_REG_REGISTER, /* held in another register */
	UNWIND_REG_EXPR,     /* a DWARF expression that no rule holds */
};

/** Kind and register (DWARF number, below 32) share a byte. */
#define UNWIND_KIND_BITS       3
#define UNWIND_PACK(kind, reg) ((__u8)((kind) | (reg) << UNWIND_KIND_BITS))
#define UNWIND_KIND(byte)      ((byte) & ((1u << UNWIND_KIND_BITS) - 1))
#define UNWIND_REGNO(byte)     ((byte) >> UNWIND_KIND_BITS)

/*
 * unwind_rule.flags, bit 0, with UNWIND_CFA_SIGNAL only: the frame was marked as a signal frame but is described by
 * plain offsets from a register (number in cfa, offsets as in UNWIND_CFA_REG), so those are used; the caller's pc is
 * exact all the same.
 */
#define UNWIND_RULE_PLAIN_SIGNAL 1u

/*
 * unwind_rule.flags, bits 1 to 7: where the register is saved that some rules need besides the stack and frame
 * pointers (x86-64: rbx, by which the dynamic linker's resolver finds its frame). 0 = unchanged, n = at CFA - 8 n.
 */
#define UNWIND_RULE_BASE(flags) ((flags) >> 1)
#define UNWIND_RULE_BASE_MAX	126u
#define UNWIND_RULE_BASE_LOST	127u
#define UNWIND_RULE_PUT_BASE(n) ((__u8)((n) << 1))

/** One rule. Fields that its kinds do not use are 0, so that equal rules are equal bytes. */
struct unwind_rule {
	__u8 cfa; /* enum unwind_cfa and register */
	__u8 bp;  /* enum unwind_reg and register: the frame pointer of the caller */
	__u8 ra;  /* enum unwind_reg and register: the return address */
	__u8 flags;
	__s32 cfa_offset;
	__s32 bp_offset; /* from the CFA, or from the register */
	__s32 extra; /* UNWIND_CFA_DEREF: added after reading, RA is where the ABI has it; else RA's offset from the CFA */
};

/** Head of a page block. */
struct unwind_page {
	__u32 bytes; /* of the whole block */
	__u16 rule_count;
	__u16 row_count; /* at least 1 */
	__u8 wide;	 /* rule ids are __u16 instead of __u8 */
	__u8 used;	 /* set by the unwinder, cleared by the loader */
	__u16 reserved;
	__u32 owner; /* loader's */
};

/** Head of a directory block: the pages of one executable. */
struct unwind_directory {
	__u32 exe;
	__u32 first_page; /* ELF vaddr >> UNWIND_PAGE_SHIFT of pages[0] */
	__u32 page_count;
	__u32 reserved;
	__u32 pages[]; /* references */
};

/** One executable mapping of a process. */
struct unwind_mapping {
	__u64 start;
	__u64 end;  /* exclusive */
	__u64 bias; /* runtime address - ELF vaddr */
	__u32 exe;  /* number of the executable; 0 = memory without a file */
	__u32 reserved;
};

/** One entry of the list of tables of a process with more than UNWIND_TABLE_MAPPINGS mappings; 16 bytes. */
struct unwind_table_ref {
	__u64 start; /* of the table's first mapping */
	__u32 table; /* reference to struct unwind_mapping[] */
	__u32 count;
};

/** What is known of a process. */
struct unwind_process {
	__u32 table; /* reference to struct unwind_mapping[], or struct unwind_table_ref[] if tables != 0 */
	__u32 count;  /* mappings in it, when tables == 0 */
	__u32 tables; /* entries of the list */
	__u32 reserved;
};

/** The same together with whose it is, as the BPF map has it by tgid. */
struct unwind_process_entry {
	struct unwind_process process;
	__u64 start_boottime_ns; /* of the process: pids are reused */
	__u64 exec_id; /* task_struct.self_exec_id: every exec has another address space */
};

/** Why unwinding ended. Up to UNWIND_END_COMPLETE fine, then truncated, then misses, then failures. */
enum unwind_end {
	UNWIND_END_NOT_YET,
	UNWIND_END_COMPLETE,	 /* the outermost frame was reached */
	UNWIND_END_TRUNC_FRAMES, /* more frames than the limit */
	UNWIND_END_TRUNC_STACK,	 /* a copy of a stack ends before the stack does; user space only */
	UNWIND_END_MISS_PROCESS, /* the process is not known yet */
	UNWIND_END_MISS_TABLE,	 /* the executable has no table yet */
	UNWIND_END_MISS_PAGE,	 /* the page is not loaded */
	UNWIND_END_FAIL_MAPPING, /* the pc lies in no executable mapping */
	UNWIND_END_FAIL_ROW,	 /* no unwind information, and no frame pointer that helps */
	UNWIND_END_FAIL_EXPRESSION, /* the rule is a DWARF expression */
	UNWIND_END_FAIL_REGISTER,   /* the rule needs a register whose value is not known */
	UNWIND_END_FAIL_READ,	    /* stack memory could not be read */
	UNWIND_END_FAIL_PROGRESS,   /* the caller's frame does not lie above */
	UNWIND_END_FAIL_COMPAT,	    /* a 32-bit program */
	UNWIND_END_COUNT,
};

_Static_assert(sizeof(struct unwind_rule) == 16, "rules are indexed by shifting");
_Static_assert(sizeof(struct unwind_page) == 16, "rules are aligned behind the head");
_Static_assert(sizeof(struct unwind_directory) == 16, "the head of a directory");
_Static_assert(sizeof(struct unwind_mapping) == 32, "mappings are indexed by shifting");
_Static_assert(sizeof(struct unwind_table_ref) == 16, "tables are indexed by shifting");
_Static_assert(UNWIND_TABLE_MAPPINGS * sizeof(struct unwind_mapping) <= UNWIND_CHUNK_BYTES / 2,
	       "two tables fit a chunk");
_Static_assert(UNWIND_DIRECTORY_PAGES * 4 <= UNWIND_CHUNK_BYTES / 2, "two directories fit a chunk");
_Static_assert(16 + UNWIND_PAGE_RULES_MAX * 16 + UNWIND_PAGE_ROWS_MAX * 4 <= UNWIND_CHUNK_BYTES / 2,
	       "two pages fit a chunk");

#endif
