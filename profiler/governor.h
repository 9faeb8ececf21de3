/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The governor: decides how many ticks of the clock are sampled, so that what the profiler costs stays within a
 * budget of CPU time.
 *
 * It is told once a second what sampling has cost (the BPF program and the loop thread) and what all else in this
 * process and its children has. Sampling may have what the others leave of the budget, and half of it in any case:
 * thinning helps only against its own cost. Above that, samples are thinned in powers of two, at once as far as it
 * takes; they are made denser again one step at a time, when twice the cost has fitted for a while. Where even the
 * thinnest sampling costs far too much (process events come at their own rate), it stops for a minute.
 *
 * No clock, no files: a function of what it is told.
 * Thread rule: one at a time.
 */
#ifndef HEARTH_PROFILER_GOVERNOR_H
#define HEARTH_PROFILER_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#define GOVERNOR_THINNING_MAX 64u

struct governor {
	uint64_t budget_ns; /* CPU time a second; 0 = no limit */
	uint32_t thinning;  /* one tick in so many is sampled; a power of two */
	bool is_stopped;    /* nothing is to be sampled */

	uint64_t sampling_rate_ns; /* CPU time a second, over the last seconds */
	uint64_t other_rate_ns;
	uint64_t told_ns; /* when; 0 = never */
	uint64_t sampling_ns;
	uint64_t other_ns;
	uint64_t changed_ns; /* when thinning or is_stopped did last */
	uint64_t
		too_much_ns; /* since when the thinnest sampling costs far too much; 0 = it does not */
};

/** @budget_ns: CPU time a second; 0 = no limit */
void governor_init(struct governor *g, uint64_t budget_ns);

/**
 * Tell what was spent, and have `thinning` and `is_stopped` decided.
 *
 * @now_ns: any clock that only goes forward
 * @sampling_ns: CPU time that sampling has taken since the start
 * @other_ns: all other CPU time of the profiler since the start
 *
 * Returns whether a decision has changed.
 */
bool governor_tell(struct governor *g, uint64_t now_ns, uint64_t sampling_ns, uint64_t other_ns);

#endif
