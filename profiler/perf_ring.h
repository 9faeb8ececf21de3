/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of process events of one CPU: a dummy software perf event and its memory-mapped ring.
 *
 * Thread rule: one at a time.
 */
#ifndef HEARTH_PROFILER_PERF_RING_H
#define HEARTH_PROFILER_PERF_RING_H

#include <stddef.h>
#include <stdint.h>

#define PERF_RING_RECORD_MAX 65536u /* the size field of a record is 16 bits wide */

struct perf_ring;

/** Called with each record, borrowed until it returns. A value other than 0 ends the draining. */
typedef int (*perf_ring_record_fn)(const void *record, size_t size, void *arg);

/**
 * Open the event on a CPU and start logging.
 *
 * @data_bytes: size of the ring, a power of two times the page size
 * @ret: on success owned by the caller, free with perf_ring_close()
 *
 * Returns 0; -EINVAL if @data_bytes is no such size; -ENODEV if the CPU is offline; -EACCES, -EPERM; -EMFILE; -ENOMEM;
 * other -errno of perf_event_open(2) and mmap(2).
 */
int perf_ring_open(int cpu, size_t data_bytes, struct perf_ring **ret);

/** Close the event and free everything; NULL allowed. */
void perf_ring_close(struct perf_ring *ring);

/** Becomes readable when the ring holds records; borrowed. */
int perf_ring_fd(const struct perf_ring *ring);

/**
 * Hand all records in the ring to @fn and free their room.
 *
 * Returns 0; what @fn returned to end it (the record counts as taken); -EBADMSG if the ring holds nonsense, which
 * is skipped up to its head.
 */
int perf_ring_drain(struct perf_ring *ring, perf_ring_record_fn fn, void *arg);

#endif
