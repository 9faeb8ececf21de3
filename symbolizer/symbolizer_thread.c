/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of the symbolizer: each takes an entry from the queue, looks for its files and the cache, runs a worker
 * if it must, and settles the entry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/symjob.h"
#include "symbolizer/symtable.h"

#define JOB_CPU_SECONDS 60
/* The worker has the lowest priority: what a busy machine leaves it may be little. */
#define JOB_TIMEOUT_NS (600 * NS_PER_S)

/* A job in progress, for the callback of its quick result. */
struct work {
	struct symbolizer *s;
	struct entry *entry;
};

/* The quick result: shown while the full one is made. */
static void take_quick(void *context, struct symfile *quick, const struct symbuild_report *report)
{
	struct work *w = context;

	(void)report;
	if (!quick)
		return;
	if (symfile_is_empty(quick)) {
		symfile_unref(quick);
		return;
	}
	(void)pthread_mutex_lock(&w->s->lock);
	if (w->entry->symbols) { /* from an earlier look, and better */
		symfile_unref(quick);
	} else {
		symtable_set_symbols(w->s, w->entry, quick);
		w->entry->state = SYMBOLS_QUICK;
		w->entry->in_memory = true;
		(void)pthread_cond_broadcast(&w->s->settled);
	}
	(void)pthread_mutex_unlock(&w->s->lock);
}

/* What goes into the entry when a job has ended. */
struct outcome {
	struct symjob_result job;
	struct symfile *symbols; /* a reference; NULL = none */
	bool urgent, from_cache, in_memory, unchanged;
	bool is_quick; /* a full pass is to follow */
	char source[SYMCACHE_NAME_MAX];
	char reason[REASON_BYTES];
	uint64_t build_ns;
	char *debug_path, *tried; /* owned; NULL = none, or no memory */
};

/* Tries the cache; fills in what is needed to explain the result. */
static bool try_cache(struct symbolizer *s, struct outcome *o)
{
	size_t length;

	if (!s->cache || symcache_open(s->cache, o->source, &o->symbols))
		return false;

	const void *note = symfile_note(o->symbols, &length);

	o->job = (struct symjob_result){.end = SYMJOB_DONE, .full_fd = -1};
	if (length == sizeof(o->job.report))
		memcpy(&o->job.report, note, length);
	o->from_cache = true;
	return true;
}

/* Moves a fresh file into the cache, from where it is mapped again: then it is no longer memory. */
static void try_store(struct symbolizer *s, struct outcome *o)
{
	struct symfile *stored;

	o->in_memory = true;
	if (!s->cache || o->job.report.split_missing ||
	    symcache_store(s->cache, o->source, o->job.full_fd) ||
	    symcache_open(s->cache, o->source, &stored))
		return;
	symfile_unref(o->symbols);
	o->symbols = stored;
	o->in_memory = false;
}

/* Whether only the names by ELF symbols are to be made now: others in the queue may have none at all yet. */
static bool is_quick_turn(const struct entry *e, const struct outcome *o)
{
	return !o->urgent && !e->quick_done && !e->symbols;
}

/* Whether a quick pass left something for a full one. */
static bool has_left(const struct symbuild_report *r)
{
	return r->dwarf == SYMBUILD_LEFT || r->go_symbols == SYMBUILD_USED;
}

static void run_job(struct symbolizer *s, struct entry *e, struct debugfiles *files,
		    struct outcome *o)
{
	struct work work = {s, e};
	struct symjob job = {
		.binary = e->binary,
		.files = files,
		.workers = s->workers,
		.cpu_seconds = JOB_CPU_SECONDS,
		.timeout_ns = JOB_TIMEOUT_NS,
		.background = !o->urgent,
		.quick_only = is_quick_turn(e, o),
		.stop_fd = s->stop_fd,
		.on_quick = take_quick,
		.context = &work,
	};

	uint64_t since_ns = clock_now_ns();

	symjob_run(&job, &o->job);
	o->build_ns = clock_now_ns() - since_ns;
	o->symbols = take_ptr(o->job.full);
	o->is_quick = job.quick_only && o->job.end == SYMJOB_DONE && !o->job.report.error &&
		      has_left(&o->job.report);
	if (o->symbols && !o->is_quick)
		try_store(s, o);
	if (o->job.full_fd >= 0)
		(void)close(o->job.full_fd); /* mapped or copied by now */
}

/* What the ledger says of an entry. */
static void keep_facts(struct entry *e, struct outcome *o, bool failed)
{
	free(e->debug_path);
	free(e->tried);
	e->debug_path = take_ptr(o->debug_path);
	e->tried = take_ptr(o->tried);
	e->from_cache = o->from_cache;
	e->build_ns = o->build_ns;
	if (!failed)
		e->report = o->job.report;
}

static void apply(struct symbolizer *s, struct entry *e, struct outcome *o)
{
	enum symjob_end end = o->job.end;
	bool failed = end != SYMJOB_DONE || o->job.report.error;

	e->phase = PHASE_SETTLED;
	e->settled_ns = clock_now_ns();
	if (o->unchanged || end == SYMJOB_STOPPED) {
		symfile_unref(o->symbols);
		return;
	}
	e->file_seen = symtable_identify(e->binary);
	memcpy(e->source, o->source, sizeof(e->source));
	memcpy(e->reason, o->reason, sizeof(e->reason));
	keep_facts(e, o, failed);
	e->complete = !failed && o->job.report.dwarf == SYMBUILD_USED &&
		      !o->job.report.split_missing && !o->job.report.alt_missing;
	s->stats.files_from_cache += o->from_cache;
	s->stats.worker_crashes += end == SYMJOB_CRASHED;
	s->stats.worker_timeouts += end == SYMJOB_TIMEOUT;
	if (failed) {
		s->stats.files_failed++;
		e->attempts++;
		e->state = SYMBOLS_FAILED; /* what the quick pass or an earlier look found stays */
		symfile_unref(o->symbols);
		return;
	}
	s->stats.files_done++;
	if (o->symbols && !symfile_is_empty(o->symbols)) {
		symtable_set_symbols(s, e, o->symbols);
		e->in_memory = o->in_memory;
		e->state = SYMBOLS_FULL;
		symtable_limit_memory(s);
		return;
	}
	symfile_unref(o->symbols);
	symtable_drop_symbols(s, e);
	e->state = SYMBOLS_NONE;
}

/* Shows the names by ELF symbols and puts the entry into the queue again, behind those that have none. */
static void apply_quick(struct symbolizer *s, uint32_t index, struct outcome *o)
{
	struct entry *e = s->entries[index];

	e->quick_done = true;
	if (o->symbols && !symfile_is_empty(o->symbols)) {
		symtable_set_symbols(s, e, o->symbols);
		e->state = SYMBOLS_QUICK;
		e->in_memory = true;
	} else {
		symfile_unref(o->symbols);
	}
	symtable_requeue(s, index);
}

static void work_on(struct symbolizer *s, uint32_t index, bool urgent)
{
	struct entry *e = s->entries[index];
	struct debugfiles *files = malloc(sizeof(*files)); /* holds paths: too big for a stack */
	struct outcome o = {
		.job = {.end = SYMJOB_FAILED, .error = -ENOMEM, .full_fd = -1},
		.urgent = urgent,
	};

	if (files) {
		debugfind(e->binary, s->debug_dirs, files);
		symcache_name(e->binary, files, o.source);
		o.unchanged =
			e->symbols && e->state == SYMBOLS_FULL && !strcmp(o.source, e->source);
		if (!o.unchanged && !try_cache(s, &o))
			run_job(s, e, files, &o);
		reason_describe(&o.job, files, o.reason, sizeof(o.reason));
		o.tried = strdup(files->tried); /* without memory the ledger lacks it */
		o.debug_path = files->debug_path[0] ? strdup(files->debug_path) : NULL;
		debugfind_release(files);
		free(files);
	}
	(void)pthread_mutex_lock(&s->lock);
	if (o.is_quick && !s->stopping) {
		apply_quick(s, index, &o);
	} else {
		apply(s, e, &o);
		binary_unref(take_ptr(e->binary));
	}
	(void)pthread_cond_broadcast(&s->settled);
	(void)pthread_mutex_unlock(&s->lock);
	free(o.debug_path);
	free(o.tried);
}

/* Whether @a is to be worked on before @b, which was queued before it. */
static bool goes_before(const struct entry *a, const struct entry *b)
{
	if (a->quick_done != b->quick_done)
		return !a->quick_done;
	return a->heat > b->heat;
}

/*
 * The entry a thread is to work on, NO_ENTRY if it has to wait: what somebody waits for, which stands at the head of the
 * queue; then what has no names yet; then what had the most samples. The first thread takes only the first: on a busy machine
 * a worker at the lowest priority may take long, and nobody who waits is to wait for it.
 */
static uint32_t next_entry(const struct symbolizer *s, bool only_urgent)
{
	uint32_t best = s->queue_first;

	if (best == NO_ENTRY || s->entries[best]->urgent)
		return best;
	if (only_urgent)
		return NO_ENTRY;
	for (uint32_t i = s->entries[best]->next; i != NO_ENTRY; i = s->entries[i]->next)
		if (goes_before(s->entries[i], s->entries[best]))
			best = i;
	return best;
}

void *symbolizer_thread(void *argument)
{
	struct symbolizer *s = argument;

	(void)pthread_mutex_lock(&s->lock);

	bool only_urgent = !s->threads_running++;

	while (!s->stopping) {
		uint32_t index = next_entry(s, only_urgent);

		if (index == NO_ENTRY) {
			(void)pthread_cond_wait(&s->queued, &s->lock);
			continue;
		}

		struct entry *e = s->entries[index];
		bool urgent = e->urgent;

		symtable_dequeue(s, index);
		e->phase = PHASE_WORKING;
		(void)pthread_mutex_unlock(&s->lock);
		work_on(s, index, urgent);
		(void)pthread_mutex_lock(&s->lock);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}
