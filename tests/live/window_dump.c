/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the profiler and prints what comes out of it, for the live tests:
 *
 *	window-dump [-F HZ] [-p PID]... [-m BPF_BYTES] [-b]
 *
 * -b takes the unwinder for kernels without bpf_loop().
 *
 * Prints `ready` once it samples, and samples until a line of input; stops, and prints a JSON object a line for each
 * sample of each window; prints `stopped`, destroys, and prints a last object with counters and its open files
 * before and after. Then it waits for another line, so that what it left behind can be looked for.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/profiler.h"
#include "tests/unit/worker_main.h"

#define PIDS_MAX    64
#define WINDOWS_MAX 64

static void print_text(const char *text)
{
	(void)putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			(void)printf("\\u%04x", (unsigned char)*text);
		else
			(void)putchar(*text);
	}
	(void)putchar('"');
}

/* A frame: a fixed name, or `binary+ADDRESS`. */
static void print_frame(const struct window *w, const struct window_frame *f)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s+%llx", binary_basename(w->binaries[f->binary]),
		       (unsigned long long)f->addr);
	print_text(f->name ? strpool_get(&w->strings, f->name) : text);
}

static void print_sample(const struct window *w, const struct window_sample *s)
{
	const struct window_stack *stack = &w->stacks[s->stack];
	const struct window_label_set *set = &w->label_sets[s->labels];

	(void)printf(
		"{\"wall_ns\": %llu, \"cpu\": %u, \"weight\": %u, \"verdict\": %u, \"period_ns\": "
		"%llu, \"labels\": {",
		(unsigned long long)(w->wall_start_ns + s->time_us * NS_PER_US), s->cpu, s->weight,
		stack->verdict, (unsigned long long)w->period_ns);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct window_label *label = &w->labels[set->first + i];

		(void)fputs(i ? ", " : "", stdout);
		print_text(strpool_get(&w->strings, label->name));
		(void)fputs(": ", stdout);
		print_text(strpool_get(&w->strings, label->value));
	}
	(void)fputs("}, \"stack\": [", stdout);
	for (uint32_t i = 0; i < stack->count; i++) {
		(void)fputs(i ? ", " : "", stdout);
		print_frame(w, &w->frames[w->stack_frames[stack->first + i]]);
	}
	(void)puts("]}");
}

struct windows {
	struct window *all[WINDOWS_MAX];
	size_t count, dropped;
};

/* On the loop thread, which must not wait for whoever reads our output. */
static void keep_window(struct window *w, void *arg)
{
	struct windows *windows = arg;

	if (windows->count < WINDOWS_MAX)
		windows->all[windows->count++] = window_ref(w);
	else
		windows->dropped++;
}

static void print_windows(struct windows *windows)
{
	for (; windows->count; windows->count--) {
		struct window *w = windows->all[0];

		for (uint32_t i = 0; i < w->sample_count; i++)
			print_sample(w, &w->samples[i]);
		window_unref(w);
		memmove(&windows->all[0], &windows->all[1],
			(windows->count - 1) * sizeof(windows->all[0]));
	}
}

static int count_open_files(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (dir && readdir(dir))
		count++;
	if (dir)
		(void)closedir(dir);
	return count;
}

static void print_counts(const char *name, const uint64_t *counts, int count)
{
	(void)printf("\"%s\": [", name);
	for (int i = 0; i < count; i++)
		(void)printf("%s%llu", i ? ", " : "", (unsigned long long)counts[i]);
	(void)fputs("], ", stdout);
}

static void print_unwinder(const struct profiler_stats *s)
{
	const uint64_t sent[] = {s->stash_sent, s->stash_bytes, s->stash_limited,
				 s->stash_limited_process, s->stash_lost};
	const uint64_t tables[] = {s->unwind_table_bytes,  s->unwind_pages,
				   s->unwind_page_loads,   s->unwind_page_evictions,
				   s->unwind_tables_built, s->unwind_tables_failed};

	print_counts("lost", s->lost, LOST_REASON_COUNT);
	print_counts("verdicts", s->verdicts, STACK_VERDICT_COUNT);
	print_counts("ends", s->unwind_ends, UNWIND_END_COUNT);
	print_counts("stash_ends", s->stash_ends, UNWIND_END_COUNT);
	print_counts("stash", sent, 5);
	print_counts("tables", tables, 6);
	(void)printf("\"verified\": %llu, ", (unsigned long long)s->bpf_verified);
}

static void print_stats(const struct profiler_stats *s, int before, int after)
{
	(void)printf("{\"stats\": {\"samples_user\": %llu, \"samples_kernel\": %llu, ",
		     (unsigned long long)s->samples_user, (unsigned long long)s->samples_kernel);
	print_unwinder(s);
	(void)printf("\"sideband_lost\": %llu, \"processes\": %llu, \"bpf_map_bytes\": %llu, "
		     "\"bpf_run_ns\": %llu, \"bpf_run_count\": %llu, \"sampled_cpus\": %u, "
		     "\"cpu_ns\": %llu}, \"files_before\": %d, \"files_after\": %d}\n",
		     (unsigned long long)s->sideband_lost, (unsigned long long)s->processes,
		     (unsigned long long)s->bpf_map_bytes, (unsigned long long)s->bpf_run_ns,
		     (unsigned long long)s->bpf_run_count, s->sampled_cpus,
		     (unsigned long long)clock_process_cpu_ns(), before, after);
}

static int run(const struct profiler_options *options, struct windows *windows)
{
	struct profiler *p;
	struct profiler_stats stats;
	char error[512], line[16];
	int before = count_open_files();

	if (profiler_create(options, &p, error, sizeof(error)) ||
	    profiler_start(p, error, sizeof(error))) {
		(void)fprintf(stderr, "%s\n", error);
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	profiler_stats(p, &stats); /* while the counters of the BPF side are there */
	profiler_stop(p);
	print_windows(windows);
	(void)puts("stopped");
	profiler_destroy(p);
	print_windows(windows);
	print_stats(&stats, before, count_open_files());
	(void)fflush(stdout);
	return fgets(line, sizeof(line), stdin) ? 0 : 1;
}

int main(int argc, char **argv)
{
	pid_t pids[PIDS_MAX];
	static struct windows windows;
	struct profiler_options options = {
		.on_window = keep_window, .on_window_arg = &windows, .window_ns = 2 * NS_PER_S};

	for (int option; (option = getopt(argc, argv, "F:p:m:b")) != -1;) {
		if (option == 'F')
			options.frequency_hz = (uint32_t)atol(optarg);
		else if (option == 'p' && options.pid_count < PIDS_MAX)
			pids[options.pid_count++] = (pid_t)atol(optarg);
		else if (option == 'm')
			options.bpf_memory_bytes = strtoull(optarg, NULL, 10);
		else if (option == 'b')
			options.bounded = true;
		else
			return 2;
	}
	options.pids = options.pid_count ? pids : NULL;
	return run(&options, &windows) || windows.dropped;
}
