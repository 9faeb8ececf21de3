/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbolizer: turns every binary it hears of into a symbol file, once per build id, in the background,
 * in a worker process, and hands out the best symbol file there is at any moment.
 *
 * Two tiers, so that names are there at once: first the ELF symbol tables (milliseconds), then DWARF with
 * inline chains and lines. A look-up never parses anything.
 *
 * Thread rule: any thread may call everything but create and destroy.
 */
#ifndef HEARTH_SYMBOLIZER_SYMBOLIZER_H
#define HEARTH_SYMBOLIZER_SYMBOLIZER_H

#include <stdint.h>

#include "symbolizer/binary.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/symbuild.h"
#include "symbolizer/symfile.h"

struct symbolizer;
struct symworkers;

struct symbolizer_options {
	const char *cache_dir;	    /* where symbol files are kept; NULL = in memory (memfd) only */
	uint64_t cache_limit_bytes; /* 0 = 512 MiB */
	unsigned int
		worker_count; /* worker processes in the background; 0 = 1; one more on demand */
	const char *const *debug_dirs; /* NULL-terminated; NULL = "/usr/lib/debug" */
	const char *worker_path; /* executable that runs symworker_main(); NULL = /proc/self/exe */
};

/** How far the work on a binary has come. */
enum symbol_state {
	SYMBOLS_PENDING, /* nothing to look up in yet */
	SYMBOLS_QUICK,	 /* ELF symbols only, DWARF still to come */
	SYMBOLS_FULL,	 /* all there is */
	SYMBOLS_NONE,	 /* nothing was found; see the reason */
	SYMBOLS_FAILED,	 /* the worker crashed or hit a limit; see the reason */
};

struct symbolizer_stats {
	uint64_t files_done;
	uint64_t files_failed;
	uint64_t files_from_cache;
	uint64_t worker_crashes;
	uint64_t worker_timeouts;
	uint64_t queue_length; /* now */
	uint64_t mapped_bytes; /* symbol files mapped now */
};

/**
 * Start the symbolizer with its background thread.
 *
 * @ret: on success owned by the caller, free with symbolizer_destroy()
 *
 * Returns 0; -ENOMEM; -errno of making the cache directory or the thread.
 */
int symbolizer_create(const struct symbolizer_options *options, struct symbolizer **ret);

/** Stop the workers and free everything; NULL allowed. Symbol files handed out stay valid. */
void symbolizer_destroy(struct symbolizer *s);

/**
 * Say that a binary is in use: queues the making of its symbol file unless it is there, queued or was refused.
 * Keeps a reference until it is done. Never blocks on the work. Does nothing for special kinds that have no file.
 *
 * Returns 0; -ENOMEM.
 */
int symbolizer_want(struct symbolizer *s, struct binary *b);

/**
 * Say how many samples a binary had: what is waiting in the queue is made in the order of that. Those without names yet
 * come before those that only lack lines. Does nothing for binaries that are not known.
 */
void symbolizer_heat(struct symbolizer *s, const struct binary *b, uint64_t samples);

/**
 * The best symbol file of a binary.
 *
 * Asks for it as symbolizer_want() does, moves it to the head of the queue, and waits until SYMBOLS_FULL (or
 * NONE or FAILED) or the deadline.
 *
 * @deadline_ns: monotonic; 0 = do not wait
 * @ret: a reference, drop with symfile_unref(); NULL when there is none (yet)
 *
 * Returns the state that @ret corresponds to.
 */
enum symbol_state symbolizer_get(struct symbolizer *s, struct binary *b, uint64_t deadline_ns,
				 struct symfile **ret);

/**
 * Why a binary's symbols are as they are: one line for a person, "" if nothing is known.
 *
 * @text: filled with at most @size bytes, always terminated
 */
void symbolizer_reason(struct symbolizer *s, const struct binary *b, char *text, size_t size);

/** What starts its worker processes, for work of other kinds on the same files; borrowed, valid until symbolizer_destroy(). */
struct symworkers *symbolizer_workers(struct symbolizer *s);

/** What is known about the symbols of a binary. */
struct symbol_facts {
	enum symbol_state state;
	bool from_cache;
	uint64_t build_ns;	       /* time it took to make the symbol file; 0 = not made here */
	uint64_t file_bytes;	       /* of the symbol file; 0 = none */
	struct symbuild_report report; /* what was found, all 0 while pending */
	char reason[512];	       /* as symbolizer_reason() */
	char debug_path[512];	       /* separate debug file, cut; "" = none */
	char tried
		[DEBUGFIND_TRIED_BYTES]; /* where a debug file was looked for, see struct debugfiles */
};

/**
 * What is known about the symbols of a binary, whether its file is still there or not.
 *
 * Returns 0; -ENOENT if nobody asked for it, or it is forgotten.
 */
int symbolizer_facts(struct symbolizer *s, const struct build_id *id, struct symbol_facts *ret);

/** Counters since create. */
void symbolizer_stats(struct symbolizer *s, struct symbolizer_stats *ret);

#endif
