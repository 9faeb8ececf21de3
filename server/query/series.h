/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU use over time, one series per value of a label; and samples per short cell of time.
 *
 * Thread rule: any thread may query; a result belongs to who asked.
 */
#ifndef HEARTH_SERVER_QUERY_SERIES_H
#define HEARTH_SERVER_QUERY_SERIES_H

#include "server/query/query.h"

/** One value of the label. */
struct series {
	uint32_t value; /* string id; 0 = the label is not there */
	uint64_t total_ns;
	uint64_t *cpu_ns;  /* owned; CPU time per step */
	uint64_t *samples; /* samples per step, in the block of cpu_ns */
};

struct series_set {
	struct strpool strings;
	struct series *series; /* owned; most CPU time first */
	size_t count;
	size_t capacity;
	struct idmap by_value;
	uint64_t wall_from_ns;
	uint64_t step_ns;
	uint64_t period_ns; /* the longest of the windows */
	size_t step_count;
	uint64_t *covered_ns; /* owned; per step: how much of it lies in windows */
};

/**
 * Count CPU time per step and value of a label.
 *
 * @by: label name; NULL or "" = one series of everything
 * @step_ns: length of a step, the first starts at q->wall_from_ns, the last may be cut by q->wall_to_ns
 * @ret: on success to be freed with series_set_release()
 *
 * Returns 0; -EFBIG if there are too many values times steps; else as query_profile().
 */
int query_series(struct query_engine *e, const struct query *q, const char *by, uint64_t step_ns,
		 struct series_set *ret);

/** Free what @s holds; NULL allowed. */
void series_set_release(struct series_set *s);

/** A label's name or value, and how many samples carry it. */
struct label_count {
	uint32_t text; /* string id */
	uint64_t samples;
};

struct label_list {
	struct strpool strings;
	struct label_count *items; /* owned; sorted by text */
	size_t count;
	size_t capacity;
	struct idmap by_text;
};

/**
 * List label names, or the values of one.
 *
 * @name: NULL = list names
 * @ret: on success to be freed with label_list_release()
 *
 * Returns 0; else as query_profile().
 */
int query_labels(struct query_engine *e, const struct query *q, const char *name,
		 struct label_list *ret);

/** Free what @l holds; NULL allowed. */
void label_list_release(struct label_list *l);

#endif
