// SPDX-License-Identifier: Apache-2.0
#include "profiler/unwind_loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "profiler/stash.h"
#include "symbolizer/unwind_map.h"
#include "symbolizer/unwind_walk.h"

#define EXES_MAX	 8192u
#define EXES_SPARE	 1024u		   /* room for what comes between two refreshs */
#define GENERATION_SHIFT 13		   /* EXES_MAX = 1 << 13 */
#define TABLE_BYTES_MAX	 (64ull << 20)	   /* of tables held in user space */
#define WAIT_NS		 (20 * NS_PER_MS)  /* for a table, once for each stash */
#define WAIT_BUDGET_NS	 (200 * NS_PER_MS) /* for tables, between two polls */
#define REFRESH_NS	 (50 * NS_PER_MS)

struct exe {
	struct binary *binary; /* one reference */
	bool is_wanted;	       /* its table was asked for */
};

/* A process that the kernel side knows. */
struct published {
	uint32_t tgid;
	uint64_t generation; /* of the address space that is stored */
	struct unwind_process_entry entry;
};

struct unwind_loader {
	struct bpf_side *side;
	struct unwind_slab *slab;
	struct table_builder *builder;
	struct exe *exes; /* by number; 0 is none */
	size_t exe_count, exe_capacity;
	struct idmap exe_ids;
	struct published *processes;
	size_t process_count, process_capacity;
	struct idmap process_ids;	 /* index by tgid */
	struct unwind_mapping *mappings; /* of the address space at hand */
	size_t mapping_capacity;
	uint32_t mapping_count;
	uint64_t refreshed_ns;
	uint64_t waited_ns;  /* since the last poll */
	uint32_t generation; /* of the numbers of executables, part of what the builder gets */
	struct unwind_loader_stats stats;
};

/* --- executables ---------------------------------------------------------------------------------- */

/* Number of a binary with a file; 0 if there is no room. */
static uint32_t exe_of(struct unwind_loader *l, struct binary *binary)
{
	const struct build_id *id = binary_build_id(binary);
	uint64_t hash = hash_bytes(id->bytes, id->length);

	for (struct idmap_probe p = idmap_find(&l->exe_ids, hash); p.found;
	     idmap_next(&l->exe_ids, &p)) {
		if (build_id_equal(binary_build_id(l->exes[p.id].binary), id))
			return p.id;
	}
	if (!l->exe_count)
		l->exe_count = 1;
	if (l->exe_count >= EXES_MAX || array_reserve((void **)&l->exes, &l->exe_capacity,
						      l->exe_count + 1, sizeof(l->exes[0])))
		return 0;

	uint32_t exe = (uint32_t)l->exe_count;
	l->exes[exe] = (struct exe){.binary = binary_ref(binary)};
	l->exe_count++;
	if (idmap_insert(&l->exe_ids, hash, exe))
		return exe; /* it will be asked for again under another number */
	return exe;
}

/*
 * Ask for the table of an executable that a stack needs. Not before: a process maps dozens of files, and few of them are
 * ever on a stack.
 */
static void want_table(struct unwind_loader *l, uint32_t exe)
{
	if (!exe || exe >= l->exe_count || l->exes[exe].is_wanted)
		return;
	l->exes[exe].is_wanted = !table_builder_want(l->builder, l->exes[exe].binary,
						     l->generation << GENERATION_SHIFT | exe);
}

void unwind_loader_poll(struct unwind_loader *l)
{
	struct table_done done;

	l->waited_ns = 0;
	while (table_builder_take(l->builder, &done)) {
		uint32_t exe = done.exe & (EXES_MAX - 1);
		size_t size = 0;

		if (done.exe != (l->generation << GENERATION_SHIFT | exe)) {
			unwind_file_unref(
				done.file); /* asked for before everything was forgotten */
			continue;
		}
		if (done.file)
			(void)unwind_file_bytes(done.file, &size);
		l->stats.table_file_bytes += size;
		/* Without room its stacks go on being unwound here. */
		(void)unwind_slab_set_table(l->slab, exe, done.file);
		unwind_file_unref(done.file);
	}
}

/* --- processes ------------------------------------------------------------------------------------ */

static struct published *find_published(struct unwind_loader *l, uint32_t tgid)
{
	for (struct idmap_probe p = idmap_find(&l->process_ids, hash_combine(0, tgid)); p.found;
	     idmap_next(&l->process_ids, &p)) {
		if (l->processes[p.id].tgid == tgid)
			return &l->processes[p.id];
	}
	return NULL;
}

static void drop_published(struct unwind_loader *l, size_t i)
{
	struct published gone = l->processes[i];
	struct published *last = &l->processes[--l->process_count];

	bpf_side_drop_process(l->side, gone.tgid);
	unwind_slab_free_process(l->slab, &gone.entry.process);
	idmap_remove(&l->process_ids, hash_combine(0, gone.tgid), (uint32_t)i);
	if (last != &l->processes[i]) {
		idmap_remove(&l->process_ids, hash_combine(0, last->tgid),
			     (uint32_t)l->process_count);
		l->processes[i] = *last;
		/* It was there a moment ago, so there is room. */
		(void)idmap_insert(&l->process_ids, hash_combine(0, last->tgid), (uint32_t)i);
	}
}

/* Forget everything when executables become too many: what is still in use comes back with its next stash. */
static void forget_all(struct unwind_loader *l)
{
	while (l->process_count)
		drop_published(l, l->process_count - 1);
	for (uint32_t i = 1; i < l->exe_count; i++) {
		unwind_slab_drop_exe(l->slab, i);
		binary_unref(l->exes[i].binary);
	}
	idmap_clear(&l->exe_ids);
	l->exe_count = 0;
	l->generation++;
	l->stats.table_file_bytes = 0;
	l->stats.resets++;
}

/* Put the mappings of an address space into l->mappings. Returns 0; -ENOMEM with none of them there. */
static int collect_mappings(struct unwind_loader *l, const struct address_space *space)
{
	l->mapping_count = 0;
	if (array_reserve((void **)&l->mappings, &l->mapping_capacity, space->count + 1,
			  sizeof(l->mappings[0])))
		return -ENOMEM;
	for (size_t i = 0; i < space->count; i++) {
		const struct mapping *m = &space->mappings[i];
		struct unwind_mapping *to = &l->mappings[i];

		*to = (struct unwind_mapping){.start = m->start, .end = m->end};
		uint64_t bias;

		if (binary_fd(m->binary) >= 0 &&
		    !unwind_map_bias(m->binary, m->start, m->offset, &bias)) {
			to->bias = bias;
			to->exe = exe_of(l, m->binary);
		}
	}
	l->mapping_count = (uint32_t)space->count;
	return 0;
}

/* Store the address space of a process and hand it to the kernel side. */
static int publish(struct unwind_loader *l, uint32_t tgid, const struct address_space *space,
		   uint64_t start_boottime_ns, uint64_t exec_id)
{
	struct published *old = find_published(l, tgid);
	struct published new = {
		.tgid = tgid,
		.generation = space->generation,
		.entry = {.start_boottime_ns = start_boottime_ns, .exec_id = exec_id}};

	int error = collect_mappings(l, space);
	if (!error && !old)
		error = array_reserve((void **)&l->processes, &l->process_capacity,
				      l->process_count + 1, sizeof(l->processes[0]));
	if (!error)
		error = unwind_slab_put_process(l->slab, l->mappings, l->mapping_count,
						&new.entry.process);
	if (error) {
		l->stats.processes_refused++;
		return error;
	}

	l->stats.process_updates++;
	(void)bpf_side_put_process(l->side, tgid,
				   &new.entry); /* if it is full, stashes go on coming */
	if (old) {
		struct unwind_process before = old->entry.process;

		*old = new;
		unwind_slab_free_process(l->slab, &before);
		return 0;
	}
	error = idmap_insert(&l->process_ids, hash_combine(0, tgid), (uint32_t)l->process_count);
	if (error) {
		bpf_side_drop_process(l->side, tgid);
		unwind_slab_free_process(l->slab, &new.entry.process);
		return error;
	}
	l->processes[l->process_count++] = new;
	return 0;
}

void unwind_loader_refresh(struct unwind_loader *l, struct process_table *processes)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns - l->refreshed_ns < REFRESH_NS)
		return;
	l->refreshed_ns = now_ns;
	if (l->exe_count >= EXES_MAX - EXES_SPARE || l->stats.table_file_bytes > TABLE_BYTES_MAX)
		forget_all(l);
	for (size_t i = 0; i < l->process_count;) {
		struct published *known = &l->processes[i];
		struct process *p = process_table_find(processes, known->tgid);

		if (!p || p->exit_ns) {
			drop_published(l, i);
			continue;
		}
		if (p->space->generation != known->generation &&
		    publish(l, known->tgid, p->space, known->entry.start_boottime_ns,
			    known->entry.exec_id)) {
			drop_published(l, i);
			continue;
		}
		i++;
	}
}

/* --- stashes -------------------------------------------------------------------------------------- */

/*
 * Walk the stack, frames into @frames.
 *
 * @known: its process as it is stored; NULL = it is not, its mappings are in l->mappings
 *
 * Returns how it ended.
 */
static enum unwind_end walk(struct unwind_loader *l, const struct stash_memory *memory,
			    const struct published *known, uint64_t *frames, uint16_t *ret_count)
{
	const struct unwind_process nothing = {0};
	const struct stash_record *stash = memory->stash;
	struct unwind_walk w = {
		.slab = l->slab,
		.arg = (void *)(uintptr_t)memory,
		.read = stash_read,
		.mappings = known ? NULL : l->mappings,
		.mapping_count = known ? 0 : l->mapping_count,
	};
	enum unwind_end end = UNWIND_END_NOT_YET;
	struct unwind_start start = {
		.pc = stash->regs[STASH_REGS - 1], .known = UINT32_MAX, .exact = stash->exact};
	uint16_t count = 0;

	for (int i = 0; i < STASH_REGS; i++)
		start.regs[i] = stash->regs[i];
	unwind_walk_begin(&w, known ? &known->entry.process : &nothing, &start);
	while (!end) {
		if (count == SAMPLE_USER_FRAMES_MAX)
			end = UNWIND_END_TRUNC_FRAMES;
		else if (count && !unwind_walk_map(&w))
			end = UNWIND_END_FAIL_MAPPING;
		if (end)
			break;
		frames[count++] = w.state.pc | (w.state.exact ? SAMPLE_FRAME_EXACT : 0);
		end = unwind_walk_step(&w);
	}
	*ret_count = count;
	if (end == UNWIND_END_MISS_TABLE)
		want_table(l, w.state.mapping.exe);
	return end;
}

/* Wait a moment for a table, within what may be waited between two polls. Returns whether some arrived. */
static bool wait_for_tables(struct unwind_loader *l)
{
	uint64_t waited_ns = l->waited_ns, before_ns = clock_now_ns();

	if (waited_ns >= WAIT_BUDGET_NS)
		return false;
	bool is_there = table_builder_wait(l->builder, before_ns + WAIT_NS);
	if (is_there)
		unwind_loader_poll(l);
	l->waited_ns = waited_ns + (clock_now_ns() - before_ns);
	return is_there;
}

/* The process of a stash as it is stored, up to date; NULL with its mappings in l->mappings if it cannot be. */
static const struct published *make_known(struct unwind_loader *l, const struct stash_record *stash,
					  const struct process *p)
{
	const struct published *known = find_published(l, p->tgid);

	if (known && known->generation == p->space->generation &&
	    known->entry.exec_id == stash->exec_id &&
	    known->entry.start_boottime_ns == stash->sample.start_boottime_ns)
		return known;
	if (publish(l, p->tgid, p->space, stash->sample.start_boottime_ns, stash->exec_id))
		return NULL;
	return find_published(l, p->tgid);
}

int unwind_loader_unwind(struct unwind_loader *l, const struct stash_record *stash,
			 struct process *p, bool wait, struct unwound_stack *ret)
{
	struct stash_memory memory = {.stash = stash, .space = p->space};
	struct stack_record *r = &ret->record;

	memset(r, 0, sizeof(*r));
	memcpy(ret->frames, stash->kernel_frames, stash->kernel_count * sizeof(uint64_t));
	r->kernel_count = stash->kernel_count;
	r->kernel_verdict = stash->kernel_verdict;
	r->kernel_reason = stash->kernel_reason;

	/* The kernel side may have come further than the slice reaches. */
	if (stash->why == UNWIND_END_MISS_PAGE)
		(void)unwind_slab_load_page(l->slab, stash->miss_exe, stash->miss_page);

	const struct published *known = make_known(l, stash, p);
	uint64_t *frames = ret->frames + r->kernel_count;
	enum unwind_end end = walk(l, &memory, known, frames, &r->user_count);
	while (end == UNWIND_END_MISS_TABLE && wait && wait_for_tables(l))
		end = walk(l, &memory, known, frames, &r->user_count);
	if (end == UNWIND_END_MISS_TABLE && wait)
		return -EAGAIN;

	stash_judge(r, end);
	l->stats.stashes[end]++;

	size_t bytes = ((size_t)r->kernel_count + r->user_count) * sizeof(uint64_t);
	r->header.type = RECORD_STACK;
	r->header.bytes = (uint32_t)(sizeof(*r) + bytes);
	r->id = hash_combine(
		hash_bytes(ret->frames, bytes),
		hash_combine(p->serial, (uint64_t)r->kernel_count << 16 | r->user_reason));
	return 0;
}

/* --- life ----------------------------------------------------------------------------------------- */

static int add_chunk(void *arg, uint32_t index, void **ret)
{
	struct unwind_loader *l = arg;

	return bpf_side_add_chunk(l->side, index, ret);
}

static void wait_for_programs(void *arg)
{
	struct unwind_loader *l = arg;

	bpf_side_wait_for_programs(l->side);
}

int unwind_loader_create(struct bpf_side *side, const struct table_builder_options *tables,
			 struct unwind_loader **ret)
{
	struct unwind_loader *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->side = side;

	const struct unwind_slab_options options = {
		.chunk_max = bpf_side_chunk_max(side),
		.arg = l,
		.add_chunk = add_chunk,
		.grace = wait_for_programs,
	};
	int error = unwind_slab_create(&options, &l->slab);
	if (!error)
		error = table_builder_create(tables, &l->builder);
	if (error) {
		unwind_loader_destroy(l);
		return error;
	}
	*ret = l;
	return 0;
}

void unwind_loader_destroy(struct unwind_loader *l)
{
	if (!l)
		return;
	table_builder_destroy(l->builder);
	unwind_slab_destroy(l->slab);
	for (size_t i = 1; i < l->exe_count; i++)
		binary_unref(l->exes[i].binary);
	free(l->exes);
	free(l->processes);
	free(l->mappings);
	idmap_release(&l->exe_ids);
	idmap_release(&l->process_ids);
	free(l);
}

void unwind_loader_stats(struct unwind_loader *l, struct unwind_loader_stats *ret)
{
	*ret = l->stats;
	ret->processes = l->process_count;
	unwind_slab_stats(l->slab, &ret->slab);
	table_builder_stats(l->builder, &ret->tables);
}

int unwind_loader_table_facts(struct unwind_loader *l, const struct build_id *id,
			      struct table_facts *ret)
{
	return table_builder_facts(l->builder, id, ret);
}
