/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of struct bpf_side: what its life (bpf_side.c) and the unwinder's memory (bpf_side_memory.c) share.
 *
 * Thread rule: as profiler/bpf_side.h.
 */
#ifndef HEARTH_PROFILER_BPF_SIDE_INTERNAL_H
#define HEARTH_PROFILER_BPF_SIDE_INTERNAL_H

#include "profiler/bpf_side.h"
#include "profiler/online_cpus.h"

struct sampler_bpf;
struct ring_buffer;
struct bpf_link;
struct bpf_program;

struct bpf_side {
	struct sampler_bpf *skeleton;
	struct ring_buffer *rings;
	int ring_fds[BPF_SIDE_RINGS_MAX]; /* of rings 1.. ; ring 0 is the skeleton's; -1 = none */
	struct bpf_link *links[CPUS_MAX]; /* by CPU; NULL = not sampled */
	struct sampler_counters *per_cpu; /* room for reading the counters */
	int possible_cpus;
	uint64_t period_ns;
	uint64_t map_bytes;    /* atomic after open: any thread reads it */
	uint64_t memory_bytes; /* what they may have */
	uint32_t chunk_max;
	int *chunk_fds;		     /* by index, chunk_max of them; -1 = none */
	void **chunks;		     /* mapped; NULL = none */
	struct bpf_program *program; /* the variant in use */
	bpf_side_record_fn fn;	     /* of the drain that is going on */
	void *fn_arg;
};

/** The map of chunks, to be filled. */
int bpf_side_chunks_fd(const struct bpf_side *side);

/** The map of processes. */
int bpf_side_processes_fd(const struct bpf_side *side);

/** Leave to chunks what the other maps do not take of the budget. Returns 0; -ENOMEM. */
int bpf_side_fit_chunks(struct bpf_side *side);

/** Free the chunks. */
void bpf_side_free_chunks(struct bpf_side *side);

/** Memory of a map by its fdinfo; 0 if that does not say. */
uint64_t bpf_side_map_memory(int fd);

static inline uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

#endif
