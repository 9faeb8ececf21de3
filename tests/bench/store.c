/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the history of a busy host and measures its size and how long queries take.
 *
 *	store DIRECTORY CORES HOURS BUSY_PERCENT
 *
 * The host has 500 processes of 4 threads and 20,000 stacks of 6 to 45 frames that share their roots. A CPU stays with
 * its thread for some ticks; a process has 40 stacks, the first of them hot (Zipf); idle ticks leave no sample.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/parse.h"
#include "profiler/window_builder.h"
#include "server/query/label_filter.h"
#include "server/query/profile.h"
#include "server/store/sqlite_internal.h"
#include "server/store/store.h"

#define T0	    (1700006400 * NS_PER_S)
#define SPAN	    (10 * NS_PER_S)
#define PERIOD	    (NS_PER_S / 19)
#define PROCESSES   500
#define THREADS	    4
#define STACKS	    20000
#define DEPTH_MAX   45
#define BINARIES    60
#define OF_PROCESS  (STACKS / PROCESSES)
#define REPETITIONS 21
#define CORES_MAX   256

struct cpu {
	uint32_t process, thread;
	uint64_t phase_ns;
};

struct host {
	uint64_t seed;
	uint32_t cores, busy_percent;
	struct binary *binaries[BINARIES];
	struct window_frame frames[STACKS]
				  [DEPTH_MAX]; /* leaf first; binary = index into binaries */
	uint8_t depths[STACKS];
	double zipf[OF_PROCESS];
	struct cpu cpus[CORES_MAX];
};

static uint64_t next_random(struct host *h)
{
	uint64_t z = (h->seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static double next_share(struct host *h)
{
	return (double)(next_random(h) >> 11) / (double)(1ull << 53);
}

static int make_binaries(struct host *h)
{
	for (uint32_t i = 0; i < BINARIES; i++) {
		char path[64];
		struct binary_identity identity = {.path = path, .has_build_id = true};

		(void)snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/lib%u.so",
			       i); /* fits */
		identity.build_id.length = 20;
		for (int k = 0; k < 20; k++)
			identity.build_id.bytes[k] = (uint8_t)next_random(h);
		if (binary_create_detached(&identity, &h->binaries[i]))
			return -1;
	}
	return 0;
}

/* Each stack is the root part of one before it and some frames of its own. */
static void make_stacks(struct host *h)
{
	for (uint32_t i = 0; i < STACKS; i++) {
		uint32_t depth = 6 + (uint32_t)(next_random(h) % (DEPTH_MAX - 6));
		uint32_t process = i / OF_PROCESS;
		uint32_t other = process * OF_PROCESS + (uint32_t)(next_random(h) % OF_PROCESS);
		uint32_t shared = i % OF_PROCESS && other < i
					  ? (uint32_t)(next_random(h) % h->depths[other])
					  : 0;

		if (shared > depth)
			shared = depth;
		for (uint32_t k = 0; k < depth; k++) {
			struct window_frame *f = &h->frames[i][depth - 1 - k];

			if (k < shared) {
				*f = h->frames[other][h->depths[other] - 1 - k];
				continue;
			}
			f->binary = (process + (uint32_t)(next_random(h) % 5)) % BINARIES;
			f->addr = 0x1000 + next_random(h) % 800 * 37;
		}
		h->depths[i] = (uint8_t)depth;
	}
	double sum = 0;

	for (uint32_t i = 0; i < OF_PROCESS; i++)
		h->zipf[i] = sum += 1.0 / pow(i + 1, 1.1);
	for (uint32_t i = 0; i < OF_PROCESS; i++)
		h->zipf[i] /= sum;
}

static int add_stack(struct host *h, struct window_builder *b, uint32_t n, uint32_t *ret)
{
	uint32_t ids[DEPTH_MAX];

	for (uint32_t i = 0; i < h->depths[n]; i++) {
		struct window_frame f = h->frames[n][i];

		if (window_builder_binary(b, h->binaries[f.binary], &f.binary) ||
		    window_builder_frame(b, &f, &ids[i]))
			return -1;
	}
	return window_builder_stack(b, ids, h->depths[n], STACK_COMPLETE, ret);
}

static int add_labels(struct window_builder *b, uint32_t process, uint32_t thread, uint32_t *ret)
{
	static const char *const names[] = {"comm", "exe", "pid", "tid", "cgroup", "unit"};
	static const char *const forms[] = {"service-%u",
					    "/usr/bin/service-%u",
					    "%u",
					    "%u",
					    "/system.slice/service-%u.service",
					    "service-%u.service"};
	struct window_label labels[6];

	for (int i = 0; i < 6; i++) {
		char text[64];
		uint32_t value = i == 2	  ? 1000 + process * 10
				 : i == 3 ? 1000 + process * 10 + thread
					  : process;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof(text), forms[i], value); /* fits */
#pragma GCC diagnostic pop
		if (window_builder_string(b, names[i], &labels[i].name) ||
		    window_builder_string(b, text, &labels[i].value))
			return -1;
	}
	return window_builder_labels(b, labels, 6, ret);
}

static int add_sample(struct host *h, struct window_builder *b, uint32_t core, uint64_t at_ns)
{
	struct cpu *cpu = &h->cpus[core];
	struct window_sample s = {.weight = 1, .cpu = (uint16_t)core};
	double share = next_share(h);
	uint32_t rank = 0;

	if (next_random(h) % 100 >= h->busy_percent)
		return 0;
	if (next_random(h) % 10 < 4) {
		/* Some processes are much busier than others. */
		cpu->process = (uint32_t)(PROCESSES * pow(next_share(h), 3));
		cpu->thread = (uint32_t)(next_random(h) % THREADS);
	}
	while (rank + 1 < OF_PROCESS && h->zipf[rank] < share)
		rank++;
	if (add_stack(h, b, cpu->process * OF_PROCESS + rank, &s.stack) ||
	    add_labels(b, cpu->process, cpu->thread, &s.labels))
		return -1;
	return window_builder_sample(b, at_ns, &s);
}

static struct window *make_window(struct host *h, uint64_t index)
{
	struct window_builder b;
	struct window *w = NULL;
	uint64_t start_ns = index * SPAN;

	window_builder_init(&b, NULL);
	window_builder_open(&b, 0, T0 + start_ns, PERIOD);
	for (uint64_t tick = start_ns / PERIOD; tick <= (start_ns + SPAN) / PERIOD; tick++)
		for (uint32_t core = 0; core < h->cores; core++) {
			uint64_t at_ns = tick * PERIOD + h->cpus[core].phase_ns +
					 next_random(h) % (50 * NS_PER_US);

			if (at_ns >= start_ns && at_ns < start_ns + SPAN &&
			    add_sample(h, &b, core, at_ns - start_ns))
				return NULL;
		}
	if (window_builder_finish(&b, T0 + start_ns + SPAN, &w))
		w = NULL;
	window_builder_release(&b);
	return w;
}

/* --- measuring -------------------------------------------------------------------------------------- */

static int write_history(struct host *h, struct store *s, uint64_t hours)
{
	uint64_t samples = 0, spent_ns = 0;
	struct store_stats stats;

	for (uint64_t i = 0; i < hours * 360; i++) {
		struct window *w = make_window(h, i);
		uint64_t begin_ns = clock_now_ns();

		if (!w || store_append(s, w) ||
		    (i % 30 == 0 && sqlite_merge((struct store_sqlite *)s)))
			return -1;
		spent_ns += clock_now_ns() - begin_ns;
		samples += w->sample_count;
		window_unref(w);
	}
	store_stats(s, &stats);
	printf("  %-28s %10.2f MB a core and day; %.2f bytes a sample\n", "on disk, sums included",
	       (double)stats.bytes / h->cores / (double)hours * 24 / 1e6,
	       (double)stats.bytes / (double)samples);
	printf("  %-28s %10.2f ms a window of %llu samples\n", "to write, sums included",
	       (double)spent_ns / 1e6 / (double)(hours * 360),
	       (unsigned long long)(samples / (hours * 360)));
	return 0;
}

struct merging {
	struct profile *profile;
	struct profile_filter filter;
};

static int merge_window(struct window *w, void *arg)
{
	struct merging *m = arg;

	return profile_add_window(m->profile, w, &m->filter);
}

static int query_once(struct store *s, const struct store_scan *scan, uint64_t *ret_ns,
		      size_t *ret_stacks)
{
	struct merging m = {
		.filter = {.wall_from_ns = scan->wall_from_ns, .wall_to_ns = scan->wall_to_ns}};
	uint64_t begin_ns = clock_now_ns();
	int err = profile_create(NULL, &m.profile);

	if (!err)
		err = label_filter_create(scan->selector, &m.filter.labels);
	if (!err)
		err = store_scan(s, scan, merge_window, &m);
	if (!err)
		err = profile_symbolize(m.profile, NULL, 0);
	*ret_ns = clock_now_ns() - begin_ns;
	if (!err)
		*ret_stacks = m.profile->stack_count;
	label_filter_destroy(m.filter.labels);
	profile_destroy(m.profile);
	return err;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int measure_query(struct store *s, uint64_t end_ns, uint64_t length_ns, const char *selector)
{
	struct store_scan scan = {
		/* Not aligned to anything. */
		.wall_from_ns = end_ns - length_ns + 123456789,
		.wall_to_ns = end_ns - 98765432,
		.resolution_ns = STORE_TOTALS,
	};
	uint64_t times[REPETITIONS];
	struct selector *parsed = NULL;
	char error[128];
	size_t stacks = 0;
	int err = selector_parse(selector, &parsed, error, sizeof(error));

	scan.selector = parsed;
	for (int i = 0; i < REPETITIONS && !err; i++)
		err = query_once(s, &scan, &times[i], &stacks);
	selector_destroy(parsed);
	if (err)
		return err;
	qsort(times, REPETITIONS, sizeof(*times), compare_times);
	printf("  %5.2f h %-22s p50 %8.1f ms   p95 %8.1f ms   %zu stacks\n",
	       (double)length_ns / 3600e9, *selector ? selector : "everything",
	       (double)times[REPETITIONS / 2] / 1e6, (double)times[REPETITIONS * 95 / 100] / 1e6,
	       stacks);
	return 0;
}

static int measure_queries(struct store *s, uint64_t hours)
{
	const uint64_t lengths[] = {NS_PER_S * 900, NS_PER_S * 86400, NS_PER_S * 86400 * 30};
	uint64_t end_ns = T0 + hours * 3600 * NS_PER_S;
	struct rusage usage;

	for (size_t i = 0; i < 3; i++) {
		if (i && lengths[i - 1] >= hours * 3600 * NS_PER_S)
			break;
		uint64_t length_ns =
			lengths[i] < hours * 3600 * NS_PER_S ? lengths[i] : hours * 3600 * NS_PER_S;

		if (measure_query(s, end_ns, length_ns, "") ||
		    measure_query(s, end_ns, length_ns, "{comm=\"service-7\"}") ||
		    measure_query(s, end_ns, length_ns, "{comm=~\"service-1.*\"}"))
			return -1;
	}
	(void)getrusage(RUSAGE_SELF, &usage); /* cannot fail with these arguments */
	printf("  %-28s %10.1f MB\n", "largest size of the process",
	       (double)usage.ru_maxrss / 1024);
	return 0;
}

int main(int argc, char **argv)
{
	struct host *h = calloc(1, sizeof(*h));
	uint64_t hours;
	struct store *s;
	struct store_sqlite_options options = {.limit_bytes = 1ull << 40,
					       .no_merging_thread = true};

	if (!h || argc != 5 || parse_u32_range(argv[2], 1, CORES_MAX, &h->cores) ||
	    parse_u64(argv[3], &hours) || !hours ||
	    parse_u32_range(argv[4], 1, 100, &h->busy_percent)) {
		fputs("usage: store DIRECTORY CORES HOURS BUSY_PERCENT\n", stderr);
		return 2;
	}
	options.directory = argv[1];
	h->seed = 42;
	for (uint32_t i = 0; i < h->cores; i++)
		h->cpus[i].phase_ns = next_random(h) % PERIOD;
	make_stacks(h);
	if (make_binaries(h) || store_sqlite_create(&options, &s) || write_history(h, s, hours))
		return 1;
	store_destroy(s);

	/* Again from disk, with nothing in memory. */
	if (store_sqlite_create(&options, &s) || measure_queries(s, hours))
		return 1;
	store_destroy(s);
	for (int i = 0; i < BINARIES; i++)
		binary_unref(h->binaries[i]);
	free(h);
	return 0;
}
