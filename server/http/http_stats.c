/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/http_stats.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"

#define HANDLERS_MAX 32u

/* What we answer; anything else counts as 0, "other". */
static const unsigned int statuses[] = {200, 304, 400, 401, 403, 404, 405,
					413, 414, 429, 500, 503, 0};
static const uint64_t bounds_ns[] = {NS_PER_MS,	       5 * NS_PER_MS,	 25 * NS_PER_MS,
				     100 * NS_PER_MS,  500 * NS_PER_MS,	 1000 * NS_PER_MS,
				     5000 * NS_PER_MS, 30000 * NS_PER_MS};

struct handler_stats {
	const char *name;
	uint64_t by_status[ARRAY_SIZE(statuses)];
	uint64_t by_duration[ARRAY_SIZE(
		bounds_ns)]; /* not cumulated; longer ones are in count only */
	uint64_t count;
	uint64_t sum_ns;
};

struct http_stats {
	pthread_mutex_t lock;
	struct handler_stats handlers[HANDLERS_MAX]; /* guarded by lock */
	unsigned int handler_count;
};

int http_stats_create(struct http_stats **ret)
{
	struct http_stats *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

void http_stats_destroy(struct http_stats *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct handler_stats *find_handler(struct http_stats *s, const char *name)
{
	for (unsigned int i = 0; i < s->handler_count; i++)
		if (!strcmp(s->handlers[i].name, name))
			return &s->handlers[i];
	if (s->handler_count == HANDLERS_MAX)
		return NULL;
	s->handlers[s->handler_count].name = name;
	return &s->handlers[s->handler_count++];
}

static void count(struct handler_stats *h, unsigned int status, uint64_t duration_ns)
{
	size_t at = 0;

	while (statuses[at] && statuses[at] != status)
		at++;
	h->by_status[at]++;
	h->count++;
	h->sum_ns += duration_ns;
	for (size_t i = 0; i < ARRAY_SIZE(bounds_ns); i++)
		if (duration_ns <= bounds_ns[i]) {
			h->by_duration[i]++;
			break;
		}
}

void http_stats_count(struct http_stats *s, const char *handler, unsigned int status,
		      uint64_t duration_ns)
{
	pthread_mutex_lock(&s->lock);

	struct handler_stats *h = find_handler(s, handler);

	if (h)
		count(h, status, duration_ns);
	pthread_mutex_unlock(&s->lock);
}

static void write_counts(const struct handler_stats *h, struct buffer *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		char code[16] = "other";

		if (!h->by_status[i])
			continue;
		if (statuses[i])
			(void)snprintf(code, sizeof(code), "%u", statuses[i]); /* fits */
		buffer_printf(out, "hearth_http_requests_total{handler=\"%s\",code=\"%s\"} %llu\n",
			      h->name, code, (unsigned long long)h->by_status[i]);
	}
}

static void write_durations(const struct handler_stats *h, struct buffer *out)
{
	static const char metric[] = "hearth_http_request_duration_seconds";
	unsigned long long sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bounds_ns); i++) {
		sum += h->by_duration[i];
		buffer_printf(out, "%s_bucket{handler=\"%s\",le=\"%g\"} %llu\n", metric, h->name,
			      (double)bounds_ns[i] / NS_PER_S, sum);
	}
	buffer_printf(out, "%s_bucket{handler=\"%s\",le=\"+Inf\"} %llu\n", metric, h->name,
		      (unsigned long long)h->count);
	buffer_printf(out, "%s_sum{handler=\"%s\"} %.9g\n", metric, h->name,
		      (double)h->sum_ns / NS_PER_S);
	buffer_printf(out, "%s_count{handler=\"%s\"} %llu\n", metric, h->name,
		      (unsigned long long)h->count);
}

void http_stats_write(struct http_stats *s, struct buffer *out)
{
	pthread_mutex_lock(&s->lock);
	buffer_puts(out, "# HELP hearth_http_requests_total Requests answered.\n"
			 "# TYPE hearth_http_requests_total counter\n");
	for (unsigned int i = 0; i < s->handler_count; i++)
		write_counts(&s->handlers[i], out);
	buffer_puts(out,
		    "# HELP hearth_http_request_duration_seconds Time from the request's headers "
		    "to its answer, waiting included.\n"
		    "# TYPE hearth_http_request_duration_seconds histogram\n");
	for (unsigned int i = 0; i < s->handler_count; i++)
		write_durations(&s->handlers[i], out);
	pthread_mutex_unlock(&s->lock);
}
