/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/calltree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"

/* 4 Mi nodes are 250 MiB; far beyond what a page can use. */
#define NODES_MAX (4u << 20)

static int add_node(struct calltree *t, uint32_t parent, uint32_t key, uint32_t *ret)
{
	if (t->count >= NODES_MAX)
		return -EFBIG;
	if (array_reserve((void **)&t->nodes, &t->capacity, t->count + 1, sizeof(*t->nodes)))
		return -ENOMEM;
	*ret = (uint32_t)t->count;
	t->nodes[t->count++] = (struct calltree_node){
		.parent = parent,
		.key = key,
		.first_child = CALLTREE_NONE,
		.next_sibling = CALLTREE_NONE,
	};
	return 0;
}

int calltree_create(struct calltree **ret)
{
	CLEANUP(calltree_destroyp) struct calltree *t = calloc(1, sizeof(*t));
	uint32_t key;
	uint32_t root;

	if (!t || keytable_add(&t->keys, "", "", KIND_ROOT, &key) ||
	    add_node(t, CALLTREE_NONE, key, &root))
		return -ENOMEM;
	*ret = take_ptr(t);
	return 0;
}

void calltree_destroy(struct calltree *t)
{
	if (!t)
		return;
	keytable_release(&t->keys);
	idmap_release(&t->children);
	free(t->nodes);
	free(t);
}

static int find_child(struct calltree *t, uint32_t parent, uint32_t key, uint32_t *ret)
{
	uint64_t hash = hash_combine(parent, key);

	for (struct idmap_probe at = idmap_find(&t->children, hash); at.found;
	     idmap_next(&t->children, &at))
		if (t->nodes[at.id].parent == parent && t->nodes[at.id].key == key) {
			*ret = at.id;
			return 0;
		}

	int err = add_node(t, parent, key, ret);

	return err ? err : idmap_insert(&t->children, hash, *ret);
}

static int find_label(struct calltree *t, const struct profile *p, uint32_t labels, uint32_t *ret)
{
	const char *comm = profile_label_value(p, labels, "comm");
	uint32_t key;

	if (!comm || !*comm) {
		*ret = 0;
		return 0;
	}

	int err = keytable_add(&t->keys, comm, "", KIND_LABEL, &key);

	return err ? err : find_child(t, 0, key, ret);
}

/* The way from the root to where the sample before ended: the next one shares most of it. */
struct adding {
	struct calltree *tree;
	const struct profile *profile;
	const uint32_t *map; /* from functions to keys */
	uint32_t *nodes;     /* owned; behind each frame of `before`, from the root */
	size_t node_capacity;
	const struct profile_stack *before; /* NULL = none */
	uint32_t labels, label_node;
};

static void adding_release(struct adding *a)
{
	free(a->nodes);
}

static int add_frame(const struct adding *a, uint32_t frame_id, uint32_t *node)
{
	const struct profile *p = a->profile;
	const struct profile_frame *frame = &p->frames[frame_id];
	int err = 0;

	for (uint32_t i = frame->line_count; !err && i-- > 0;)
		err = find_child(a->tree, *node, a->map[p->lines[frame->line_first + i].function],
				 node);
	return err;
}

/* How many frames two stacks share, counted from the root. */
static uint32_t shared_frames(const struct profile *p, const struct profile_stack *a,
			      const struct profile_stack *b)
{
	const uint32_t *a_end = p->stack_frames + a->first + a->count;
	const uint32_t *b_end = p->stack_frames + b->first + b->count;
	uint32_t least = a->count < b->count ? a->count : b->count;
	uint32_t shared = 0;

	while (shared < least && a_end[-1 - (int64_t)shared] == b_end[-1 - (int64_t)shared])
		shared++;
	return shared;
}

static int find_leaf(struct adding *a, const struct profile_sample *s, uint32_t *ret)
{
	const struct profile *p = a->profile;
	const struct profile_stack *stack = &p->stacks[s->stack];
	bool same_labels = a->before && a->labels == s->labels;
	uint32_t shared = same_labels ? shared_frames(p, a->before, stack) : 0;
	int err = same_labels ? 0 : find_label(a->tree, p, s->labels, &a->label_node);

	if (!err)
		err = array_reserve((void **)&a->nodes, &a->node_capacity, stack->count + 1u,
				    sizeof(*a->nodes));

	uint32_t node = shared ? a->nodes[shared - 1] : a->label_node;

	for (uint32_t i = shared; !err && i < stack->count; i++) {
		err = add_frame(a, p->stack_frames[stack->first + stack->count - 1 - i], &node);
		a->nodes[i] = node;
	}
	a->before = stack;
	a->labels = s->labels;
	*ret = node;
	return err;
}

/* Samples by their labels, then by their stacks, which stand about in the order of their roots: two counting sorts. */
static int order_samples(const struct profile *p, uint32_t **ret)
{
	size_t most = p->stack_count > p->label_set_count ? p->stack_count : p->label_set_count;
	auto_free uint32_t *heads = calloc(most + 1, sizeof(*heads));
	auto_free uint32_t *by_stack = calloc(p->sample_count + 1, sizeof(*by_stack));
	auto_free uint32_t *by_labels = calloc(p->sample_count + 1, sizeof(*by_labels));

	if (!heads || !by_stack || !by_labels)
		return -ENOMEM;
	for (size_t i = 0; i < p->sample_count; i++)
		heads[p->samples[i].stack + 1]++;
	for (size_t i = 1; i <= most; i++)
		heads[i] += heads[i - 1];
	for (size_t i = 0; i < p->sample_count; i++)
		by_stack[heads[p->samples[i].stack]++] = (uint32_t)i;
	memset(heads, 0, (most + 1) * sizeof(*heads));
	for (size_t i = 0; i < p->sample_count; i++)
		heads[p->samples[i].labels + 1]++;
	for (size_t i = 1; i <= most; i++)
		heads[i] += heads[i - 1];
	for (size_t i = 0; i < p->sample_count; i++)
		by_labels[heads[p->samples[by_stack[i]].labels]++] = by_stack[i];
	*ret = take_ptr(by_labels);
	return 0;
}

int calltree_add(struct calltree *t, const struct profile *p, enum calltree_side side)
{
	auto_free uint32_t *map = NULL;
	auto_free uint32_t *order = NULL;
	CLEANUP(adding_release) struct adding a = {.tree = t, .profile = p};
	int err = keytable_map(&t->keys, p, &map);

	a.map = map;
	if (!err)
		err = order_samples(p, &order);
	for (size_t i = 0; !err && i < p->sample_count; i++) {
		const struct profile_sample *s = &p->samples[order[i]];
		uint32_t leaf;

		err = find_leaf(&a, s, &leaf);
		if (!err)
			t->nodes[leaf].self[side] += s->count;
	}
	return err;
}

/* Ids grow from the root down, so that one pass backwards adds everything up. */
static void add_up(struct calltree *t)
{
	for (size_t i = t->count; i-- > 0;) {
		struct calltree_node *node = &t->nodes[i];

		node->size++;
		for (int side = 0; side < SIDE_COUNT; side++)
			node->total[side] += node->self[side];
		if (node->parent == CALLTREE_NONE)
			continue;

		struct calltree_node *parent = &t->nodes[node->parent];

		parent->size += node->size;
		for (int side = 0; side < SIDE_COUNT; side++)
			parent->total[side] += node->total[side];
	}
}

/* Counting sort of all nodes by the rank of their key, last first; each is put before its elder siblings. */
static int link_children(struct calltree *t)
{
	auto_free uint32_t *ranks = NULL;
	int err = keytable_rank(&t->keys, &ranks);

	if (err)
		return err;

	auto_free uint32_t *heads = calloc(t->keys.count + 1, sizeof(*heads));
	auto_free uint32_t *next = calloc(t->count + 1, sizeof(*next));

	if (!heads || !next)
		return -ENOMEM;
	for (size_t i = 1; i < t->count; i++) {
		uint32_t rank = ranks[t->nodes[i].key];

		next[i] = heads[rank];
		heads[rank] = (uint32_t)i; /* node 0 is in no list: 0 ends one */
	}
	for (size_t rank = t->keys.count; rank-- > 0;)
		for (uint32_t i = heads[rank]; i; i = next[i]) {
			struct calltree_node *parent = &t->nodes[t->nodes[i].parent];

			t->nodes[i].next_sibling = parent->first_child;
			parent->first_child = i;
		}
	return 0;
}

static const char *name_of(const struct calltree *t, uint32_t node)
{
	return strpool_get(&t->keys.strings, t->keys.keys[t->nodes[node].key].name);
}

static uint64_t larger_total(const struct calltree_node *node)
{
	return node->total[SIDE_MAIN] > node->total[SIDE_BASE] ? node->total[SIDE_MAIN]
							       : node->total[SIDE_BASE];
}

/* Puts a node that stands for @sum among the children of @parent. */
static int add_elided(struct calltree *t, uint32_t parent, const struct calltree_node *sum)
{
	char name[48];
	uint32_t key;
	uint32_t id;

	(void)snprintf(name, sizeof(name), "(%u small frame%s)", sum->size, /* fits */
		       sum->size == 1 ? "" : "s");

	int err = keytable_add(&t->keys, name, "", KIND_ELIDED, &key);

	if (!err)
		err = add_node(t, parent, key, &id);
	if (err)
		return err;

	struct calltree_node *node = &t->nodes[id];
	uint32_t *link = &t->nodes[parent].first_child;

	while (*link != CALLTREE_NONE && strcmp(name_of(t, *link), name) < 0)
		link = &t->nodes[*link].next_sibling;
	node->next_sibling = *link;
	*link = id;
	node->size = 1;
	for (int side = 0; side < SIDE_COUNT; side++)
		node->self[side] = node->total[side] = sum->total[side];

	t->elided_nodes += sum->size;
	t->elided_samples += sum->total[SIDE_MAIN];
	return 0;
}

/* What is shown of a node's children: those with at least @least samples, or if @only is a node, just that. */
struct elision {
	uint64_t least;
	uint32_t only;
};

static bool is_shown(const struct calltree *t, uint32_t node, const struct elision *e)
{
	return e->only == CALLTREE_NONE ? larger_total(&t->nodes[node]) >= e->least
					: node == e->only;
}

static int elide_children(struct calltree *t, uint32_t parent, const struct elision *e)
{
	struct calltree_node sum = {0};

	for (uint32_t at = t->nodes[parent].first_child; at != CALLTREE_NONE;
	     at = t->nodes[at].next_sibling) {
		if (is_shown(t, at, e))
			continue;
		sum.size += t->nodes[at].size;
		for (int side = 0; side < SIDE_COUNT; side++)
			sum.total[side] += t->nodes[at].total[side];
	}
	/* One small frame takes no more room by its name than as "(1 small frame)". */
	if (!sum.size || (sum.size == 1 && e->only == CALLTREE_NONE))
		return 0;

	for (uint32_t *link = &t->nodes[parent].first_child; *link != CALLTREE_NONE;) {
		uint32_t at = *link;

		if (is_shown(t, at, e))
			link = &t->nodes[at].next_sibling;
		else
			*link = t->nodes[at].next_sibling;
	}
	return add_elided(t, parent, &sum);
}

/* The child of that name; of several (in different binaries) the one with most samples. */
static uint32_t child_named(const struct calltree *t, uint32_t parent, const char *name)
{
	uint32_t best = CALLTREE_NONE;

	for (uint32_t at = t->nodes[parent].first_child; at != CALLTREE_NONE;
	     at = t->nodes[at].next_sibling)
		if (!strcmp(name_of(t, at), name) &&
		    (best == CALLTREE_NONE ||
		     larger_total(&t->nodes[at]) > larger_total(&t->nodes[best])))
			best = at;
	return best;
}

/* Leaves of each node on the path only the next one. */
static int follow_path(struct calltree *t, const struct calltree_view *view, uint32_t *ret_node)
{
	uint32_t node = 0;

	for (size_t i = 0; i < view->path_count; i++) {
		struct elision e = {.only = child_named(t, node, view->path[i])};

		if (e.only == CALLTREE_NONE)
			return -ENOENT;

		int err = elide_children(t, node, &e);

		if (err)
			return err;
		node = e.only;
	}
	*ret_node = node;
	return 0;
}

/* The node behind the subtree of @node in pre-order, staying below @top. */
static uint32_t skip_subtree(const struct calltree *t, uint32_t node, uint32_t top)
{
	while (node != top && t->nodes[node].next_sibling == CALLTREE_NONE)
		node = t->nodes[node].parent;
	return node == top ? CALLTREE_NONE : t->nodes[node].next_sibling;
}

static uint32_t next_below(const struct calltree *t, uint32_t node, uint32_t top)
{
	return t->nodes[node].first_child != CALLTREE_NONE ? t->nodes[node].first_child
							   : skip_subtree(t, node, top);
}

uint32_t calltree_next(const struct calltree *t, uint32_t node)
{
	return next_below(t, node, 0);
}

int calltree_finish(struct calltree *t, const struct calltree_view *view)
{
	uint32_t top = 0;

	add_up(t);

	int err = link_children(t);

	if (!err)
		err = follow_path(t, view, &top);
	if (err || view->min_share <= 0)
		return err;

	double least = view->min_share * (double)larger_total(&t->nodes[top]);
	struct elision e = {.least = (uint64_t)least, .only = CALLTREE_NONE};

	e.least += (double)e.least < least; /* rounded up */

	for (uint32_t at = top; !err && at != CALLTREE_NONE; at = next_below(t, at, top))
		err = elide_children(t, at, &e);
	return err;
}
