/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the history of a simulated host into a directory, through the store's own code and with a clock of its own.
 *
 *	store-history [--limit BYTES] [--all] [--from WINDOW] [--windows N] [--report] DIRECTORY RECORDING CORES BUSY_PERCENT DAYS
 *
 * --limit: of the directory; --all: simulate every sample of all days; --from: go on behind so many windows; --windows: at
 * most so many; --report: print each window's start (in seconds) and samples once it is in the store, and at the end
 * of each hour how many windows of the last hour are there in full detail.
 *
 * The history ends at START + DAYS + TAIL_S. Every sample is simulated for all of the last whole day and what follows
 * it, and for two hours around each moment that a query of 1, 2, 5, 10, 20 or 30 days begins at; of the hours between,
 * the sums of an hour are written, drawn from what the host does on average, and the store makes those of days itself.
 *
 * Prints what it did as key=value lines.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "server/store/sqlite_internal.h"
#include "tests/bench/store_history/host.h"

#define START_S	    1700006400u /* 2023-11-15T00:00:00Z */
#define HOUR_S	    3600u
#define DAY_S	    86400u
#define TAIL_S	    (5 * HOUR_S + 37 * 60 + 20)
#define WINDOW_S    10
#define STACKS_MOST 20000
#define MERGE_EVERY 30 /* windows */
#define SEAL_EVERY  120

DEFINE_CLEANUP(window_unref, struct window *)

struct settings {
	uint64_t limit_bytes;
	uint64_t from, windows; /* 0 = all */
	uint64_t days;
	bool all, report;
};

struct progress {
	const struct settings *settings;
	struct host *host;
	struct store_sqlite *store;
	uint64_t samples, windows, sums;
	uint64_t spent_ns; /* in the store */
};

/* Whether an hour is simulated sample by sample. */
static bool is_detailed(uint64_t hour_s, uint64_t days)
{
	static const uint64_t lengths[] = {2, 5, 10, 20, 30};
	uint64_t end_s = START_S + days * DAY_S + TAIL_S;

	if (hour_s + DAY_S >= START_S + days * DAY_S)
		return true;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		uint64_t begin_s = end_s - lengths[i] * DAY_S;

		if (hour_s <= begin_s && begin_s < hour_s + 2 * HOUR_S)
			return true;
	}
	return false;
}

static int write_window(struct progress *p, uint64_t start_s)
{
	CLEANUP(window_unrefp) struct window *w = NULL;
	int err = host_window(p->host, start_s * NS_PER_S, WINDOW_S * NS_PER_S, &w);
	uint64_t begin_ns = clock_now_ns();

	if (!err)
		err = store_append(&p->store->base, w);
	if (!err && ++p->windows % MERGE_EVERY == 0)
		err = sqlite_merge(p->store);
	if (!err && p->windows % SEAL_EVERY == 0)
		err = sqlite_seal(p->store);
	p->spent_ns += clock_now_ns() - begin_ns;
	if (err)
		return err;
	p->samples += w->sample_count;
	if (p->settings->report) {
		printf("window %llu %u\n", (unsigned long long)start_s, w->sample_count);
		fflush(stdout);
	}
	return 0;
}

static int count_detail(struct window *w, void *arg)
{
	*(uint64_t *)arg += w->wall_end_ns - w->wall_start_ns == WINDOW_S * NS_PER_S;
	return 0;
}

/* What the directory takes, and how much of the hour that just ended is there in full detail. */
static int report_hour(struct progress *p, uint64_t hour_s)
{
	struct store_scan scan = {
		.wall_from_ns = hour_s * NS_PER_S,
		.wall_to_ns = (hour_s + HOUR_S) * NS_PER_S,
		.no_stacks = true,
	};
	struct store_stats stats;
	uint64_t windows = 0;
	int err = store_scan(&p->store->base, &scan, count_detail, &windows);

	store_stats(&p->store->base, &stats);
	printf("hour %llu %llu %llu\n", (unsigned long long)hour_s, (unsigned long long)windows,
	       (unsigned long long)stats.bytes);
	return err;
}

static int write_hour_sum(struct progress *p, uint64_t start_s)
{
	CLEANUP(window_unrefp) struct window *w = NULL;
	struct segment_span slot = {start_s * NS_PER_S, (start_s + HOUR_S) * NS_PER_S};
	int err = host_sum(p->host, slot.from_ns, slot.to_ns - slot.from_ns, &w);

	if (err)
		return err;
	p->sums++;
	pthread_mutex_lock(&p->store->merge_lock);
	err = sqlite_write(p->store, TIER_1H, w, &slot);
	pthread_mutex_unlock(&p->store->merge_lock);
	return err;
}

static int write_hour(struct progress *p, uint64_t hour_s, uint64_t end_s)
{
	const struct settings *o = p->settings;
	int err = 0;

	for (uint64_t at_s = hour_s; at_s < hour_s + HOUR_S && at_s < end_s && !err;
	     at_s += WINDOW_S) {
		if (at_s < START_S + o->from * WINDOW_S)
			continue;
		if (o->windows && p->windows >= o->windows)
			return 0;
		err = write_window(p, at_s);
	}
	if (!err && o->report && o->all)
		err = report_hour(p, hour_s);
	return err;
}

static int write_history(struct progress *p)
{
	const struct settings *o = p->settings;
	uint64_t end_s = START_S + o->days * DAY_S + TAIL_S;
	int err = 0;

	for (uint64_t hour_s = START_S; hour_s < end_s && !err; hour_s += HOUR_S) {
		if (o->all || is_detailed(hour_s, o->days))
			err = write_hour(p, hour_s, end_s);
		else
			err = write_hour_sum(p, hour_s);
	}
	if (!err)
		err = sqlite_merge(p->store);
	return err ? err : sqlite_seal(p->store);
}

static void print_recording(const struct recording *r)
{
	double staying = 0;

	for (size_t i = 0; i < r->program_count; i++)
		staying += (double)r->programs[i].stay_share * (double)r->programs[i].count;
	printf("recorded_samples=%zu\nrecorded_programs=%zu\nrecorded_stacks=%zu\n",
	       r->sample_count, r->program_count, r->stack_count);
	printf("recorded_staying_percent=%.1f\n", staying / 655.36 / (double)r->sample_count);
}

static void print_progress(const struct progress *p)
{
	struct store_stats stats;

	store_stats(&p->store->base, &stats);
	printf("end=%llu\n", (unsigned long long)(START_S + p->settings->days * DAY_S + TAIL_S));
	printf("windows=%llu\nsamples=%llu\nhour_sums=%llu\nbytes=%llu\ndamaged=%llu\n",
	       (unsigned long long)p->windows, (unsigned long long)p->samples,
	       (unsigned long long)p->sums, (unsigned long long)stats.bytes,
	       (unsigned long long)stats.damaged);
	printf("write_ms_per_window=%.3f\n",
	       (double)p->spent_ns / 1e6 / (double)(p->windows ? p->windows : 1));
}

static bool parse_settings(int argc, char **argv, struct settings *ret)
{
	static const struct option options[] = {
		{"limit", required_argument, NULL, 'l'}, {"all", no_argument, NULL, 'a'},
		{"from", required_argument, NULL, 'f'},	 {"windows", required_argument, NULL, 'w'},
		{"report", no_argument, NULL, 'r'},	 {0}};
	int found;

	*ret = (struct settings){.limit_bytes = 1ull << 40};
	while ((found = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		uint64_t *number = found == 'l'	  ? &ret->limit_bytes
				   : found == 'f' ? &ret->from
				   : found == 'w' ? &ret->windows
						  : NULL;

		if (found == '?' || (number && parse_u64(optarg, number)))
			return false;
		ret->all |= found == 'a';
		ret->report |= found == 'r';
	}
	return optind + 5 == argc && !parse_u64(argv[optind + 4], &ret->days) && ret->days &&
	       ret->days <= 360;
}

static int run(struct progress *p, const struct host_options *options, const char *directory)
{
	struct store_sqlite_options store_options = {
		.directory = directory,
		.limit_bytes = p->settings->limit_bytes,
		.no_merging_thread = true,
	};
	struct store *store = NULL;
	int err = store_sqlite_create(&store_options, &store);

	if (err)
		return err;
	p->store = (struct store_sqlite *)store;
	print_recording(options->recording);
	err = host_create(options, &p->host);
	if (!err)
		err = write_history(p);
	if (!err)
		print_progress(p);
	host_destroy(p->host);
	store_destroy(store);
	return err;
}

int main(int argc, char **argv)
{
	struct recording recording = {0};
	struct host_options options = {.recording = &recording, .seed = 42};
	struct settings settings;
	struct progress p = {.settings = &settings};

	if (!parse_settings(argc, argv, &settings) ||
	    parse_u32_range(argv[optind + 2], 1, HOST_CORES_MAX, &options.cores) ||
	    parse_u32_range(argv[optind + 3], 1, 100, &options.busy_percent)) {
		fputs("usage: store-history [--limit BYTES] [--all] [--from WINDOW] [--windows N] [--report] "
		      "DIRECTORY RECORDING CORES BUSY_PERCENT DAYS\n",
		      stderr);
		return 2;
	}

	int err = recording_open(argv[optind + 1], STACKS_MOST, &recording);

	if (!err)
		err = run(&p, &options, argv[optind]);
	if (err)
		fprintf(stderr, "store-history: cannot write '%s' from '%s': %s\n", argv[optind],
			argv[optind + 1], strerror(-err));
	recording_release(&recording);
	return err ? 1 : 0;
}
