/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about the unwind table of each executable, for people: how it was made, what is in it, or why there
 * is none. One entry a build id; when there are too many, the one that was asked for first goes.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_PROFILER_TABLE_LEDGER_H
#define HEARTH_PROFILER_TABLE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "symbolizer/binary.h"
#include "symbolizer/unwind_cache.h"
#include "symbolizer/unwind_file.h"

#define TABLE_LEDGER_ENTRIES_MAX 8192u
#define TABLE_REASON_BYTES	 UNWIND_REASON_BYTES

enum table_state {
	TABLE_PENDING, /* asked for, not made yet */
	TABLE_READY,
	TABLE_NONE,   /* the file has no call frame information: see the reason; no failure */
	TABLE_FAILED, /* see the reason */
};

struct table_facts {
	struct build_id id; /* as binary_build_id() has it */
	enum table_state state;
	bool from_cache;	/* it was on disk already */
	uint16_t sources;	/* READY: bits of enum unwind_source */
	uint32_t row_count;	/* READY, and so are the numbers up to `bytes` */
	uint32_t rule_count;	/* different rules among them */
	uint32_t page_count;	/* of 64 KiB of code */
	uint32_t fde_count;	/* functions described */
	uint32_t damaged_count; /* of them, not readable to their end */
	uint32_t
		expression_count; /* rows that need a DWARF expression, which user space evaluates */
	uint64_t bytes;		  /* of the table file */
	uint64_t build_ns; /* time the worker took; of READY from the cache: when it was made */
	char reason[TABLE_REASON_BYTES]; /* NONE, FAILED: one line for a person; else "" */
};

struct table_ledger;

/** Create an empty one. @ret: owned by the caller, free with table_ledger_destroy(). Returns 0; -ENOMEM. */
int table_ledger_create(struct table_ledger **ret);

/** Free; NULL allowed. */
void table_ledger_destroy(struct table_ledger *l);

/** Fill in what a table says about itself: state READY and the numbers; the rest of @facts is left alone. */
void table_facts_describe(struct table_facts *facts, const struct unwind_file *f);

/** Write an entry, new or in place of that with the same build id. Returns 0; -ENOMEM. */
int table_ledger_put(struct table_ledger *l, const struct table_facts *facts);

/** Read an entry. Returns 0; -ENOENT if that table was never asked for, or so long ago that it is forgotten. */
int table_ledger_get(struct table_ledger *l, const struct build_id *id, struct table_facts *ret);

#endif
