// SPDX-License-Identifier: Apache-2.0
#include "profiler/governor.h"

#include "base/clock.h"

#define MEMORY_NS    (5 * NS_PER_S)  /* what rates are averaged over */
#define REACTION_NS  (2 * NS_PER_S)  /* between two steps to thinner sampling: until a step shows */
#define RECOVERY_NS  (15 * NS_PER_S) /* before a step to denser sampling */
#define PATIENCE_NS  (10 * NS_PER_S) /* with what costs far too much */
#define PAUSE_NS     (60 * NS_PER_S) /* that sampling stops for */
#define FAR_TOO_MUCH 2		     /* times the budget */

void governor_init(struct governor *g, uint64_t budget_ns)
{
	*g = (struct governor){.budget_ns = budget_ns, .thinning = 1};
}

/* The mean, moved towards the rate of the last @span_ns by its share of MEMORY_NS. */
static uint64_t follow(uint64_t mean, uint64_t spent_ns, uint64_t span_ns)
{
	double rate = (double)spent_ns * NS_PER_S / (double)span_ns;
	double share = span_ns < MEMORY_NS ? (double)span_ns / MEMORY_NS : 1;

	return (uint64_t)((double)mean + (rate - (double)mean) * share);
}

/* What sampling may cost a second. */
static uint64_t allowance(const struct governor *g)
{
	uint64_t half = g->budget_ns / 2;

	return g->other_rate_ns < half ? g->budget_ns - g->other_rate_ns : half;
}

static bool change(struct governor *g, uint64_t now_ns, uint32_t thinning, bool is_stopped)
{
	if (thinning == g->thinning && is_stopped == g->is_stopped)
		return false;
	/* What it will cost, as far as the cost is that of samples; the next seconds tell. */
	g->sampling_rate_ns = g->sampling_rate_ns * g->thinning / thinning;
	g->thinning = thinning;
	g->is_stopped = is_stopped;
	g->changed_ns = now_ns;
	g->too_much_ns = 0;
	return true;
}

static bool decide(struct governor *g, uint64_t now_ns)
{
	uint64_t allowed = allowance(g), rate = g->sampling_rate_ns;
	uint64_t since_ns = now_ns - g->changed_ns;
	uint32_t thinning = g->thinning;

	if (g->is_stopped)
		return since_ns >= PAUSE_NS && change(g, now_ns, GOVERNOR_THINNING_MAX, false);

	if (rate <= allowed || thinning < GOVERNOR_THINNING_MAX)
		g->too_much_ns = 0;
	else if (!g->too_much_ns && rate > FAR_TOO_MUCH * g->budget_ns)
		g->too_much_ns = now_ns;
	if (g->too_much_ns && now_ns - g->too_much_ns >= PATIENCE_NS)
		return change(g, now_ns, thinning, true);

	if (rate > allowed && since_ns >= REACTION_NS) {
		while (rate > allowed && thinning < GOVERNOR_THINNING_MAX) {
			thinning *= 2;
			rate /= 2;
		}
	} else if (rate * 2 <= allowed && thinning > 1 && since_ns >= RECOVERY_NS) {
		thinning /= 2;
	}
	return change(g, now_ns, thinning, false);
}

bool governor_tell(struct governor *g, uint64_t now_ns, uint64_t sampling_ns, uint64_t other_ns)
{
	uint64_t span_ns = now_ns - g->told_ns;
	bool is_first = !g->told_ns;

	if (!is_first && !span_ns)
		return false;
	/* Clocks that were read one after the other may differ by some microseconds. */
	sampling_ns = sampling_ns > g->sampling_ns ? sampling_ns : g->sampling_ns;
	other_ns = other_ns > g->other_ns ? other_ns : g->other_ns;
	if (!is_first) {
		g->sampling_rate_ns =
			follow(g->sampling_rate_ns, sampling_ns - g->sampling_ns, span_ns);
		g->other_rate_ns = follow(g->other_rate_ns, other_ns - g->other_ns, span_ns);
	}
	g->told_ns = now_ns;
	g->sampling_ns = sampling_ns;
	g->other_ns = other_ns;
	return !is_first && g->budget_ns && decide(g, now_ns);
}
