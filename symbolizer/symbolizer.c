/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry per binary goes through
 *
 *	QUEUED -> WORKING -> SETTLED  (-> QUEUED again when its file or its debug information may have changed)
 *
 * on threads that do nothing but find files, run workers and wait for them. Entries are kept after their work is done,
 * with their symbol file mapped; the least recently used go when there are too many or, without a cache directory,
 * when their files take too much memory.
 */
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/idmap.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/reason.h"
#include "symbolizer/symcache.h"
#include "symbolizer/symjob.h"

#define ENTRIES_MAX    8192
#define WORKERS_MAX    16
#define JOB_TIMEOUT_NS (60 * NS_PER_S)
#define RECHECK_NS     (300 * NS_PER_S) /* how often to look for debug files that were not there */
#define ATTEMPTS_MAX   3 /* at a file that crashed its worker, by different copies of it */
#define NO_ENTRY       UINT32_MAX

enum phase { PHASE_FREE, PHASE_QUEUED, PHASE_WORKING, PHASE_SETTLED };

/* Tells whether a file has changed. */
struct file_identity {
	uint64_t device, inode, size;
	int64_t seconds, nanoseconds;
};

struct entry {
	enum phase phase;
	enum symbol_state state;
	struct build_id id;
	struct file_identity file_seen; /* of the binary last worked on */
	struct binary *binary;		/* a reference while QUEUED or WORKING */
	struct symfile *symbols;	/* a reference; NULL = none */
	bool in_memory;			/* symbols lie in a memfd, not in the cache */
	bool complete;			/* made with DWARF: nothing better will come */
	bool urgent;			/* somebody asked for it: not at the lowest priority */
	unsigned int attempts;		/* that failed */
	uint64_t settled_ns, used_ns;
	char source[SYMCACHE_NAME_MAX]; /* what it was made from, see symcache_name() */
	char reason[REASON_BYTES];
	uint32_t previous, next; /* in the queue; NO_ENTRY = end */
};

struct symbolizer {
	struct symcache *cache; /* NULL = none */
	uint64_t memory_limit_bytes;
	const char **debug_dirs;	    /* owned copy; NULL = default */
	char *worker_path;		    /* owned; NULL = default */
	int stop_fd;			    /* eventfd, readable once stopping */
	pthread_t threads[WORKERS_MAX + 1]; /* one is for what somebody waits for */
	unsigned int thread_count;

	pthread_mutex_t lock;	/* guards everything below */
	pthread_cond_t queued;	/* something was queued, or stopping */
	pthread_cond_t settled; /* some entry got symbols or settled */
	bool stopping;
	unsigned int threads_running;	    /* have begun */
	struct entry *entries[ENTRIES_MAX]; /* owned */
	uint32_t entry_count;
	struct idmap ids; /* hash of the build id -> index in entries */
	uint32_t queue_first, queue_last;
	struct symbolizer_stats stats;
};

/* A job in progress, for the callback of its quick result. */
struct work {
	struct symbolizer *s;
	struct entry *entry;
};

DEFINE_CLEANUP(symbolizer_destroy, struct symbolizer *)

static struct file_identity identify(const struct binary *b)
{
	struct stat status;

	if (fstat(binary_fd(b), &status))
		return (struct file_identity){0};
	return (struct file_identity){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = (uint64_t)status.st_size,
		.seconds = status.st_mtim.tv_sec,
		.nanoseconds = status.st_mtim.tv_nsec,
	};
}

static bool same_file(const struct file_identity *a, const struct file_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static uint64_t hash_id(const struct build_id *id)
{
	return hash_bytes(id->bytes, id->length);
}

static uint32_t find_entry(const struct symbolizer *s, const struct build_id *id)
{
	for (struct idmap_probe p = idmap_find(&s->ids, hash_id(id)); p.found;
	     idmap_next(&s->ids, &p))
		if (build_id_equal(&s->entries[p.id]->id, id))
			return p.id;
	return NO_ENTRY;
}

static void queue_remove(struct symbolizer *s, uint32_t index)
{
	struct entry *e = s->entries[index];

	if (e->previous == NO_ENTRY)
		s->queue_first = e->next;
	else
		s->entries[e->previous]->next = e->next;
	if (e->next == NO_ENTRY)
		s->queue_last = e->previous;
	else
		s->entries[e->next]->previous = e->previous;
	s->stats.queue_length--;
}

static void queue_add(struct symbolizer *s, uint32_t index, bool first)
{
	struct entry *e = s->entries[index];

	e->previous = first ? NO_ENTRY : s->queue_last;
	e->next = first ? s->queue_first : NO_ENTRY;
	if (e->previous == NO_ENTRY)
		s->queue_first = index;
	else
		s->entries[e->previous]->next = index;
	if (e->next == NO_ENTRY)
		s->queue_last = index;
	else
		s->entries[e->next]->previous = index;
	s->stats.queue_length++;
}

static void drop_symbols(struct symbolizer *s, struct entry *e)
{
	if (!e->symbols)
		return;
	s->stats.mapped_bytes -= symfile_bytes(e->symbols);
	symfile_unref(e->symbols);
	e->symbols = NULL;
}

static void set_symbols(struct symbolizer *s, struct entry *e, struct symfile *symbols)
{
	drop_symbols(s, e);
	e->symbols = symbols;
	if (symbols)
		s->stats.mapped_bytes += symfile_bytes(symbols);
}

/* The settled entry that was used longest ago; with @in_memory only those that hold memory. */
static struct entry *oldest(struct symbolizer *s, bool in_memory)
{
	struct entry *found = NULL;

	for (uint32_t i = 0; i < s->entry_count; i++) {
		struct entry *e = s->entries[i];

		if (e->phase != PHASE_SETTLED || (in_memory && (!e->in_memory || !e->symbols)))
			continue;
		if (!found || e->used_ns < found->used_ns)
			found = e;
	}
	return found;
}

/* Without a cache directory symbol files are memory: keeps that bounded by making them again when wanted. */
static void limit_memory(struct symbolizer *s)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < s->entry_count; i++)
		if (s->entries[i]->in_memory && s->entries[i]->symbols)
			bytes += symfile_bytes(s->entries[i]->symbols);
	while (bytes > s->memory_limit_bytes) {
		struct entry *e = oldest(s, true);

		if (!e)
			return;
		bytes -= symfile_bytes(e->symbols);
		drop_symbols(s, e);
		e->state = SYMBOLS_PENDING;
		e->settled_ns = 0;
		e->source[0] = '\0';
	}
}

/* An entry for a new binary; takes over the oldest one when there are too many. NO_ENTRY if memory ran out. */
static uint32_t new_entry(struct symbolizer *s, const struct build_id *id)
{
	uint32_t index = s->entry_count;
	struct entry *e;

	if (index < ENTRIES_MAX) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return NO_ENTRY;
		s->entries[index] = e;
	} else {
		e = oldest(s, false);
		if (!e)
			return NO_ENTRY;
		index = find_entry(s, &e->id);
		(void)idmap_remove(&s->ids, hash_id(&e->id), index); /* it is there */
		drop_symbols(s, e);
	}
	*e = (struct entry){.id = *id, .state = SYMBOLS_PENDING};
	if (idmap_insert(&s->ids, hash_id(id), index)) {
		if (index == s->entry_count)
			free(take_ptr(s->entries[index]));
		else
			e->phase = PHASE_SETTLED; /* a nameless entry that is taken over next */
		return NO_ENTRY;
	}
	if (index == s->entry_count)
		s->entry_count++;
	return index;
}

/* Whether a settled entry is worth another look. */
static bool is_stale(const struct entry *e, const struct binary *b, uint64_t now_ns)
{
	struct file_identity file = identify(b);

	if (e->state == SYMBOLS_PENDING)
		return true;
	if (e->state == SYMBOLS_FAILED)
		return e->attempts < ATTEMPTS_MAX && !same_file(&file, &e->file_seen);
	return !e->complete && now_ns - e->settled_ns > RECHECK_NS;
}

/* Finds or makes the entry of a binary and queues it if there is something to do. */
static uint32_t want_locked(struct symbolizer *s, struct binary *b, bool urgent)
{
	uint32_t index = find_entry(s, binary_build_id(b));
	uint64_t now_ns = clock_now_ns();

	if (index == NO_ENTRY)
		index = new_entry(s, binary_build_id(b));
	if (index == NO_ENTRY)
		return NO_ENTRY;

	struct entry *e = s->entries[index];

	e->used_ns = now_ns;
	if (e->phase == PHASE_QUEUED && urgent && s->queue_first != index) {
		queue_remove(s, index);
		queue_add(s, index, true);
	}
	if (e->phase == PHASE_FREE || (e->phase == PHASE_SETTLED && is_stale(e, b, now_ns))) {
		e->phase = PHASE_QUEUED;
		e->binary = binary_ref(b);
		e->urgent = false;
		queue_add(s, index, urgent);
	}
	if (e->phase == PHASE_QUEUED) {
		e->urgent |= urgent;
		(void)pthread_cond_broadcast(&s->queued); /* which thread may take it depends */
	}
	return index;
}

int symbolizer_want(struct symbolizer *s, struct binary *b)
{
	if (binary_fd(b) < 0)
		return 0;
	(void)pthread_mutex_lock(&s->lock);

	uint32_t index = want_locked(s, b, false);

	(void)pthread_mutex_unlock(&s->lock);
	return index == NO_ENTRY ? -ENOMEM : 0;
}

enum symbol_state symbolizer_get(struct symbolizer *s, struct binary *b, uint64_t deadline_ns,
				 struct symfile **ret)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ns / NS_PER_S),
		.tv_nsec = (long)(deadline_ns % NS_PER_S),
	};
	enum symbol_state state = SYMBOLS_NONE;

	*ret = NULL;
	if (binary_fd(b) < 0)
		return SYMBOLS_NONE;
	(void)pthread_mutex_lock(&s->lock);

	/* What is asked for after its deadline does not pass by what others wait for. */
	uint32_t index = want_locked(s, b, !deadline_ns || clock_now_ns() < deadline_ns);

	while (index != NO_ENTRY && deadline_ns && !s->stopping) {
		/* A better answer than the one there may be on its way, but nobody waits for a second look. */
		if (s->entries[index]->phase == PHASE_SETTLED || s->entries[index]->settled_ns)
			break;
		if (pthread_cond_timedwait(&s->settled, &s->lock, &deadline))
			break;
		index = find_entry(s, binary_build_id(b));
	}
	if (index != NO_ENTRY) {
		struct entry *e = s->entries[index];

		state = e->state;
		*ret = e->symbols ? symfile_ref(e->symbols) : NULL;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return state;
}

void symbolizer_reason(struct symbolizer *s, const struct binary *b, char *text, size_t size)
{
	if (!size)
		return;
	text[0] = '\0';
	if (binary_fd(b) < 0)
		return;
	(void)pthread_mutex_lock(&s->lock);

	uint32_t index = find_entry(s, binary_build_id(b));

	if (index != NO_ENTRY)
		snprintf(text, size, "%s", s->entries[index]->reason);
	(void)pthread_mutex_unlock(&s->lock);
}

void symbolizer_stats(struct symbolizer *s, struct symbolizer_stats *ret)
{
	(void)pthread_mutex_lock(&s->lock);
	*ret = s->stats;
	(void)pthread_mutex_unlock(&s->lock);
}

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
		set_symbols(w->s, w->entry, quick);
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
	char source[SYMCACHE_NAME_MAX];
	char reason[REASON_BYTES];
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

static void run_job(struct symbolizer *s, struct entry *e, struct debugfiles *files,
		    struct outcome *o)
{
	struct work work = {s, e};
	struct symjob job = {
		.binary = e->binary,
		.files = files,
		.worker_path = s->worker_path,
		.timeout_ns = JOB_TIMEOUT_NS,
		.background = !o->urgent,
		.stop_fd = s->stop_fd,
		.on_quick = take_quick,
		.context = &work,
	};

	symjob_run(&job, &o->job);
	o->symbols = take_ptr(o->job.full);
	if (o->symbols)
		try_store(s, o);
	if (o->job.full_fd >= 0)
		(void)close(o->job.full_fd); /* mapped or copied by now */
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
	e->file_seen = identify(e->binary);
	memcpy(e->source, o->source, sizeof(e->source));
	memcpy(e->reason, o->reason, sizeof(e->reason));
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
		set_symbols(s, e, o->symbols);
		e->in_memory = o->in_memory;
		e->state = SYMBOLS_FULL;
		limit_memory(s);
		return;
	}
	symfile_unref(o->symbols);
	drop_symbols(s, e);
	e->state = SYMBOLS_NONE;
}

static void work_on(struct symbolizer *s, struct entry *e, bool urgent)
{
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
		debugfind_release(files);
		free(files);
	}
	(void)pthread_mutex_lock(&s->lock);
	apply(s, e, &o);
	binary_unref(take_ptr(e->binary));
	(void)pthread_cond_broadcast(&s->settled);
	(void)pthread_mutex_unlock(&s->lock);
}

/*
 * The entry a thread is to work on, NO_ENTRY if it has to wait. Urgent ones stand at the head. The first thread takes
 * nothing else: on a busy machine a worker at the lowest priority may take long, and nobody who waits is to wait for it.
 */
static uint32_t next_entry(const struct symbolizer *s, bool only_urgent)
{
	if (s->queue_first == NO_ENTRY || (only_urgent && !s->entries[s->queue_first]->urgent))
		return NO_ENTRY;
	return s->queue_first;
}

static void *run_thread(void *argument)
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

		queue_remove(s, index);
		e->phase = PHASE_WORKING;
		(void)pthread_mutex_unlock(&s->lock);
		work_on(s, e, urgent);
		(void)pthread_mutex_lock(&s->lock);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* A copy of the list in one allocation. */
static const char **copy_list(const char *const *list)
{
	size_t count = 0, bytes = 0;

	for (; list[count]; count++)
		bytes += strlen(list[count]) + 1;

	const char **copy = malloc((count + 1) * sizeof(*copy) + bytes);

	if (!copy)
		return NULL;

	char *at = (char *)(copy + count + 1);

	for (size_t i = 0; i < count; i++) {
		copy[i] = at;
		at = stpcpy(at, list[i]) + 1;
	}
	copy[count] = NULL;
	return copy;
}

static int init(struct symbolizer *s, const struct symbolizer_options *options)
{
	pthread_condattr_t monotonic;

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->queued, NULL);
	(void)pthread_cond_init(&s->settled, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	s->queue_first = s->queue_last = NO_ENTRY;
	s->memory_limit_bytes =
		options->cache_limit_bytes ? options->cache_limit_bytes : SYMCACHE_DEFAULT_BYTES;
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd < 0)
		return -errno;
	if (options->worker_path && !(s->worker_path = strdup(options->worker_path)))
		return -ENOMEM;
	if (options->debug_dirs && !(s->debug_dirs = copy_list(options->debug_dirs)))
		return -ENOMEM;
	if (options->cache_dir)
		return symcache_create(options->cache_dir, options->cache_limit_bytes, &s->cache);
	return 0;
}

int symbolizer_create(const struct symbolizer_options *options, struct symbolizer **ret)
{
	CLEANUP(symbolizer_destroyp) struct symbolizer *s = calloc(1, sizeof(*s));
	unsigned int wanted = options->worker_count ? options->worker_count : 1;

	if (!s)
		return -ENOMEM;

	int err = init(s, options);

	if (wanted > WORKERS_MAX)
		wanted = WORKERS_MAX;
	while (!err && s->thread_count < wanted + 1) {
		err = -pthread_create(&s->threads[s->thread_count], NULL, run_thread, s);
		s->thread_count += !err;
	}
	if (err)
		return err;
	*ret = take_ptr(s);
	return 0;
}

void symbolizer_destroy(struct symbolizer *s)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->queued);
	(void)pthread_cond_broadcast(&s->settled);
	(void)pthread_mutex_unlock(&s->lock);
	if (s->stop_fd >= 0)
		(void)eventfd_write(s->stop_fd, 1); /* cannot block or overflow */
	for (unsigned int i = 0; i < s->thread_count; i++)
		(void)pthread_join(s->threads[i], NULL); /* our own threads */

	for (uint32_t i = 0; i < s->entry_count; i++) {
		binary_unref(s->entries[i]->binary);
		symfile_unref(s->entries[i]->symbols);
		free(s->entries[i]);
	}
	idmap_release(&s->ids);
	symcache_destroy(s->cache);
	if (s->stop_fd >= 0)
		(void)close(s->stop_fd);
	(void)pthread_cond_destroy(&s->settled);
	(void)pthread_cond_destroy(&s->queued);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->debug_dirs);
	free(s->worker_path);
	free(s);
}
