/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging a window into a profile.
 *
 * Each table of the window gets a map from its indices to the profile's, filled when a sample first needs an entry: the
 * work follows what the filter lets through.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "server/query/profile.h"
#include "server/query/profile_index.h"

/* How many new samples are taken in between two checks of the memory limit. */
#define LIMIT_CHECK_INTERVAL 4096u

/* Maps from the window's indices to the profile's index + 1; 0 = not mapped yet. */
struct merge {
	struct profile *p;
	const struct window *w;
	uint64_t from_ns, to_ns; /* the time that is wanted */
	bool subtracts;
	uint32_t *strings;
	uint32_t *binaries;
	uint32_t *frames;
	uint32_t *stacks;
	uint32_t *label_sets;
	uint8_t *matches;  /* per label set: whether the filter lets it through */
	uint32_t *scratch; /* one stack in the profile's frame indices */
	size_t scratch_capacity;
};

static void merge_release(struct merge *m)
{
	free(m->strings);
	free(m->binaries);
	free(m->frames);
	free(m->stacks);
	free(m->label_sets);
	free(m->matches);
	free(m->scratch);
}

static int merge_prepare(struct merge *m, const struct profile_filter *filter)
{
	const struct window *w = m->w;

	m->strings = calloc(strpool_count(&w->strings), sizeof(*m->strings));
	m->binaries = calloc(w->binary_count + 1u, sizeof(*m->binaries));
	m->frames = calloc(w->frame_count + 1u, sizeof(*m->frames));
	m->stacks = calloc(w->stack_count + 1u, sizeof(*m->stacks));
	m->label_sets = calloc(w->label_set_count + 1u, sizeof(*m->label_sets));
	m->matches = malloc(w->label_set_count + 1u);
	if (!m->strings || !m->binaries || !m->frames || !m->stacks || !m->label_sets ||
	    !m->matches)
		return -ENOMEM;

	if (filter && filter->labels)
		return label_filter_apply(filter->labels, w, m->matches);
	memset(m->matches, 1, w->label_set_count);
	return 0;
}

static int add_binary(struct profile *p, struct binary *b, uint32_t *ret)
{
	struct profile_index *x = p->index;
	uint64_t hash = binary_code_hash(b);

	for (struct idmap_probe at = idmap_find(&x->binaries, hash); at.found;
	     idmap_next(&x->binaries, &at))
		if (binary_same_code(p->binaries[at.id], b)) {
			*ret = at.id;
			return 0;
		}

	if (array_reserve((void **)&p->binaries, &x->binary_capacity, p->binary_count + 1,
			  sizeof(*p->binaries)) ||
	    idmap_insert(&x->binaries, hash, (uint32_t)p->binary_count))
		return -ENOMEM;
	*ret = (uint32_t)p->binary_count;
	p->binaries[p->binary_count++] = binary_ref(b);
	return 0;
}

static int map_binary(struct merge *m, uint32_t id, uint32_t *ret)
{
	if (!m->binaries[id]) {
		uint32_t mapped;
		int err = add_binary(m->p, m->w->binaries[id], &mapped);

		if (err)
			return err;
		m->binaries[id] = mapped + 1;
	}
	*ret = m->binaries[id] - 1;
	return 0;
}

static int map_string(struct merge *m, uint32_t id, uint32_t *ret)
{
	if (!m->strings[id]) {
		uint32_t mapped;

		if (strpool_add(&m->p->strings, strpool_get(&m->w->strings, id), &mapped))
			return -ENOMEM;
		m->strings[id] = mapped + 1;
	}
	*ret = m->strings[id] - 1;
	return 0;
}

static bool same_frame(const struct profile_frame *a, const struct profile_frame *b)
{
	return a->addr == b->addr && a->binary == b->binary && a->name == b->name &&
	       a->flags == b->flags;
}

static int add_frame(struct profile *p, const struct profile_frame *frame, uint32_t *ret)
{
	struct profile_index *x = p->index;
	uint64_t hash = hash_combine(hash_combine(frame->addr, frame->binary),
				     (uint64_t)frame->name << 32 | frame->flags);

	for (struct idmap_probe at = idmap_find(&x->frames, hash); at.found;
	     idmap_next(&x->frames, &at))
		if (same_frame(&p->frames[at.id], frame)) {
			*ret = at.id;
			return 0;
		}

	if (array_reserve((void **)&p->frames, &x->frame_capacity, p->frame_count + 1,
			  sizeof(*p->frames)) ||
	    idmap_insert(&x->frames, hash, (uint32_t)p->frame_count))
		return -ENOMEM;
	*ret = (uint32_t)p->frame_count;
	p->frames[p->frame_count++] = *frame;
	return 0;
}

static int map_frame(struct merge *m, uint32_t id, uint32_t *ret)
{
	if (!m->frames[id]) {
		const struct window_frame *from = &m->w->frames[id];
		struct profile_frame frame = {.addr = from->addr, .flags = from->flags};
		uint32_t mapped;
		int err = map_binary(m, from->binary, &frame.binary);

		if (!err)
			err = map_string(m, from->name, &frame.name);
		if (!err)
			err = add_frame(m->p, &frame, &mapped);
		if (err)
			return err;
		m->frames[id] = mapped + 1;
	}
	*ret = m->frames[id] - 1;
	return 0;
}

static int add_stack(struct profile *p, const struct profile_stack *stack, const uint32_t *frames,
		     uint32_t *ret)
{
	struct profile_index *x = p->index;
	size_t bytes = stack->count * sizeof(*frames);
	uint64_t hash = hash_combine(hash_bytes(frames, bytes), stack->verdict);

	for (struct idmap_probe at = idmap_find(&x->stacks, hash); at.found;
	     idmap_next(&x->stacks, &at)) {
		const struct profile_stack *other = &p->stacks[at.id];

		if (other->count == stack->count && other->verdict == stack->verdict &&
		    (!bytes || !memcmp(p->stack_frames + other->first, frames, bytes))) {
			*ret = at.id;
			return 0;
		}
	}

	if (p->stack_frame_count + stack->count > UINT32_MAX)
		return -EFBIG;
	if (array_reserve((void **)&p->stacks, &x->stack_capacity, p->stack_count + 1,
			  sizeof(*p->stacks)) ||
	    array_reserve((void **)&p->stack_frames, &x->stack_frame_capacity,
			  p->stack_frame_count + stack->count, sizeof(*p->stack_frames)) ||
	    idmap_insert(&x->stacks, hash, (uint32_t)p->stack_count))
		return -ENOMEM;
	*ret = (uint32_t)p->stack_count;
	p->stacks[p->stack_count] = *stack;
	p->stacks[p->stack_count++].first = (uint32_t)p->stack_frame_count;
	if (bytes)
		memcpy(p->stack_frames + p->stack_frame_count, frames, bytes);
	p->stack_frame_count += stack->count;
	return 0;
}

static int map_stack(struct merge *m, uint32_t id, uint32_t *ret)
{
	if (!m->stacks[id]) {
		const struct window_stack *from = &m->w->stacks[id];
		struct profile_stack stack = {.count = from->count, .verdict = from->verdict};
		uint32_t mapped;

		if (array_reserve((void **)&m->scratch, &m->scratch_capacity, from->count + 1u,
				  sizeof(*m->scratch)))
			return -ENOMEM;
		for (uint32_t i = 0; i < from->count; i++) {
			int err = map_frame(m, m->w->stack_frames[from->first + i], &m->scratch[i]);

			if (err)
				return err;
		}

		int err = add_stack(m->p, &stack, m->scratch, &mapped);

		if (err)
			return err;
		m->stacks[id] = mapped + 1;
	}
	*ret = m->stacks[id] - 1;
	return 0;
}

static bool keeps_label(const struct profile_index *x, const char *name)
{
	if (x->keep_all)
		return true;
	for (size_t i = 0; i < x->keep_count; i++)
		if (!strcmp(x->keep[i], name))
			return true;
	return false;
}

/* Appends the kept pairs of a window's set behind the profile's pairs, not counted yet. */
static int copy_label_pairs(struct merge *m, uint32_t id, uint32_t *ret_count)
{
	const struct window *w = m->w;
	const struct window_label_set *set = &w->label_sets[id];
	struct profile *p = m->p;
	uint32_t count = 0;

	if (array_reserve((void **)&p->label_pairs, &p->index->label_pair_capacity,
			  p->label_pair_count + set->count + 1u, sizeof(*p->label_pairs)))
		return -ENOMEM;
	for (uint32_t i = set->first; i < set->first + set->count; i++) {
		const char *name = strpool_get(&w->strings, w->labels[i].name);
		const char *value = strpool_get(&w->strings, w->labels[i].value);
		struct profile_label *pair = &p->label_pairs[p->label_pair_count + count];

		if (!keeps_label(p->index, name))
			continue;
		if (strpool_add(&p->strings, name, &pair->name) ||
		    strpool_add(&p->strings, value, &pair->value))
			return -ENOMEM;
		count++;
	}
	*ret_count = count;
	return 0;
}

static int add_label_set(struct merge *m, uint32_t id, uint32_t *ret)
{
	struct profile *p = m->p;
	struct profile_index *x = p->index;
	uint32_t count;
	int err = copy_label_pairs(m, id, &count);

	if (err)
		return err;

	const struct profile_label *pairs = p->label_pairs + p->label_pair_count;
	size_t bytes = count * sizeof(*pairs);
	uint64_t hash = hash_bytes(pairs, bytes);

	for (struct idmap_probe at = idmap_find(&x->label_sets, hash); at.found;
	     idmap_next(&x->label_sets, &at)) {
		const struct profile_label_set *other = &p->label_sets[at.id];

		if (other->count == count && !memcmp(p->label_pairs + other->first, pairs, bytes)) {
			*ret = at.id;
			return 0;
		}
	}

	if (array_reserve((void **)&p->label_sets, &x->label_set_capacity, p->label_set_count + 1,
			  sizeof(*p->label_sets)) ||
	    idmap_insert(&x->label_sets, hash, (uint32_t)p->label_set_count))
		return -ENOMEM;
	*ret = (uint32_t)p->label_set_count;
	p->label_sets[p->label_set_count++] =
		(struct profile_label_set){(uint32_t)p->label_pair_count, count};
	p->label_pair_count += count;
	return 0;
}

static int map_label_set(struct merge *m, uint32_t id, uint32_t *ret)
{
	if (!m->label_sets[id]) {
		uint32_t mapped;
		int err = add_label_set(m, id, &mapped);

		if (err)
			return err;
		m->label_sets[id] = mapped + 1;
	}
	*ret = m->label_sets[id] - 1;
	return 0;
}

/* Finds or makes the profile's sample of a stack and a label set. */
static int find_sample(struct profile *p, uint32_t stack, uint32_t labels, uint32_t *ret)
{
	struct profile_index *x = p->index;
	uint64_t hash = hash_combine(stack, labels);

	for (struct idmap_probe at = idmap_find(&x->samples, hash); at.found;
	     idmap_next(&x->samples, &at))
		if (p->samples[at.id].stack == stack && p->samples[at.id].labels == labels) {
			*ret = at.id;
			return 0;
		}

	if (array_reserve((void **)&p->samples, &x->sample_capacity, p->sample_count + 1,
			  sizeof(*p->samples)) ||
	    idmap_insert(&x->samples, hash, (uint32_t)p->sample_count))
		return -ENOMEM;
	*ret = (uint32_t)p->sample_count;
	p->samples[p->sample_count++] = (struct profile_sample){.stack = stack, .labels = labels};
	return 0;
}

static int add_sample(struct merge *m, const struct window_sample *s)
{
	struct profile *p = m->p;
	uint32_t stack;
	uint32_t labels;
	uint32_t id;
	int err = map_stack(m, s->stack, &stack);

	if (!err)
		err = map_label_set(m, s->labels, &labels);
	if (!err)
		err = find_sample(p, stack, labels, &id);
	if (err)
		return err;

	uint64_t cpu_ns = s->weight * m->w->period_ns;

	if (m->subtracts) {
		p->samples[id].count -= s->weight;
		p->samples[id].cpu_ns -= cpu_ns;
		return 0;
	}
	p->samples[id].count += s->weight;
	p->samples[id].cpu_ns += cpu_ns;
	p->total_count += s->weight;
	p->total_cpu_ns += cpu_ns;
	p->verdicts[p->stacks[stack].verdict] += s->weight;
	return 0;
}

static bool is_wanted(const struct merge *m, const struct window_sample *s)
{
	uint64_t time_ns = m->w->wall_start_ns + s->time_us * NS_PER_US;

	return time_ns >= m->from_ns && time_ns < m->to_ns && m->matches[s->labels];
}

/* In the order in which stacks lie in memory, and not in which samples name them: neighbours share their frames. */
static int map_stacks(struct merge *m)
{
	const struct window *w = m->w;
	auto_free uint8_t *used = calloc(w->stack_count + 1u, sizeof(*used));
	int err = used ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < w->sample_count && !err; i++)
		if (is_wanted(m, &w->samples[i]))
			used[w->samples[i].stack] = 1;
	for (uint32_t i = 0; i < w->stack_count && !err; i++) {
		uint32_t mapped;

		if (used[i])
			err = map_stack(m, i, &mapped);
	}
	return err;
}

static int add_samples(struct merge *m)
{
	const struct window *w = m->w;

	for (uint32_t i = 0; i < w->sample_count; i++) {
		const struct window_sample *s = &w->samples[i];

		if (!is_wanted(m, s))
			continue;

		int err = add_sample(m, s);

		if (!err && i % LIMIT_CHECK_INTERVAL == 0)
			err = profile_check_limit(m->p);
		if (err)
			return err;
	}
	return profile_check_limit(m->p);
}

/* Widens the covered time by the part of the window inside the filter's range. */
static void cover(struct profile *p, const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t start = w->wall_start_ns > from_ns ? w->wall_start_ns : from_ns;
	uint64_t end = w->wall_end_ns < to_ns ? w->wall_end_ns : to_ns;

	if (!p->window_count || start < p->wall_from_ns)
		p->wall_from_ns = start;
	if (!p->window_count || end > p->wall_to_ns)
		p->wall_to_ns = end;
	if (w->period_ns > p->period_ns)
		p->period_ns = w->period_ns;
	for (int i = 0; i < LOST_REASON_COUNT; i++)
		p->lost[i] += w->lost[i];
	p->window_count++;
}

int profile_add_window(struct profile *p, const struct window *w,
		       const struct profile_filter *filter)
{
	CLEANUP(merge_release)
	struct merge m = {
		.p = p,
		.w = w,
		.from_ns = filter ? filter->wall_from_ns : 0,
		.to_ns = filter && filter->wall_to_ns ? filter->wall_to_ns : UINT64_MAX,
		.subtracts = filter && filter->subtracts,
	};

	if (w->wall_start_ns >= m.to_ns || w->wall_end_ns <= m.from_ns)
		return 0;
	if (!m.subtracts)
		cover(p, w, m.from_ns, m.to_ns);

	int err = merge_prepare(&m, filter);

	if (!err)
		err = map_stacks(&m);
	return err ? err : add_samples(&m);
}
