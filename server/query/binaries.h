/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of binaries: for each that samples of a query have frames in, how much CPU time it stands for, how much
 * of that has no name, and how its stacks ended.
 *
 * A sample counts once for each binary it has a frame in, so that the sums of binaries exceed the whole.
 *
 * Thread rule: any thread may query; a result belongs to who asked.
 */
#ifndef HEARTH_SERVER_QUERY_BINARIES_H
#define HEARTH_SERVER_QUERY_BINARIES_H

#include "server/query/query.h"

#define BINARY_ENDS_MAX 8 /* reasons told apart per binary */

/** Why stacks ended in a binary, and how many samples. */
struct binary_end {
	uint32_t marker; /* string id of the marker, such as "[truncated stack]" */
	uint64_t samples;
};

struct binary_use {
	uint32_t binary;	      /* index into the profile's binaries */
	uint64_t cpu_ns;	      /* samples with a frame in it */
	uint64_t self_cpu_ns;	      /* samples whose leaf is in it */
	uint64_t unnamed_cpu_ns;      /* samples with a frame in it that has no name */
	uint64_t unnamed_self_cpu_ns; /* samples whose leaf is one of these */
	uint64_t frame_count;	      /* different frames in it, and those of them without a name */
	uint64_t unnamed_frame_count;
	uint64_t complete_samples;  /* those whose stack is complete */
	uint64_t truncated_samples; /* those whose stack ends in this binary before its time */
	uint64_t failed_samples;
	const char *comm; /* of the process that most of the unnamed time is of; NULL = unknown */
	uint64_t comm_weight; /* private to the counting */
	struct binary_end ends
		[BINARY_ENDS_MAX]; /* of truncated and failed ones; the last holds what has no slot */
	size_t end_count;
};

struct binary_ledger {
	struct profile *profile; /* owned */
	struct binary_use *uses; /* owned; most unnamed CPU time first, then most CPU time */
	size_t count;
	uint64_t unnamed_cpu_ns;      /* samples with any frame without a name */
	uint64_t unnamed_self_cpu_ns; /* samples whose leaf has none */
};

/**
 * Make the ledger of what a query selects.
 *
 * @ret: on success to be freed with binary_ledger_release()
 *
 * Returns 0; else as query_profile().
 */
int query_binaries(struct query_engine *e, const struct query *q, struct binary_ledger *ret);

/** Count what a symbolized profile holds. @ret: takes ownership of @p on success. Returns 0; -ENOMEM. */
int binary_ledger_count(struct profile *p, struct binary_ledger *ret);

/** Free what @l holds; NULL allowed. */
void binary_ledger_release(struct binary_ledger *l);

#endif
