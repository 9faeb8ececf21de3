/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of otlp_decode(): a request that was unpacked becomes windows.
 *
 *	otlp_check()	every index of the request is in range, every list within its limit
 *	otlp_binaries	mappings -> binaries
 *	otlp_import	profiles -> windows, one for each different (start, end, period)
 *
 * What is kept for the time of the import lies in the arena and counts to its limit.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_FLEET_OTLP_IMPORT_H
#define HEARTH_SERVER_FLEET_OTLP_IMPORT_H

#include <stdbool.h>

#include "otlp.pb-c.h"
#include "profiler/window_builder.h"
#include "server/fleet/arena.h"
#include "server/fleet/otlp.h"

#define OTLP_GROUPS_MAX	      64   /* different times in a request */
#define OTLP_STACK_FRAMES_MAX 1024 /* longer stacks are cut at their root and called truncated */
#define OTLP_LINES_MAX	      256  /* of a location */
#define OTLP_LABELS_MAX	      32   /* of a sample */
#define OTLP_TEXT_MAX	      4096 /* bytes of a name; longer ones are cut */
#define OTLP_VALUE_MAX	      1024 /* bytes of a label's value; longer ones are cut */
#define OTLP_SPAN_MAX_NS      (3600ull * 1000000000ull) /* from a profile's first to its last moment */
#define OTLP_AHEAD_MAX_NS     (600ull * 1000000000ull) /* how far a clock may be ahead of ours */

/** Where frames of a mapping point. */
struct otlp_place {
	uint32_t binary;  /* index into import->binaries */
	uint64_t address; /* runtime address ... */
	uint64_t vaddr;	  /* ... that lies here in the file */
};

/** A sample on its way into a window. */
struct otlp_sample {
	uint64_t time_ns; /* Unix time */
	struct window_sample sample;
};

/** A window under construction. */
struct otlp_group {
	uint64_t start_ns, end_ns, period_ns;
	struct window_builder builder;
	struct otlp_sample *samples; /* owned */
	size_t sample_count, sample_capacity;
	uint32_t *frames; /* owned; lists of frames of locations */
	size_t frame_count, frame_capacity;
	uint32_t *location_first, *location_count; /* count 0 = not made yet */
	uint32_t *stacks[STACK_VERDICT_COUNT];	   /* + 1; 0 = not made yet */
	struct otlp_label_set *label_sets;	   /* owned; those made so far, by attributes */
	size_t label_set_count, label_set_capacity;
	struct idmap label_set_ids;
	bool full;
};

struct otlp_import {
	const Otlp__Request *request;
	const Otlp__Dictionary *d;
	const struct otlp_options *options;
	struct arena *arena;
	struct otlp_result *result;
	bool own; /* made by otlp_encode() */

	struct otlp_place *places; /* per mapping; in the arena */
	struct binary **binaries;  /* in the arena, one reference each */
	size_t binary_count;
	uint32_t *binary_first; /* first mapping of a binary + 1; in the arena */
	uint32_t *mapping_next; /* the next of the same binary + 1; in the arena */

	struct otlp_group groups[OTLP_GROUPS_MAX];
	size_t group_count;
};

/** Say what is wrong with the request, once. Returns -EBADMSG. */
int otlp_malformed(struct otlp_result *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Note why a profile was not taken, the first time; counts it. */
void otlp_reject(struct otlp_result *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Check all indices and lists. Returns 0; -EBADMSG with the reason. */
int otlp_check(const Otlp__Request *request, const Otlp__Dictionary *d, struct otlp_result *r);

/** Make the binaries. Returns 0; -ENOMEM; -EFBIG. */
int otlp_binaries_make(struct otlp_import *m);

/** Drop the binaries. */
void otlp_binaries_release(struct otlp_import *m);

/** Text of a string of the dictionary; "" for 0. */
const char *otlp_text(const Otlp__Dictionary *d, int32_t index);

/** Key of an attribute, "" for none. */
const char *otlp_attribute_key(const Otlp__Dictionary *d, int32_t index);

/**
 * A value as text.
 *
 * @text: room for @size bytes, for numbers and for what has to be cut
 *
 * Returns the text, borrowed or @text; NULL if it is of a kind that labels cannot have.
 */
const char *otlp_value_text(const Otlp__Dictionary *d, const Otlp__Value *v, char *text,
			    size_t size);

/** Take all profiles. Returns 0; -ENOMEM; -EFBIG; -EBADMSG; what claim returned. */
int otlp_import_all(struct otlp_import *m, const void *bytes, size_t length);

/** Find or make the label set of a sample. Returns 0; -ENOSPC; -ENOMEM; -EFBIG. */
int otlp_import_labels(struct otlp_import *m, struct otlp_group *g,
		       const Otlp__ResourceProfiles *resource, const Otlp__Sample *s,
		       uint32_t *ret);

/** Find or make the stack of a sample. Returns 0; -ENOSPC; -ENOMEM; -EFBIG. */
int otlp_import_stack(struct otlp_import *m, struct otlp_group *g, int32_t stack,
		      enum stack_verdict verdict, uint32_t *ret);

/** Make the windows of the groups, ordered by start, into the result. Returns 0; -ENOMEM. */
int otlp_import_finish(struct otlp_import *m);

/** Free the groups. */
void otlp_import_release(struct otlp_import *m);

#endif
