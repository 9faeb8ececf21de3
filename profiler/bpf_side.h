/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF side as user space sees it: loads the program, attaches it to CPUs, reads its rings and counters.
 *
 * Invariants: a link owns the perf event it is attached to; closing the object leaves nothing behind in the
 * kernel.
 * Thread rule: one at a time.
 */
#ifndef HEARTH_PROFILER_BPF_SIDE_H
#define HEARTH_PROFILER_BPF_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/sample.h"
#include "profiler/privileges.h"

struct bpf_side;

struct bpf_side_options {
	uint32_t frequency_hz;
	uint32_t online_cpus;  /* rings to make, at most BPF_SIDE_RINGS_MAX */
	uint64_t memory_bytes; /* most memory of all maps */
	uint64_t drain_ns;     /* how often the rings are drained at least */
	bool bounded; /* take the program for kernels without bpf_loop() even where there is one */
};

#define BPF_SIDE_RINGS_MAX 64u

/** Called with each record, borrowed until it returns; sizes in the header are those of the record. */
typedef void (*bpf_side_record_fn)(const struct record_header *record, size_t size, void *arg);

/**
 * Open and load the program.
 *
 * @ret: on success owned by the caller, free with bpf_side_close()
 *
 * Returns 0; -EPERM, -EACCES; -ENOTSUP without BTF; -ENOSPC if not even the smallest rings fit; -ENOMEM;
 * other -errno.
 */
int bpf_side_open(const struct bpf_side_options *options, struct bpf_side **ret);

/** Detach and free everything; NULL allowed. */
void bpf_side_close(struct bpf_side *side);

/**
 * Start sampling a CPU. One that is sampled already stays so.
 *
 * @ret_step: what failed, for privileges_explain(); NULL allowed
 *
 * Returns 0; -ENODEV if the CPU is offline; -errno.
 */
int bpf_side_attach(struct bpf_side *side, int cpu, enum privilege_step *ret_step);

/** Stop sampling a CPU; one that is not sampled is left alone. */
void bpf_side_detach(struct bpf_side *side, int cpu);

/** Becomes readable when a ring fills up; borrowed. */
int bpf_side_fd(const struct bpf_side *side);

/** Hand all records to @fn. Returns 0; -errno. */
int bpf_side_drain(struct bpf_side *side, bpf_side_record_fn fn, void *arg);

/** Start another epoch: all stacks are sent again. Returns its number. */
uint32_t bpf_side_next_epoch(struct bpf_side *side);

/** Sample one tick in @every (1 = each, at most 65535); the samples weigh as much. */
void bpf_side_set_thinning(struct bpf_side *side, uint32_t every);

/** Sum of the counters of all CPUs. Returns 0; -errno. */
int bpf_side_counters(struct bpf_side *side, struct sampler_counters *ret);

/** How many chunks of the unwinder's memory the budget has room for, chunk 0 included; 0 = none. */
uint32_t bpf_side_chunk_max(const struct bpf_side *side);

/**
 * Make a chunk of the unwinder's memory (UNWIND_CHUNK_BYTES of zeros).
 *
 * @index: below bpf_side_chunk_max(), each once
 * @ret: mapped into this process, borrowed until bpf_side_close()
 *
 * Returns 0; -ENOSPC; -ENOMEM; -errno.
 */
int bpf_side_add_chunk(struct bpf_side *side, uint32_t index, void **ret);

/** Tell the unwinder of a process's mappings. Returns 0; -E2BIG if the map is full; -errno. */
int bpf_side_put_process(struct bpf_side *side, uint32_t tgid,
			 const struct unwind_process_entry *entry);

/** Make the unwinder forget a process. */
void bpf_side_drop_process(struct bpf_side *side, uint32_t tgid);

/** Wait until every program that runs at the time of the call has ended. */
void bpf_side_wait_for_programs(struct bpf_side *side);

/** Memory of all maps in bytes, as the kernel accounts it. */
uint64_t bpf_side_map_bytes(const struct bpf_side *side);

/** Instructions that the verifier walked to accept the program; 0 where the kernel does not tell (before 5.16). */
uint64_t bpf_side_verified(const struct bpf_side *side);

/** Run time and count of the program; they stand still unless kernel.bpf_stats_enabled is 1. */
void bpf_side_run_stats(const struct bpf_side *side, uint64_t *ret_ns, uint64_t *ret_count);

#endif
