/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes through the samples that a query selects, in the order of their time, one by one: for what is not a profile.
 *
 * Thread rule: as the query.
 */
#ifndef HEARTH_SERVER_QUERY_SAMPLE_WALK_H
#define HEARTH_SERVER_QUERY_SAMPLE_WALK_H

#include "server/query/query.h"

struct sample_walk {
	const struct window *w;
	uint32_t *
		scratch; /* a number per label set of the window, 0 at first; the visitor's to use */
};

struct sample_visitor {
	/* Each sample; a result other than 0 ends the walk with it. */
	int (*sample)(const struct sample_walk *walk, const struct window_sample *s,
		      uint64_t wall_ns, void *arg);
	/* The part of each window inside the range, before its samples; NULL allowed. */
	void (*window)(const struct window *w, uint64_t wall_from_ns, uint64_t wall_to_ns,
		       void *arg);
	/* After the samples of each window; NULL allowed. */
	int (*done)(const struct sample_walk *walk, void *arg);
	void *arg;
	uint64_t resolution_ns; /* finest time that matters, as in struct store_scan */
};

/** Walk. Returns 0; what a visitor returned; -E2BIG, -ENOMEM and errors of the store as query_profile(). */
int sample_walk(struct query_engine *e, const struct query *q,
		const struct sample_visitor *visitor);

/** Value of a label of a window's label set, "" if it is not there; borrowed from the window. */
const char *window_label_value(const struct window *w, uint32_t label_set, const char *name);

#endif
