// SPDX-License-Identifier: Apache-2.0
#include "server/query/binaries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NO_BINARY UINT32_MAX

struct counting {
	const struct profile *p;
	struct binary_use *uses; /* by binary */
	uint64_t *seen;		 /* per binary: the sample that counted it last, from 1 */
	uint64_t *seen_unnamed;
	uint64_t unnamed_cpu_ns;
	uint64_t unnamed_self_cpu_ns;
};

void binary_ledger_release(struct binary_ledger *l)
{
	if (!l)
		return;
	profile_destroy(l->profile);
	free(l->uses);
	*l = (struct binary_ledger){0};
}

static bool is_marker(const struct profile_frame *f)
{
	return f->flags & FRAME_MARKER;
}

/* Whether nothing names a frame but its binary. The innermost line tells: the others of a chain have names. */
static bool is_unnamed(const struct profile *p, const struct profile_frame *f)
{
	return !p->functions[p->lines[f->line_first].function].resolved;
}

static void count_frames(struct counting *c)
{
	for (size_t i = 0; i < c->p->frame_count; i++) {
		const struct profile_frame *f = &c->p->frames[i];

		if (is_marker(f))
			continue;
		c->uses[f->binary].frame_count++;
		c->uses[f->binary].unnamed_frame_count += is_unnamed(c->p, f);
	}
}

static void count_end(struct binary_use *use, uint32_t marker, uint64_t samples)
{
	size_t i = 0;

	while (i < use->end_count && use->ends[i].marker != marker)
		i++;
	if (i == BINARY_ENDS_MAX)
		i--;
	if (i == use->end_count) {
		use->ends[i] = (struct binary_end){.marker = marker};
		use->end_count++;
	}
	use->ends[i].samples += samples;
}

/* The frame of code below the marker at the root end, and the marker's text. */
static uint32_t find_end(const struct profile *p, const struct profile_stack *stack,
			 uint32_t *ret_marker)
{
	*ret_marker = 0;
	for (uint32_t i = stack->count; i-- > 0;) {
		const struct profile_frame *f = &p->frames[p->stack_frames[stack->first + i]];

		if (!is_marker(f))
			return f->binary;
		if (!*ret_marker)
			*ret_marker = f->name;
	}
	return NO_BINARY;
}

static void count_verdict(struct counting *c, const struct profile_stack *stack, uint64_t samples)
{
	uint32_t marker;
	uint32_t binary = find_end(c->p, stack, &marker);

	if (binary == NO_BINARY || stack->verdict == STACK_COMPLETE)
		return;
	if (stack->verdict == STACK_TRUNCATED)
		c->uses[binary].truncated_samples += samples;
	else
		c->uses[binary].failed_samples += samples;
	count_end(&c->uses[binary], marker, samples);
}

/* The name that has a majority, if one has (Boyer and Moore). Texts of a profile are unique: pointers tell. */
static void vote(struct binary_use *use, const char *comm, uint64_t weight)
{
	if (use->comm == comm) {
		use->comm_weight += weight;
	} else if (use->comm_weight > weight) {
		use->comm_weight -= weight;
	} else {
		use->comm = comm;
		use->comm_weight = weight - use->comm_weight;
	}
}

/* @serial: of the sample, from 1. */
static void count_sample(struct counting *c, const struct profile_sample *s, uint64_t serial)
{
	const struct profile *p = c->p;
	const struct profile_stack *stack = &p->stacks[s->stack];
	const char *comm = profile_label_value(p, s->labels, "comm");
	bool is_leaf = true;
	bool has_unnamed = false;

	for (uint32_t i = 0; i < stack->count; i++) {
		const struct profile_frame *f = &p->frames[p->stack_frames[stack->first + i]];
		struct binary_use *use = &c->uses[f->binary];

		if (is_marker(f))
			continue;

		bool unnamed = is_unnamed(p, f);

		if (c->seen[f->binary] != serial) {
			c->seen[f->binary] = serial;
			use->cpu_ns += s->cpu_ns;
			if (stack->verdict == STACK_COMPLETE)
				use->complete_samples += s->count;
		}
		if (unnamed && c->seen_unnamed[f->binary] != serial) {
			c->seen_unnamed[f->binary] = serial;
			use->unnamed_cpu_ns += s->cpu_ns;
			vote(use, comm, s->cpu_ns);
		}
		if (is_leaf) {
			use->self_cpu_ns += s->cpu_ns;
			if (unnamed) {
				use->unnamed_self_cpu_ns += s->cpu_ns;
				c->unnamed_self_cpu_ns += s->cpu_ns;
			}
		}
		has_unnamed = has_unnamed || unnamed;
		is_leaf = false;
	}
	if (has_unnamed)
		c->unnamed_cpu_ns += s->cpu_ns;
	count_verdict(c, stack, s->count);
}

static int compare_use(const void *a, const void *b)
{
	const struct binary_use *x = a;
	const struct binary_use *y = b;

	if (x->unnamed_cpu_ns != y->unnamed_cpu_ns)
		return x->unnamed_cpu_ns > y->unnamed_cpu_ns ? -1 : 1;
	if (x->cpu_ns != y->cpu_ns)
		return x->cpu_ns > y->cpu_ns ? -1 : 1;
	return x->binary < y->binary ? -1 : x->binary > y->binary;
}

int binary_ledger_count(struct profile *p, struct binary_ledger *ret)
{
	auto_free struct binary_use *uses = calloc(p->binary_count + 1, sizeof(*uses));
	auto_free uint64_t *seen = calloc(2 * (p->binary_count + 1), sizeof(*seen));
	struct counting c = {.p = p, .uses = uses, .seen = seen};
	size_t count = 0;

	if (!uses || !seen)
		return -ENOMEM;
	c.seen_unnamed = seen + p->binary_count + 1;
	count_frames(&c);
	for (size_t i = 0; i < p->sample_count; i++)
		count_sample(&c, &p->samples[i], i + 1);

	for (uint32_t i = 0; i < p->binary_count; i++) {
		uses[i].binary = i;
		if (uses[i].cpu_ns)
			uses[count++] = uses[i];
	}
	qsort(uses, count, sizeof(*uses), compare_use);
	*ret = (struct binary_ledger){
		.profile = p,
		.uses = take_ptr(uses),
		.count = count,
		.unnamed_cpu_ns = c.unnamed_cpu_ns,
		.unnamed_self_cpu_ns = c.unnamed_self_cpu_ns,
	};
	return 0;
}

int query_binaries(struct query_engine *e, const struct query *q, struct binary_ledger *ret)
{
	CLEANUP(profile_destroyp) struct profile *p = NULL;
	int err = query_profile(e, q, &p);

	if (!err)
		err = binary_ledger_count(p, ret);
	if (!err)
		(void)take_ptr(p);
	return err;
}
