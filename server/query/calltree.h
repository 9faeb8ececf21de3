/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call tree: the samples of a profile merged from the root down by function key. Or of two profiles side by
 * side, for a difference.
 *
 *	calltree_create() -> calltree_add() once or twice -> calltree_finish() -> walk by first_child and next_sibling
 *
 * Invariants: node 0 is the root; a node's id is above its parent's; after calltree_finish() children are sorted
 * by name, binary and kind, and a node's total is its self and its children's totals.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_QUERY_CALLTREE_H
#define HEARTH_SERVER_QUERY_CALLTREE_H

#include <stdint.h>

#include "server/query/keytable.h"

#define CALLTREE_NONE UINT32_MAX

/** Whose samples: of the profile, or of the one it is compared with. */
enum calltree_side {
	SIDE_MAIN,
	SIDE_BASE,
	SIDE_COUNT,
};

struct calltree_node {
	uint32_t parent; /* CALLTREE_NONE for the root */
	uint32_t key;	 /* index into keys.keys */
	uint32_t first_child;
	uint32_t next_sibling;
	uint32_t size; /* nodes in the subtree, this one included; set by calltree_finish() */
	uint64_t self[SIDE_COUNT]; /* samples */
	uint64_t total[SIDE_COUNT];
};

struct calltree {
	struct keytable keys;
	struct calltree_node *nodes; /* owned */
	size_t count;
	size_t capacity;
	struct idmap children; /* (parent, key) -> node */
	uint64_t elided_nodes;
	uint64_t elided_samples; /* of SIDE_MAIN */
};

struct calltree_view {
	double min_share; /* nodes with a smaller share of the view's root are elided; 0 = none */
	const char *const *path; /* show only what is below these names, outermost first */
	size_t path_count;
};

/** Make a tree of only a root. @ret: owned by the caller, free with calltree_destroy(). Returns 0; -ENOMEM. */
int calltree_create(struct calltree **ret);

/** Free; NULL allowed. */
void calltree_destroy(struct calltree *t);

DEFINE_CLEANUP(calltree_destroy, struct calltree *)

/** Add the samples of a symbolized profile, `comm` as the outermost frame. Returns 0; -ENOMEM; -EFBIG. */
int calltree_add(struct calltree *t, const struct profile *p, enum calltree_side side);

/**
 * Add up totals, sort children, and elide what the view does not show into nodes of KIND_ELIDED, so that all sums
 * stay right. What is beside the path is elided too.
 *
 * Returns 0; -ENOENT if the path is not there; -ENOMEM; -EFBIG.
 */
int calltree_finish(struct calltree *t, const struct calltree_view *view);

/** The node that follows @node in pre-order, CALLTREE_NONE after the last. */
uint32_t calltree_next(const struct calltree *t, uint32_t node);

#endif
