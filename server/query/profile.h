/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile: the samples of any number of windows, merged and named. What queries make and encoders read.
 *
 *	profile_create() -> profile_add_window() ... -> profile_symbolize() -> encode_pprof() and friends
 *
 *	sample -> stack  -> stack_frames[first .. first+count) -> frames -> lines -> functions
 *	       -> labels -> label_pairs[first .. first+count)
 *
 * Equal samples (same stack, same kept labels) are one sample. A frame is one place in code; profile_symbolize()
 * gives it its lines: the inline chain, innermost first, never empty. Each function has a name that is never
 * empty and never a bare address: what could not be resolved reads "[libfoo.so]".
 *
 * Invariants: every index is in range; stack_frames run from leaf to root; frames, stacks, label sets, functions
 * and samples have no duplicates; label pairs of a set are sorted by the text of their names.
 * Thread rule: one owner at a time; readers only after symbolizing.
 */
#ifndef HEARTH_SERVER_QUERY_PROFILE_H
#define HEARTH_SERVER_QUERY_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strpool.h"
#include "profiler/window.h"
#include "server/query/label_filter.h"
#include "symbolizer/symbolizer.h"

/** What a line of a frame is, for colours and suffixes. The numbers are part of the flame graph JSON. */
enum frame_kind {
	KIND_ROOT = 0,	  /* the invented root of a call tree */
	KIND_LABEL = 1,	  /* a label's value as a frame, such as the comm below the root */
	KIND_NATIVE = 2,  /* machine code of a file */
	KIND_INLINED = 3, /* a function inlined into the one around it */
	KIND_KERNEL = 4,  /* kernel, module or BPF program */
	KIND_JIT = 5,	  /* code without a file */
	KIND_INTERPRETER = 6,
	KIND_MARKER = 7, /* no code: says that the stack is incomplete and why */
	KIND_ELIDED = 8, /* call tree only: several small frames in one */
};

struct profile_function {
	uint32_t name; /* string id; never 0 */
	uint32_t
		system_name; /* string id of the linker's name; equals name when there is no other */
	uint32_t file;	     /* string id of the source path; 0 = unknown */
	uint32_t start_line; /* line of the declaration; 0 = unknown */
	uint32_t binary;     /* index into binaries, UINT32_MAX for markers */
	uint8_t kind;	     /* enum frame_kind */
	bool resolved;	     /* false: the name is the binary's */
};

/** One member of a frame's inline chain. */
struct profile_line {
	uint32_t function; /* index into functions */
	uint32_t line;	   /* 0 = unknown */
	uint32_t column;   /* 0 = unknown */
};

struct profile_frame {
	uint64_t addr;	     /* as in struct window_frame */
	uint32_t binary;     /* index into binaries */
	uint32_t name;	     /* string id of a fixed name; 0 = by binary */
	uint32_t flags;	     /* enum frame_flags */
	uint32_t line_first; /* into lines, innermost first; set by profile_symbolize() */
	uint32_t line_count; /* 0 before profile_symbolize(), at least 1 after it */
};

struct profile_stack {
	uint32_t first; /* index of the leaf in stack_frames */
	uint16_t count;
	uint8_t verdict; /* enum stack_verdict */
};

struct profile_label {
	uint32_t name;	/* string id */
	uint32_t value; /* string id */
};

struct profile_label_set {
	uint32_t first;
	uint32_t count;
};

struct profile_sample {
	uint32_t stack;
	uint32_t labels; /* index into label_sets */
	uint64_t count;	 /* samples, thinned ones counted with their weight */
	uint64_t cpu_ns; /* CPU time they stand for */
};

struct profile_index;

struct profile {
	struct strpool strings;
	struct binary **binaries; /* one reference each */
	struct profile_frame *frames;
	uint32_t *stack_frames;
	struct profile_stack *stacks;
	struct profile_label *label_pairs;
	struct profile_label_set *label_sets;
	struct profile_sample *samples;
	struct profile_function *functions;
	struct profile_line *lines;

	size_t binary_count;
	size_t frame_count;
	size_t stack_frame_count;
	size_t stack_count;
	size_t label_pair_count;
	size_t label_set_count;
	size_t sample_count;
	size_t function_count;
	size_t line_count;

	uint64_t
		wall_from_ns; /* the time that is covered: what was asked for, cut to what windows there are */
	uint64_t wall_to_ns; /* exclusive; both 0 while no window was added */
	uint64_t period_ns;  /* CPU time between two samples; the longest of the windows */
	uint64_t total_count;
	uint64_t total_cpu_ns;
	uint64_t verdicts[STACK_VERDICT_COUNT]; /* samples by the verdict of their stack */
	uint64_t lost[LOST_REASON_COUNT];	/* of all windows touched, whatever the selector */
	uint64_t window_count;

	struct profile_index *index; /* private to profile.c and profile_symbolize.c */
};

struct profile_options {
	const char *const *
		labels; /* names to keep, other labels are merged away; NULL-terminated; NULL = none */
	bool all_labels;    /* keep every label, whatever labels says */
	size_t limit_bytes; /* most memory; 0 = 256 MiB */
};

/** What of a window goes into a profile. */
struct profile_filter {
	uint64_t wall_from_ns;
	uint64_t wall_to_ns;	     /* exclusive; 0 = no end */
	struct label_filter *labels; /* borrowed; NULL = all */
	bool subtracts; /* samples count negative, in two's complement; totals, verdicts and times stay as they are */
};

/**
 * Make an empty profile.
 *
 * @options: NULL = all defaults; what it points to is copied
 * @ret: on success owned by the caller, free with profile_destroy()
 *
 * Returns 0; -ENOMEM.
 */
int profile_create(const struct profile_options *options, struct profile **ret);

/** Free; NULL allowed. */
void profile_destroy(struct profile *p);

DEFINE_CLEANUP(profile_destroy, struct profile *)

/**
 * Merge the samples of a window that the filter lets through.
 *
 * @filter: NULL = all
 *
 * Returns 0; -ENOMEM; -EFBIG if the profile reached its memory limit; -E2BIG if a regular expression reached
 * its own. After a failure the profile may hold part of the window and is only good for profile_destroy().
 */
int profile_add_window(struct profile *p, const struct window *w,
		       const struct profile_filter *filter);

/**
 * Name all frames: fills functions and lines. Call once, after the last window.
 *
 * Waits for symbol files that are being made, hottest binaries first, until the deadline, and uses the best
 * that is there then.
 *
 * @symbolizer: NULL = only names fixed in the windows
 * @deadline_ns: monotonic; 0 = do not wait
 *
 * Returns 0; -ENOMEM; -EFBIG as above.
 */
int profile_symbolize(struct profile *p, struct symbolizer *symbolizer, uint64_t deadline_ns);

/**
 * Have the symbol files made that profile_symbolize() will want, hottest binaries first; does not wait.
 *
 * Returns 0; -ENOMEM.
 */
int profile_prefetch(struct profile *p, struct symbolizer *symbolizer);

/** Text of a label of a set, NULL if the set lacks it; borrowed, valid until profile_destroy(). */
const char *profile_label_value(const struct profile *p, uint32_t label_set, const char *name);

/** Bytes of memory the profile holds. */
size_t profile_bytes(const struct profile *p);

#endif
