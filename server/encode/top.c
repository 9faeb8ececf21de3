/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of functions:
 *
 *	{"version": 1, "from", "to", "query", "period_ns", "total": SAMPLES, "total_seconds": S, "count": N,
 *	 "functions": [{"name", "binary", "file", "line", "kind", "self", "total", "self_seconds",
 *	                "total_seconds", "self_share", "total_share"}, ...],
 *	 "lost": {...}, "verdicts": {...}}
 *
 * sorted by self, then total, then name. A function that a stack holds several times counts once in its total.
 * Inlined and not inlined code of a function is one row. "count" is how many there are before a limit cut them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "server/encode/encode.h"
#include "server/encode/flamegraph.h"
#include "server/encode/json.h"
#include "server/query/keytable.h"

struct row {
	uint32_t key;
	uint32_t rank;
	uint32_t last_seen; /* sample + 1 that counted last */
	uint64_t self;
	uint64_t total;
	uint64_t self_ns;
	uint64_t total_ns;
};

struct table {
	const struct profile *p;
	struct keytable keys;
	uint32_t *map; /* key by function */
	struct row *rows;
};

static void table_release(struct table *t)
{
	keytable_release(&t->keys);
	free(t->map);
	free(t->rows);
}

static int table_prepare(struct table *t)
{
	auto_free uint32_t *ranks = NULL;

	t->keys.merge_kinds = true;

	int err = keytable_map(&t->keys, t->p, &t->map);

	if (!err)
		err = keytable_rank(&t->keys, &ranks);
	if (err)
		return err;

	t->rows = calloc(t->keys.count + 1, sizeof(*t->rows));
	if (!t->rows)
		return -ENOMEM;
	for (size_t i = 0; i < t->keys.count; i++)
		t->rows[i] = (struct row){.key = (uint32_t)i, .rank = ranks[i]};
	return 0;
}

static void count_frame(struct table *t, const struct profile_frame *frame, uint32_t sample)
{
	const struct profile *p = t->p;
	const struct profile_sample *s = &p->samples[sample];

	for (uint32_t i = 0; i < frame->line_count; i++) {
		struct row *row = &t->rows[t->map[p->lines[frame->line_first + i].function]];

		if (row->last_seen == sample + 1)
			continue;
		row->last_seen = sample + 1;
		row->total += s->count;
		row->total_ns += s->cpu_ns;
	}
}

static void count_sample(struct table *t, uint32_t sample)
{
	const struct profile *p = t->p;
	const struct profile_sample *s = &p->samples[sample];
	const struct profile_stack *stack = &p->stacks[s->stack];

	for (uint32_t i = 0; i < stack->count; i++)
		count_frame(t, &p->frames[p->stack_frames[stack->first + i]], sample);
	if (!stack->count)
		return;

	const struct profile_frame *leaf = &p->frames[p->stack_frames[stack->first]];
	struct row *row = &t->rows[t->map[p->lines[leaf->line_first].function]];

	row->self += s->count;
	row->self_ns += s->cpu_ns;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a;
	const struct row *y = b;

	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void put_row(struct buffer *out, const struct table *t, const struct row *row)
{
	const struct function_key *key = &t->keys.keys[row->key];
	const struct strpool *strings = &t->keys.strings;

	json_put_comma(out);
	buffer_putc(out, '{');
	json_put_text(out, "name", strpool_get(strings, key->name));
	json_put_text(out, "binary", strpool_get(strings, key->binary));
	json_put_text(out, "file", strpool_get(strings, key->file));
	json_put_number(out, "line", key->line);
	json_put_number(out, "kind", key->kind);
	json_put_number(out, "self", row->self);
	json_put_number(out, "total", row->total);
	json_put_seconds(out, "self_seconds", row->self_ns);
	json_put_seconds(out, "total_seconds", row->total_ns);
	json_put_double(out, "self_share", share(row->self_ns, t->p->total_cpu_ns));
	json_put_double(out, "total_share", share(row->total_ns, t->p->total_cpu_ns));
	buffer_putc(out, '}');
}

int encode_top(const struct profile *p, const struct encode_options *options, struct buffer *out)
{
	CLEANUP(table_release) struct table t = {.p = p};
	int err = table_prepare(&t);

	if (err)
		return err;
	for (size_t i = 0; i < p->sample_count; i++)
		count_sample(&t, (uint32_t)i);
	qsort(t.rows, t.keys.count, sizeof(*t.rows), compare_rows);

	buffer_puts(out, "{\"version\":1");
	flamegraph_put_head(out, p, options->query);
	json_put_seconds(out, "total_seconds", p->total_cpu_ns);
	json_put_number(out, "count", t.keys.count);
	json_put_key(out, "functions");
	buffer_putc(out, '[');
	for (size_t i = 0; i < t.keys.count && (!options->limit || i < options->limit); i++)
		put_row(out, &t, &t.rows[i]);
	buffer_putc(out, ']');
	flamegraph_put_health(out, p);
	buffer_puts(out, "}\n");
	return out->error;
}
