// SPDX-License-Identifier: Apache-2.0
/*
 * /api/v1/balance: CPU time that samples stand for beside the kernel's accounting. docs/http.md shows the answer and
 * says what each cause means.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "server/balance/balance.h"
#include "server/encode/json.h"
#include "server/http/handlers.h"
#include "server/http/params.h"
#include "server/http/service.h"
#include "server/query/names.h"

#define GROUPS_DEFAULT 200u

/* Seconds that may be negative: more attributed than accounted for. */
static void put_difference(struct buffer *out, const char *key, double seconds)
{
	json_put_key(out, key);
	buffer_printf(out, "%.9g", seconds);
}

static double seconds(uint64_t ns)
{
	return (double)ns / NS_PER_S;
}

static void put_cause(struct buffer *out, const char *cause, double value, bool is_estimate)
{
	json_put_comma(out);
	buffer_putc(out, '{');
	json_put_text(out, "cause", cause);
	put_difference(out, "cpu_seconds", value);
	json_put_bool(out, "estimate", is_estimate);
	buffer_putc(out, '}');
}

/* What CPUs did besides idling and waiting. */
static double busy_seconds(const struct balance_row *r)
{
	return seconds(r->cpu_ns[ACCOUNT_USER] + r->cpu_ns[ACCOUNT_NICE] +
		       r->cpu_ns[ACCOUNT_SYSTEM] + r->cpu_ns[ACCOUNT_IRQ] +
		       r->cpu_ns[ACCOUNT_SOFTIRQ]);
}

/* Interrupts come while a CPU idles as often as not: their share of idle time is not sampled. */
static double idle_interrupts(const struct balance_row *r)
{
	double idle = seconds(r->cpu_ns[ACCOUNT_IDLE] + r->cpu_ns[ACCOUNT_IOWAIT]);
	double all = idle + busy_seconds(r);
	double interrupts = seconds(r->cpu_ns[ACCOUNT_IRQ] + r->cpu_ns[ACCOUNT_SOFTIRQ]);

	return all > 0 ? interrupts * idle / all : 0;
}

/* One standard deviation of what @attributed would be if samples came at random; on busy CPUs they come more evenly. */
static double sampling_error(const struct balance_row *r, double attributed)
{
	double period = r->samples ? seconds(r->attributed_ns) / (double)r->samples : 0;

	return sqrt(attributed * period);
}

static void put_total(struct buffer *out, const struct balance_row *r)
{
	double kernel = busy_seconds(r);
	double attributed = seconds(r->attributed_ns);
	double left = kernel - attributed;

	put_difference(out, "kernel_cpu_seconds", kernel);
	put_difference(out, "attributed_cpu_seconds", attributed);
	put_difference(out, "ratio", kernel > 0 ? attributed / kernel : 0);
	put_difference(out, "missing_cpu_seconds", left);
	put_difference(out, "sampling_error_cpu_seconds", sampling_error(r, attributed));
	json_put_key(out, "missing");
	buffer_putc(out, '[');
	for (int i = 0; i < LOST_REASON_COUNT; i++) {
		put_cause(out, lost_reason_name(i), seconds(r->lost_ns[i]), false);
		left -= seconds(r->lost_ns[i]);
	}
	put_cause(out, "interrupts_while_idle", idle_interrupts(r), true);
	left -= idle_interrupts(r);
	put_cause(out, "unexplained", left, false);
	buffer_putc(out, ']');
	put_difference(out, "unexplained_ratio", kernel > 0 ? left / kernel : 0);
}

static void put_accounting(struct buffer *out, const struct balance_row *r)
{
	static const char *const names[ACCOUNT_KIND_COUNT] = {"user",	"nice", "system",  "idle",
							      "iowait", "irq",	"softirq", "steal"};

	json_put_key(out, "accounting");
	buffer_putc(out, '{');
	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		json_put_seconds(out, names[i], r->cpu_ns[i]);
	buffer_putc(out, '}');
}

static int compare_group(const void *a, const void *b)
{
	const struct balance_group *x = a;
	const struct balance_group *y = b;

	if (x->kernel_ns != y->kernel_ns)
		return x->kernel_ns > y->kernel_ns ? -1 : 1;
	if (x->attributed_ns != y->attributed_ns)
		return x->attributed_ns > y->attributed_ns ? -1 : 1;
	return x->path < y->path ? -1 : x->path > y->path;
}

/* A cgroup is charged for time that the hypervisor took from it; nothing runs then that could be sampled. */
static void put_group(struct buffer *out, const struct balance_row *r,
		      const struct balance_group *g, uint64_t groups_ns)
{
	double kernel = seconds(g->kernel_ns);
	double attributed = seconds(g->attributed_ns);
	double share = groups_ns ? (double)g->kernel_ns / (double)groups_ns : 0;
	double excess = seconds(groups_ns) - busy_seconds(r); /* charged, but not in /proc/stat */
	double steal = seconds(r->cpu_ns[ACCOUNT_STEAL]);
	double stolen = excess < 0 ? 0 : excess < steal ? excess : steal;
	double lost = 0;

	for (int i = 0; i < LOST_REASON_COUNT; i++)
		lost += seconds(r->lost_ns[i]);
	json_put_comma(out);
	buffer_putc(out, '{');
	json_put_text(out, "cgroup", strpool_get(&r->paths, g->path));
	put_difference(out, "kernel_cpu_seconds", kernel);
	put_difference(out, "attributed_cpu_seconds", attributed);
	put_difference(out, "ratio", kernel > 0 ? attributed / kernel : 0);
	put_difference(out, "missing_cpu_seconds", kernel - attributed);
	put_difference(out, "sampling_error_cpu_seconds", sampling_error(r, attributed));
	json_put_key(out, "missing");
	buffer_putc(out, '[');
	put_cause(out, "steal", stolen * share, true);
	put_cause(out, "lost", lost * share, true);
	put_cause(out, "unexplained", kernel - attributed - (stolen + lost) * share, false);
	buffer_puts(out, "]}");
}

static void put_groups(struct buffer *out, struct balance_row *r, size_t limit)
{
	uint64_t groups_ns = 0;

	for (size_t i = 0; i < r->group_count; i++)
		groups_ns += r->groups[i].kernel_ns;
	if (r->group_count)
		qsort(r->groups, r->group_count, sizeof(r->groups[0]), compare_group);
	json_put_seconds(out, "cgroups_cpu_seconds", groups_ns);
	json_put_number(out, "total", r->group_count);
	json_put_key(out, "cgroups");
	buffer_putc(out, '[');
	for (size_t i = 0; i < r->group_count && i < limit; i++)
		put_group(out, r, &r->groups[i], groups_ns);
	buffer_putc(out, ']');
}

static void work_balance(struct request *r)
{
	CLEANUP(balance_row_release) struct balance_row row = {0};
	struct buffer *out = &r->answer.body;
	const struct query *q = &r->query;
	int err = balance_query(r->service->balance, q->wall_from_ns, q->wall_to_ns, &row);

	if (err) {
		answer_failure(r, err);
		return;
	}
	buffer_putc(out, '{');
	json_put_seconds(out, "from", row.wall_from_ns);
	json_put_seconds(out, "to", row.wall_to_ns);
	json_put_seconds(out, "covered_seconds", row.covered_ns);
	json_put_number(out, "samples", row.samples);
	json_put_text(out, "hierarchy",
		      account_hierarchy_name(balance_hierarchy(r->service->balance)));
	put_total(out, &row);
	put_accounting(out, &row);
	put_groups(out, &row, r->limit ? r->limit : GROUPS_DEFAULT);
	buffer_puts(out, "}\n");
	answer_body(r, MHD_HTTP_OK, "application/json");
}

void handle_balance(struct request *r)
{
	if (!r->service->balance) {
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "no balance is kept here: the log says why");
		return;
	}
	if (params_range(r) && params_view(r))
		request_defer(r, work_balance, 0);
}
