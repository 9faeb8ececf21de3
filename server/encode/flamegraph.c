/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flame graph of our own page:
 *
 *	{"version": 1, "from": S, "to": S, "query": "...", "period_ns": N, "total": N,
 *	 "strings": ["", ...],
 *	 "nodes": {"parent": [-1, 0, ...], "name": [...], "kind": [...], "binary": [...], "file": [...],
 *	           "line": [...], "self": [...], "total": [...]},
 *	 "elided": {"nodes": N, "samples": N}, "lost": {REASON: N, ...},
 *	 "verdicts": {"complete": N, "truncated": N, "failed": N}}
 *
 * from and to are Unix seconds; counts are samples. The arrays of nodes are parallel and in pre-order: node 0 is
 * the root, a parent stands before its children, and children are sorted by name. name, binary and file are
 * indices into strings; kind is enum frame_kind. line is where the function is declared if that is known, else
 * the line that was sampled most. A node's total is its self and the totals of its children, always: small frames
 * are gathered into nodes of kind 8, "(N small frames)". With a path, all that is beside it is gathered as well.
 *
 * A difference has "base_self" and "base_total" among the nodes, and "base" with the other side's head.
 */
#include "server/encode/flamegraph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "server/encode/json.h"
#include "server/query/calltree.h"
#include "server/query/names.h"

#define DEFAULT_MIN_SHARE (1.0 / 16384)

/* Nodes in pre-order, and the strings they use renumbered in order of first use. */
struct flattened {
	const struct calltree *t;
	uint32_t *order;     /* node by place */
	uint32_t *places;    /* place by node */
	uint32_t *strings;   /* place + 1 in the output by string id; 0 = not used */
	uint32_t *by_string; /* string id by place in the output */
	size_t count;
	size_t string_count;
};

static void flattened_release(struct flattened *f)
{
	free(f->order);
	free(f->places);
	free(f->strings);
	free(f->by_string);
}

static void use_string(struct flattened *f, uint32_t id)
{
	if (f->strings[id])
		return;
	f->by_string[f->string_count++] = id;
	f->strings[id] = (uint32_t)f->string_count;
}

static int flatten(struct flattened *f)
{
	const struct calltree *t = f->t;
	size_t strings = strpool_count(&t->keys.strings) + 1u;

	f->order = calloc(t->count + 1, sizeof(*f->order));
	f->places = calloc(t->count + 1, sizeof(*f->places));
	f->strings = calloc(strings, sizeof(*f->strings));
	f->by_string = calloc(strings, sizeof(*f->by_string));
	if (!f->order || !f->places || !f->strings || !f->by_string)
		return -ENOMEM;

	use_string(f, 0);
	for (uint32_t node = 0; node != CALLTREE_NONE; node = calltree_next(t, node)) {
		const struct function_key *key = &t->keys.keys[t->nodes[node].key];

		f->places[node] = (uint32_t)f->count;
		f->order[f->count++] = node;
		use_string(f, key->name);
		use_string(f, key->binary);
		use_string(f, key->file);
	}
	return 0;
}

enum column {
	COLUMN_PARENT,
	COLUMN_NAME,
	COLUMN_KIND,
	COLUMN_BINARY,
	COLUMN_FILE,
	COLUMN_LINE,
	COLUMN_SELF,
	COLUMN_TOTAL,
	COLUMN_BASE_SELF,
	COLUMN_BASE_TOTAL,
};

static uint64_t cell(const struct flattened *f, enum column column, uint32_t id)
{
	const struct calltree_node *node = &f->t->nodes[id];
	const struct function_key *key = &f->t->keys.keys[node->key];

	switch (column) {
	case COLUMN_PARENT:
		return f->places[node->parent];
	case COLUMN_NAME:
		return f->strings[key->name] - 1;
	case COLUMN_KIND:
		return key->kind;
	case COLUMN_BINARY:
		return f->strings[key->binary] - 1;
	case COLUMN_FILE:
		return f->strings[key->file] - 1;
	case COLUMN_LINE:
		return key->line;
	case COLUMN_SELF:
		return node->self[SIDE_MAIN];
	case COLUMN_TOTAL:
		return node->total[SIDE_MAIN];
	case COLUMN_BASE_SELF:
		return node->self[SIDE_BASE];
	default:
		return node->total[SIDE_BASE];
	}
}

static void put_column(struct buffer *out, const struct flattened *f, enum column column,
		       const char *name)
{
	json_put_key(out, name);
	buffer_puts(out, column == COLUMN_PARENT ? "[-1" : "[");
	for (size_t i = column == COLUMN_PARENT; i < f->count; i++) {
		json_put_comma(out);
		buffer_put_u64(out, cell(f, column, f->order[i]));
	}
	buffer_putc(out, ']');
}

static void put_nodes(struct buffer *out, const struct flattened *f, bool with_base)
{
	static const char *const names[] = {
		[COLUMN_PARENT] = "parent",	  [COLUMN_NAME] = "name",
		[COLUMN_KIND] = "kind",		  [COLUMN_BINARY] = "binary",
		[COLUMN_FILE] = "file",		  [COLUMN_LINE] = "line",
		[COLUMN_SELF] = "self",		  [COLUMN_TOTAL] = "total",
		[COLUMN_BASE_SELF] = "base_self", [COLUMN_BASE_TOTAL] = "base_total",
	};
	size_t count = with_base ? ARRAY_SIZE(names) : COLUMN_BASE_SELF;

	json_put_key(out, "nodes");
	buffer_putc(out, '{');
	for (size_t i = 0; i < count; i++)
		put_column(out, f, (enum column)i, names[i]);
	buffer_putc(out, '}');
}

static void put_strings(struct buffer *out, const struct flattened *f)
{
	json_put_key(out, "strings");
	buffer_putc(out, '[');
	for (size_t i = 0; i < f->string_count; i++) {
		json_put_comma(out);
		json_put_string(out, strpool_get(&f->t->keys.strings, f->by_string[i]));
	}
	buffer_putc(out, ']');
}

void flamegraph_put_head(struct buffer *out, const struct profile *p, const char *query)
{
	json_put_seconds(out, "from", p->wall_from_ns);
	json_put_seconds(out, "to", p->wall_to_ns);
	json_put_text(out, "query", query ? query : "");
	json_put_number(out, "period_ns", p->period_ns);
	json_put_number(out, "total", p->total_count);
}

void flamegraph_put_health(struct buffer *out, const struct profile *p)
{
	json_put_key(out, "lost");
	buffer_putc(out, '{');
	for (int i = 0; i < LOST_REASON_COUNT; i++)
		if (p->lost[i])
			json_put_number(out, lost_reason_name(i), p->lost[i]);
	buffer_putc(out, '}');

	json_put_key(out, "verdicts");
	buffer_putc(out, '{');
	for (int i = 0; i < STACK_VERDICT_COUNT; i++)
		json_put_number(out, stack_verdict_name(i), p->verdicts[i]);
	buffer_putc(out, '}');
}

static int put_graph(struct buffer *out, const struct calltree *t, const struct flamegraph_sides *s)
{
	CLEANUP(flattened_release) struct flattened f = {.t = t};
	int err = flatten(&f);

	if (err)
		return err;

	buffer_puts(out, "{\"version\":1");
	flamegraph_put_head(out, s->profile, s->query);
	put_strings(out, &f);
	put_nodes(out, &f, s->base != NULL);
	json_put_key(out, "elided");
	buffer_putc(out, '{');
	json_put_number(out, "nodes", t->elided_nodes);
	json_put_number(out, "samples", t->elided_samples);
	buffer_putc(out, '}');
	flamegraph_put_health(out, s->profile);
	if (s->base) {
		json_put_key(out, "base");
		buffer_putc(out, '{');
		flamegraph_put_head(out, s->base, s->base_query);
		flamegraph_put_health(out, s->base);
		buffer_putc(out, '}');
	}
	buffer_puts(out, "}\n");
	return out->error;
}

int flamegraph_encode(const struct flamegraph_sides *s, const struct encode_options *options,
		      struct buffer *out)
{
	CLEANUP(calltree_destroyp) struct calltree *t = NULL;
	struct calltree_view view = {
		.min_share = options->min_share < 0 ? DEFAULT_MIN_SHARE : options->min_share,
		.path = options->path,
		.path_count = options->path_count,
	};
	int err = calltree_create(&t);

	if (!err)
		err = calltree_add(t, s->profile, SIDE_MAIN);
	if (!err && s->base)
		err = calltree_add(t, s->base, SIDE_BASE);
	if (!err)
		err = calltree_finish(t, &view);
	return err ? err : put_graph(out, t, s);
}

int encode_flamegraph(const struct profile *p, const struct encode_options *options,
		      struct buffer *out)
{
	struct flamegraph_sides sides = {.profile = p, .query = options->query};

	return flamegraph_encode(&sides, options, out);
}
