// SPDX-License-Identifier: Apache-2.0
#include "server/balance/interval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

void interval_release(struct interval *i)
{
	accounting_release(&i->before);
	accounting_release(&i->after);
	balance_row_release(&i->row);
}

int accounting_copy(const struct accounting *from, struct accounting *ret)
{
	struct accounting a = *from;

	a.group_count = 0;
	a.group_capacity = from->group_count;
	a.groups = calloc(from->group_count + 1, sizeof(*a.groups));
	if (!a.groups)
		return -ENOMEM;
	for (size_t i = 0; i < from->group_count; i++) {
		a.groups[i] = from->groups[i];
		a.groups[i].path = strdup(from->groups[i].path);
		if (!a.groups[i].path) {
			accounting_release(&a);
			return -ENOMEM;
		}
		a.group_count++;
	}
	*ret = a;
	return 0;
}

/* CPU time of a window's samples within a range, by label set. @sums: one a label set, filled in. */
static uint64_t sum_samples(const struct window *w, uint64_t from_ns, uint64_t to_ns,
			    uint64_t *sums, uint64_t *ret_total_ns)
{
	uint64_t count = 0;
	uint64_t total = 0;

	memset(sums, 0, w->label_set_count * sizeof(*sums));
	for (uint32_t i = 0; i < w->sample_count; i++) {
		const struct window_sample *s = &w->samples[i];
		uint64_t wall_ns = w->wall_start_ns + s->time_us * NS_PER_US;

		if (wall_ns < from_ns || wall_ns >= to_ns)
			continue;
		sums[s->labels] += s->weight * w->period_ns;
		total += s->weight * w->period_ns;
		count++;
	}
	*ret_total_ns = total;
	return count;
}

static const char *cgroup_of(const struct window *w, uint32_t label_set)
{
	const struct window_label_set *set = &w->label_sets[label_set];

	for (uint32_t i = set->first; i < set->first + set->count; i++)
		if (!strcmp(strpool_get(&w->strings, w->labels[i].name), "cgroup"))
			return strpool_get(&w->strings, w->labels[i].value);
	return "/";
}

/* Count a window's samples between two moments in a row. */
int interval_attribute(const struct window *w, uint64_t from_ns, uint64_t to_ns,
		       struct balance_row *row)
{
	auto_free uint64_t *sums = calloc(w->label_set_count + 1u, sizeof(*sums));
	uint64_t total_ns;

	if (!sums)
		return -ENOMEM;
	row->samples += sum_samples(w, from_ns, to_ns, sums, &total_ns);
	row->attributed_ns += total_ns;
	for (uint32_t i = 0; i < w->label_set_count; i++)
		if (sums[i] && balance_row_add(row, cgroup_of(w, i), 0, sums[i]))
			return -ENOMEM;
	if (w->wall_end_ns > from_ns && w->wall_end_ns <= to_ns)
		for (int i = 0; i < LOST_REASON_COUNT; i++)
			row->lost_ns[i] += w->lost[i] * w->period_ns;
	return 0;
}

/* Usage of each cgroup by itself between the readings of an interval, added to @row by the paths of the second. */
static int add_kernel(const struct interval *i, struct balance_row *row)
{
	const struct accounting *a = &i->after;
	auto_free int64_t *own_ns = calloc(a->group_count + 1, sizeof(*own_ns));

	if (!own_ns)
		return -ENOMEM;
	for (size_t g = 0; g < a->group_count; g++) {
		const struct account_group *group = &a->groups[g];
		uint32_t at = accounting_find(&i->before, group->path);
		bool is_old = at != ACCOUNTING_NO_PARENT &&
			      !strcmp(i->before.groups[at].path, group->path);
		uint64_t since_ns = is_old ? i->before.groups[at].usage_ns : 0;
		int64_t used_ns = (int64_t)(group->usage_ns - since_ns);

		if (used_ns < 0) /* another cgroup of the same name */
			used_ns = (int64_t)group->usage_ns;
		own_ns[g] += used_ns;
		if (group->parent != ACCOUNTING_NO_PARENT)
			own_ns[group->parent] -= used_ns;
	}
	for (size_t g = 0; g < a->group_count; g++)
		if (own_ns[g] > 0 &&
		    balance_row_add(row, a->groups[g].path, (uint64_t)own_ns[g], 0))
			return -ENOMEM;
	return 0;
}

/* What an interval that has ended comes to. @attributed: by the paths of labels, which become those of cgroups. */
int interval_finish(const struct interval *i, const struct balance_row *attributed,
		    struct balance_row *ret)
{
	CLEANUP(balance_row_release)
	struct balance_row row = {
		.wall_from_ns = i->before.wall_ns,
		.wall_to_ns = i->after.wall_ns,
		.covered_ns = i->after.wall_ns - i->before.wall_ns,
		.attributed_ns = attributed->attributed_ns,
		.samples = attributed->samples,
	};

	memcpy(row.lost_ns, attributed->lost_ns, sizeof(row.lost_ns));
	for (int k = 0; k < ACCOUNT_KIND_COUNT; k++)
		if (i->after.cpu_ns[k] > i->before.cpu_ns[k]) /* idle and iowait may go back */
			row.cpu_ns[k] = i->after.cpu_ns[k] - i->before.cpu_ns[k];
	for (size_t g = 0; g < attributed->group_count; g++) {
		const struct balance_group *group = &attributed->groups[g];
		uint32_t at =
			accounting_find(&i->after, strpool_get(&attributed->paths, group->path));
		const char *path = at == ACCOUNTING_NO_PARENT ? "/" : i->after.groups[at].path;

		if (balance_row_add(&row, path, 0, group->attributed_ns))
			return -ENOMEM;
	}
	return add_kernel(i, &row) ? -ENOMEM : balance_row_merge(ret, &row);
}
