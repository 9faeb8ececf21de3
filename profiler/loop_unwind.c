// SPDX-License-Identifier: Apache-2.0
/*
 * The loop's part for stacks that the kernel side could not unwind.
 */
#include <string.h>

#include "profiler/profiler_internal.h"

int profiler_unwind_stash(struct profiler *p, const void *bytes, size_t size, bool last_chance,
			  struct sample_record *ret_sample)
{
	const struct stash_record *stash = &p->stash.record;

	/* The queue may move its bytes while the process is looked for. */
	memcpy(&p->stash, bytes, size);
	*ret_sample = stash->sample;

	struct process *process =
		process_table_for_sample(p->processes, ret_sample, ret_sample->time_ns);
	if (!process || !process->selected)
		return 0;
	int error = unwind_loader_unwind(p->unwind, stash, process, !last_chance, &p->unwound);
	if (error)
		return error;
	p->unwound.record.epoch = ret_sample->epoch = p->epoch;
	ret_sample->stack_id = p->unwound.record.id;
	/* What is refused here is counted with the sample, which misses it. */
	(void)stack_table_add(&p->stacks[p->epoch & 1], &p->unwound.record,
			      p->unwound.record.header.bytes);
	return 0;
}

void profiler_publish_unwinder(struct profiler *p)
{
	struct sampler_counters counters = {0};
	struct unwind_loader_stats loader;
	struct profiler_stats *t = &p->totals;

	unwind_loader_stats(p->unwind, &loader);
	(void)bpf_side_counters(p->bpf, &counters); /* all zero if that fails */
	for (int end = 0; end < UNWIND_END_COUNT; end++) {
		t->unwind_ends[end] = counters.ends[end];
		t->stash_ends[end] = loader.stashes[end];
	}
	t->stash_sent = counters.stashes_sent;
	t->stash_bytes = counters.stash_bytes;
	t->stash_limited = counters.stashes_limited;
	t->stash_limited_process = counters.stashes_limited_process;
	t->stash_lost = counters.stashes_lost;
	t->unwind_table_bytes = loader.slab.page_bytes;
	t->unwind_pages = loader.slab.pages;
	t->unwind_page_loads = loader.slab.page_loads;
	t->unwind_page_evictions = loader.slab.page_evictions;
	t->unwind_tables_built = loader.tables.built;
	t->unwind_tables_cached = loader.tables.from_cache;
	t->unwind_tables_failed = loader.tables.failed;
}
