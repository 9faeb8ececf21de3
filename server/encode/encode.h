/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders: a symbolized profile in the formats of others and of our own page.
 *
 * All append to a buffer and return 0; -ENOMEM; -EFBIG if the buffer's limit was reached; -EIO if compression
 * failed. After a failure the buffer holds a part of the output.
 *
 * Thread rule: as the profile and the buffer.
 */
#ifndef HEARTH_SERVER_ENCODE_ENCODE_H
#define HEARTH_SERVER_ENCODE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "server/query/profile.h"

struct encode_options {
	const char *query; /* the selector as given, shown to people; NULL = "" */
	double min_share; /* flame graph, html: smaller frames are elided; < 0 = 1/16384, 0 = none */
	const char *const
		*path; /* flame graph: only below these names, outermost first; NULL = all */
	size_t path_count;
	size_t limit; /* top: most functions listed, 0 = all */
};

/**
 * pprof (google/pprof's profile.proto), gzip.
 *
 * Sample types samples/count and cpu/nanoseconds (default); labels that the profile kept, pid and tid as numbers.
 */
int encode_pprof(const struct profile *p, const struct encode_options *options, struct buffer *out);

/**
 * Folded stacks: `comm;root;...;leaf COUNT` a line, sorted. Kernel frames end in "_[k]", inlined ones in "_[i]",
 * JIT ones in "_[j]"; ';' becomes ':' and control characters become ' ' inside names. The profile must have kept `comm`.
 */
int encode_folded(const struct profile *p, const struct encode_options *options,
		  struct buffer *out);

/** speedscope's JSON file format, one sampled profile in nanoseconds. */
int encode_speedscope(const struct profile *p, const struct encode_options *options,
		      struct buffer *out);

/** The flame graph JSON of our own page (described at the head of flamegraph.c). */
int encode_flamegraph(const struct profile *p, const struct encode_options *options,
		      struct buffer *out);

/** JSON table of functions with self and total. */
int encode_top(const struct profile *p, const struct encode_options *options, struct buffer *out);

/** One self-contained HTML file: the page with the flame graph inside. */
int encode_html(const struct profile *p, const struct encode_options *options, struct buffer *out);

#endif
