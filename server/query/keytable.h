/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Function keys: what call trees and tables merge by. A key is a name in a binary, and where asked for its kind;
 * the functions of several profiles map into one table, so that profiles can be compared.
 *
 * Invariants: keys are unique and never change their id; a zeroed struct is an empty table.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_QUERY_KEYTABLE_H
#define HEARTH_SERVER_QUERY_KEYTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "base/strpool.h"
#include "server/query/profile.h"

struct function_key {
	uint32_t name;	 /* string id in the table's own strings */
	uint32_t binary; /* string id of the path; 0 = none */
	uint32_t file;	 /* string id of the source path; 0 = unknown */
	uint32_t line;	 /* of the declaration, else the hottest line seen; 0 = unknown */
	uint8_t kind;	 /* enum frame_kind */
	bool declared;	 /* line is the declaration's */
	uint64_t heat;	 /* samples of the place that file and line were taken from */
};

struct keytable {
	struct strpool strings;
	struct function_key *keys; /* owned */
	size_t count;
	size_t capacity;
	struct idmap ids;
	bool merge_kinds; /* the same name inlined and not inlined is one key; set before the first use */
};

/** Free what @t holds; NULL allowed. */
void keytable_release(struct keytable *t);

/** Find or add a key. @ret: its index in keys. Returns 0; -ENOMEM. */
int keytable_add(struct keytable *t, const char *name, const char *binary, uint8_t kind,
		 uint32_t *ret);

/**
 * Map all functions of a symbolized profile to keys and learn files and lines from it.
 *
 * @ret_map: on success an array of p->function_count keys, owned by the caller, free with free()
 *
 * Returns 0; -ENOMEM.
 */
int keytable_map(struct keytable *t, const struct profile *p, uint32_t **ret_map);

/**
 * Order of the keys by name, then binary, then kind.
 *
 * @ret_ranks: on success an array of t->count ranks, owned by the caller, free with free()
 *
 * Returns 0; -ENOMEM.
 */
int keytable_rank(const struct keytable *t, uint32_t **ret_ranks);

#endif
