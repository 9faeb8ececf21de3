// SPDX-License-Identifier: Apache-2.0
#include "profiler/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "profiler/static_labels.h"
#include "symbolizer/unwind_walk.h"

#define LABELS_MAX (16u + PROFILER_LABELS_MAX)

/* A stack being resolved. */
struct resolution {
	struct resolver *r;
	const struct sample_record *sample;
	struct process *p;
	const struct address_space *space; /* that the user frames lie in; NULL = p's own */
	enum stack_verdict verdict;
	uint64_t from_ns, until_ns; /* times of samples for which all this holds */
	size_t count;
	uint32_t frames[SAMPLE_FRAMES_MAX + 2]; /* indices of the window; a marker for each part */
};

void resolver_release(struct resolver *r)
{
	if (!r)
		return;
	free(r->labels);
	idmap_release(&r->label_ids);
	r->labels = NULL;
}

/* --- frames --------------------------------------------------------------------------------------- */

static int push_frame(struct resolution *n, struct binary *binary, uint64_t addr, uint32_t flags,
		      const char *name)
{
	struct window_builder *b = n->r->builder;
	struct window_frame frame = {.addr = addr, .flags = flags};

	int error = window_builder_binary(b, binary, &frame.binary);
	if (!error && name)
		error = window_builder_string(b, name, &frame.name);
	if (!error)
		error = window_builder_frame(b, &frame, &n->frames[n->count]);
	if (!error)
		n->count++;
	return error;
}

static int push_marker(struct resolution *n, const char *text)
{
	return push_frame(n, binary_cache_unknown(n->r->binaries), 0, FRAME_MARKER, text);
}

static void worsen(struct resolution *n, enum stack_verdict verdict)
{
	if (verdict > n->verdict)
		n->verdict = verdict;
}

static int push_kernel_frames(struct resolution *n, const uint64_t *frames, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t addr = i ? frames[i] - 1 : frames[i];
		struct kernel_name name;

		kernel_names_find(n->r->kernel_names, addr, n->sample->time_ns, &name);
		int error = push_frame(n, name.binary, addr, FRAME_KERNEL, name.function);
		if (error)
			return error;
	}
	return 0;
}

/* Code that a runtime made: what it says about it may be gone tomorrow. */
static int push_jit_frame(struct resolution *n, const struct mapping *m, uint64_t addr)
{
	struct jit_process process = {.pid = (pid_t)n->p->tgid, .space = n->p->space};
	const struct jitmap_range *code =
		jit_names_find(&n->p->jit, &n->r->jit, &process, addr, n->sample->time_ns);
	if (!code)
		return push_frame(n, m->binary, addr, FRAME_JIT, NULL);

	if (code->time_ns > n->from_ns && code->time_ns <= n->sample->time_ns)
		n->from_ns = code->time_ns;
	if (code->end_ns < n->until_ns)
		n->until_ns = code->end_ns;
	return push_frame(n, m->binary, addr, FRAME_JIT, jit_names_text(n->p->jit, code));
}

static int push_mapped_frame(struct resolution *n, const struct mapping *m, uint64_t addr)
{
	enum binary_kind kind = binary_kind(m->binary);
	uint64_t vaddr;

	if (kind == BINARY_ANON)
		return push_jit_frame(n, m, addr);
	if (!binary_offset_to_vaddr(m->binary, addr - m->start + m->offset, &vaddr))
		return push_frame(n, m->binary, vaddr, 0, NULL);
	if (kind == BINARY_UNKNOWN)
		return push_frame(n, m->binary, addr, 0, NULL);
	return push_frame(n, binary_cache_unknown(n->r->binaries), addr, 0, NULL);
}

/* The mapping of a user address; looks into /proc when the log of events does not have it. */
static const struct mapping *find_mapping(struct resolution *n, uint64_t addr)
{
	const struct mapping *m = address_space_find(n->space, addr);

	if (!m && n->space == n->p->space &&
	    process_table_repair(n->r->processes, n->p, n->sample->time_ns)) {
		n->space = n->p->space;
		m = address_space_find(n->space, addr);
	}
	return m;
}

/* The address space that a stack with this leaf lies in: inside execve() it may still be the one before. */
static const struct address_space *choose_space(const struct resolution *n, uint64_t leaf)
{
	const struct process *p = n->p;

	if (p->previous_space && (n->sample->flags & SAMPLE_IN_KERNEL) &&
	    !address_space_find(p->space, leaf) && address_space_find(p->previous_space, leaf))
		return p->previous_space;
	return p->space;
}

/*
 * A caller's address outside of all code was never a return address: the walk went astray there. A leaf outside of
 * all code did run, in memory that we know nothing about.
 */
static int push_user_frames(struct resolution *n, const uint64_t *frames, size_t count)
{
	if (count)
		n->space = choose_space(n, frames[0] & ~SAMPLE_FRAME_EXACT);
	for (size_t i = 0; i < count; i++) {
		bool exact = frames[i] & SAMPLE_FRAME_EXACT;
		uint64_t addr = (frames[i] & ~SAMPLE_FRAME_EXACT) - (exact ? 0 : 1);
		const struct mapping *m = find_mapping(n, addr);

		if (!m)
			n->r->unmapped_frames++;
		if (!m && i) {
			worsen(n, STACK_FAILED);
			return push_marker(n, "[stack unwinding failed: return address outside of "
					      "code]");
		}
		int error = m ? push_mapped_frame(n, m, addr)
			      : push_frame(n, binary_cache_unknown(n->r->binaries), addr, 0, NULL);
		if (error)
			return error;
	}
	return 0;
}

/* What to put at the root end of a part that is incomplete; NULL if it is complete. @text: 96 bytes. */
static const char *marker_text(enum unwind_verdict verdict, uint8_t reason, char *text)
{
	const char *what =
		verdict == UNWIND_TRUNCATED ? "truncated stack" : "stack unwinding failed";

	if (verdict == UNWIND_COMPLETE)
		return NULL;
	if (reason == UNWIND_REASON_FRAME_LIMIT)
		return "[truncated stack]";
	if (reason == UNWIND_REASON_HELPER)
		return "[stack unwinding failed: the kernel could not read the stack]";
	if (reason < UNWIND_REASON_TABLES)
		(void)snprintf(text, 96, "[%s]", what); /* 24 bytes */
	else
		(void)snprintf(text, 96, "[%s: %s]", what, /* all texts are short */
			       unwind_end_text((enum unwind_end)(reason - UNWIND_REASON_TABLES)));
	return text;
}

static int end_part(struct resolution *n, uint8_t verdict, uint8_t reason)
{
	char room[96];
	const char *text = marker_text(verdict, reason, room);
	if (!text)
		return 0;

	worsen(n, verdict == UNWIND_TRUNCATED ? STACK_TRUNCATED : STACK_FAILED);
	return push_marker(n, text);
}

static int resolve_stack(struct resolution *n, const struct stack_record *record,
			 const uint64_t *frames, uint32_t *ret_stack)
{
	int error = push_kernel_frames(n, frames, record->kernel_count);
	if (!error)
		error = end_part(n, record->kernel_verdict, record->kernel_reason);
	if (!error)
		error = push_user_frames(n, frames + record->kernel_count, record->user_count);
	if (!error && n->verdict != STACK_FAILED)
		error = end_part(n, record->user_verdict, record->user_reason);
	if (error)
		return error;
	return window_builder_stack(n->r->builder, n->frames, n->count, n->verdict, ret_stack);
}

/* --- labels --------------------------------------------------------------------------------------- */

/* Labels being collected; `error` sticks. */
struct label_list {
	struct window_builder *builder;
	size_t count;
	int error;
	struct window_label labels[LABELS_MAX];
};

/* Whether a name was put already: the first one counts. */
static bool has_label(const struct label_list *l, uint32_t name)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->labels[i].name == name)
			return true;
	return false;
}

static void put_label(struct label_list *l, const char *name, const char *value)
{
	struct window_label *label = &l->labels[l->count];

	if (l->error || !value || !*value)
		return;
	l->error = window_builder_string(l->builder, name, &label->name);
	if (has_label(l, label->name))
		return;
	if (!l->error)
		l->error = window_builder_string(l->builder, value, &label->value);
	if (!l->error)
		l->count++;
}

static void put_number_label(struct label_list *l, const char *name, uint32_t value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", value); /* ten digits */
	put_label(l, name, text);
}

static int make_labels(struct resolver *r, const struct known_labels *k, const struct process *p,
		       uint32_t *ret)
{
	struct label_list l = {.builder = r->builder};

	for (size_t i = 0; r->static_labels && i < r->static_labels->count; i++)
		put_label(&l, r->static_labels->labels[i].name, r->static_labels->labels[i].value);
	put_label(&l, "comm", k->process_comm);
	put_label(&l, "thread", k->thread_comm);
	put_label(&l, "exe", p->exe);
	put_number_label(&l, "pid", p->tgid);
	put_number_label(&l, "tid", k->tid);
	if (p->cgroup) {
		put_label(&l, "cgroup", p->cgroup->path);
		put_label(&l, "unit", p->cgroup->unit);
		put_label(&l, "container_id", p->cgroup->container_id);
		put_label(&l, "container", p->cgroup->names.container);
		put_label(&l, "pod", p->cgroup->names.pod);
		put_label(&l, "namespace", p->cgroup->names.pod_namespace);
		put_label(&l, "service_name", p->cgroup->service);
	}
	if (l.error)
		return l.error;
	return window_builder_labels(r->builder, l.labels, l.count, ret);
}

static bool labels_match(const struct known_labels *a, const struct known_labels *b)
{
	return a->process_serial == b->process_serial && a->tid == b->tid &&
	       !memcmp(a->thread_comm, b->thread_comm, SAMPLE_COMM_BYTES) &&
	       !memcmp(a->process_comm, b->process_comm, SAMPLE_COMM_BYTES);
}

/* Copy a comm, with zeros behind its end, so that equal ones are equal bytes. */
static void copy_comm(char to[static SAMPLE_COMM_BYTES], const char *from)
{
	memset(to, 0, SAMPLE_COMM_BYTES);
	for (size_t i = 0; i < SAMPLE_COMM_BYTES - 1 && from[i]; i++)
		to[i] = from[i];
}

static int find_labels(struct resolver *r, const struct sample_record *sample,
		       const struct process *p, uint32_t *ret)
{
	struct known_labels k = {.process_serial = p->serial, .tid = sample->tid};
	copy_comm(k.thread_comm, sample->thread_comm);
	copy_comm(k.process_comm, sample->process_comm);

	if (r->labels_window != r->builder->serial) {
		r->labels_window = r->builder->serial;
		r->label_count = 0;
		idmap_clear(&r->label_ids);
	}
	uint64_t hash = hash_combine(hash_bytes(k.thread_comm, sizeof(k.thread_comm)),
				     hash_combine(k.process_serial, k.tid));
	for (struct idmap_probe probe = idmap_find(&r->label_ids, hash); probe.found;
	     idmap_next(&r->label_ids, &probe)) {
		if (labels_match(&r->labels[probe.id], &k)) {
			*ret = r->labels[probe.id].label_set;
			return 0;
		}
	}

	int error = make_labels(r, &k, p, &k.label_set);
	if (error)
		return error;
	*ret = k.label_set;
	if (!array_reserve((void **)&r->labels, &r->label_capacity, r->label_count + 1,
			   sizeof(r->labels[0])) &&
	    !idmap_insert(&r->label_ids, hash, (uint32_t)r->label_count))
		r->labels[r->label_count++] = k; /* if not, they are made again next time */
	return 0;
}

/* --- the way in ----------------------------------------------------------------------------------- */

/* Whether what was found for a stack holds for another sample of it. */
static bool is_resolved(const struct resolver *r, const struct raw_stack *stack,
			const struct process *p, uint64_t time_ns)
{
	return stack->resolved_window == r->builder->serial &&
	       stack->resolved_generation == p->space->generation &&
	       time_ns >= stack->resolved_from_ns && time_ns < stack->resolved_until_ns;
}

int resolver_add(struct resolver *r, const struct sample_record *sample, struct stack_table *table,
		 struct process *p, enum stack_verdict *ret_verdict)
{
	struct raw_stack *stack = stack_table_find(table, sample->stack_id);
	if (!stack)
		return -ENOENT;
	const uint64_t *frames = &table->frames[stack->first_frame];
	struct window_sample out = {
		.weight = sample->weight,
		.cpu = (uint16_t)(sample->cpu > UINT16_MAX ? UINT16_MAX : sample->cpu)};

	if (jit_names_refresh(p->jit))
		address_space_touch(p->space);
	if (!is_resolved(r, stack, p, sample->time_ns)) {
		struct resolution n = {.r = r, .sample = sample, .p = p, .until_ns = UINT64_MAX};
		int error = resolve_stack(&n, &stack->record, frames, &stack->resolved_stack);
		if (error) {
			stack->resolved_window = 0;
			return error;
		}
		stack->resolved_window = r->builder->serial;
		stack->resolved_generation = p->space->generation; /* after repairs */
		stack->resolved_from_ns = n.from_ns;
		stack->resolved_until_ns = n.until_ns;
	}
	out.stack = stack->resolved_stack;

	int error = find_labels(r, sample, p, &out.labels);
	if (!error)
		error = window_builder_sample(r->builder, sample->time_ns, &out);
	if (!error)
		*ret_verdict = r->builder->w.stacks[out.stack].verdict;
	return error;
}
