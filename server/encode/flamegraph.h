/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flame graph JSON, of one profile or of two side by side. The format is described at the head of flamegraph.c.
 *
 * Thread rule: as the profiles and the buffer.
 */
#ifndef HEARTH_SERVER_ENCODE_FLAMEGRAPH_H
#define HEARTH_SERVER_ENCODE_FLAMEGRAPH_H

#include "server/encode/encode.h"

struct flamegraph_sides {
	const struct profile *profile;
	const struct profile *base; /* what it is compared with; NULL = nothing */
	const char *query;	    /* selectors as given; NULL = "" */
	const char *base_query;
};

/**
 * Encode one or two symbolized profiles.
 *
 * Returns 0; -ENOENT if options->path is not there; -ENOMEM; -EFBIG.
 */
int flamegraph_encode(const struct flamegraph_sides *sides, const struct encode_options *options,
		      struct buffer *out);

/** `"from"`, `"to"`, `"query"`, `"period_ns"`, `"total"` of a profile. */
void flamegraph_put_head(struct buffer *out, const struct profile *p, const char *query);

/** `"lost"` and `"verdicts"` of a profile. */
void flamegraph_put_health(struct buffer *out, const struct profile *p);

#endif
