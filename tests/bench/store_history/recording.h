/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording: what a real machine did, as programs that each run through a sequence of stacks.
 *
 * It is read from one segment of the embedded store, written by `hearth serve` while workloads ran. Threads of the
 * same program (command and executable) follow each other in its sequence, each in the order of its time.
 *
 * Thread rule: immutable after recording_open().
 */
#ifndef HEARTH_TESTS_BENCH_STORE_HISTORY_RECORDING_H
#define HEARTH_TESTS_BENCH_STORE_HISTORY_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include "server/store/segment_reader.h"

#define RECORDING_THREADS_MAX 8

struct program {
	const char *comm; /* borrowed from the recording */
	const char *exe;
	uint32_t *sequence; /* stacks, ids of the recording */
	size_t count;
	uint32_t threads; /* that it was seen with, at most RECORDING_THREADS_MAX */
	uint32_t
		stay_share; /* of 65536: how often the next sample of the CPU was of the same thread */
};

struct recording {
	struct segment_reader *reader;
	const struct segment_dict *dict; /* its strings, binaries, frames and stacks */
	struct program *programs;
	size_t program_count;
	size_t sample_count;
	size_t stack_count; /* distinct ones among the sequences */
	uint32_t *pool;	    /* sequences of all programs */
	int8_t *jitter_ms;  /* how far beside its beat each sample came */
	size_t jitter_count;
};

/**
 * Read a recording.
 *
 * @path: a segment of detail
 * @stacks_most: the rarest stacks beyond that are left out, with their samples
 * @ret: release with recording_release()
 *
 * Returns 0; -ENODATA if there are too few samples; -errno of reading.
 */
int recording_open(const char *path, size_t stacks_most, struct recording *ret);

/** Free what it holds. */
void recording_release(struct recording *r);

#endif
