/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to symbolizer/: what the symbolizer knows of each binary, and the queue of what is to be done.
 *
 * An entry per binary goes through
 *
 *	QUEUED -> WORKING -> SETTLED  (-> QUEUED again when its file or its debug information may have changed)
 *
 * on threads that do nothing but find files, run workers and wait for them. Entries are kept after their work is done,
 * with their symbol file mapped; the least recently used go when there are too many or, without a cache directory,
 * when their files take too much memory.
 *
 * Thread rule: the caller holds the lock.
 */
#ifndef HEARTH_SYMBOLIZER_SYMTABLE_H
#define HEARTH_SYMBOLIZER_SYMTABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/idmap.h"
#include "symbolizer/reason.h"
#include "symbolizer/symbolizer.h"
#include "symbolizer/symbuild.h"
#include "symbolizer/symcache.h"

#define ENTRIES_MAX 8192
#define WORKERS_MAX 16
#define NO_ENTRY    UINT32_MAX

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
	bool quick_done;		/* names by ELF symbols are there, or there are none */
	uint64_t heat;			/* samples, as symbolizer_heat() counts them */
	bool urgent;			/* somebody asked for it: not at the lowest priority */
	unsigned int attempts;		/* that failed */
	uint64_t settled_ns, used_ns;
	char source[SYMCACHE_NAME_MAX]; /* what it was made from, see symcache_name() */
	char reason[REASON_BYTES];
	bool from_cache;	       /* the file lay in the cache */
	uint64_t build_ns;	       /* time it took to make it; 0 from the cache */
	struct symbuild_report report; /* of the last look that was not a failure */
	char *debug_path;	       /* owned; NULL = no separate debug file */
	char *tried;		       /* owned; see struct debugfiles; NULL = nothing yet */
	uint32_t previous, next;       /* in the queue; NO_ENTRY = end */
};

struct symbolizer {
	struct symcache *cache; /* NULL = none */
	uint64_t memory_limit_bytes;
	const char **debug_dirs;	    /* owned copy; NULL = default */
	struct symworkers *workers;	    /* owned */
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

/** What tells whether the file of a binary has changed; zero if it cannot be read. */
struct file_identity symtable_identify(const struct binary *b);

/** Index of the entry with a build id; NO_ENTRY = there is none. */
uint32_t symtable_find(const struct symbolizer *s, const struct build_id *id);

/** Take an entry out of the queue. */
void symtable_dequeue(struct symbolizer *s, uint32_t index);

/** Put an entry that is worked on back to the end of the queue; it keeps its binary. */
void symtable_requeue(struct symbolizer *s, uint32_t index);

/** Let go of an entry's symbols. */
void symtable_drop_symbols(struct symbolizer *s, struct entry *e);

/** Give an entry its symbols: takes ownership of a reference; NULL = none. */
void symtable_set_symbols(struct symbolizer *s, struct entry *e, struct symfile *symbols);

/** Keep the memory of symbol files that lie in no cache within its limit. */
void symtable_limit_memory(struct symbolizer *s);

/**
 * Find or make the entry of a binary and queue it if there is something to do.
 *
 * @urgent: somebody waits: to the head of the queue, and not at the lowest priority
 *
 * Returns its index; NO_ENTRY if memory ran out.
 */
uint32_t symtable_want(struct symbolizer *s, struct binary *b, bool urgent);

/** What the threads of the symbolizer run; @argument is the struct symbolizer, whose lock is not held. */
void *symbolizer_thread(void *argument);

#endif
