/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics in Prometheus' text format 0.0.4: every family once, with HELP and TYPE before its samples.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "server/http/handlers.h"
#include "server/http/metrics_text.h"
#include "server/http/self.h"
#include "server/http/service.h"
#include "server/query/names.h"
#include "symbolizer/unwind_walk.h"
#include "version.h"

static void put_build(struct buffer *out)
{
	struct utsname kernel = {0};

	(void)uname(&kernel); /* fails only for a bad pointer */
	metric_family(out, "hearth_build_info", "gauge",
		      "Version of Hearth and what it runs on; always 1.");
	buffer_printf(out, "hearth_build_info{version=\"%s\",revision=\"%s\",kernel=\"%s\"} 1\n",
		      HEARTH_VERSION, HEARTH_REVISION, kernel.release);
}

static void put_samples(struct buffer *out, const struct profiler_stats *s)
{
	metric_family(out, "hearth_samples_total", "counter",
		      "Samples taken, by what the CPU ran.");
	metric_sample(out, "hearth_samples_total", "mode", "user", (double)s->samples_user);
	metric_sample(out, "hearth_samples_total", "mode", "kernel", (double)s->samples_kernel);

	metric_family(out, "hearth_samples_lost_total", "counter", "Samples lost, by cause.");
	for (int i = 0; i < LOST_REASON_COUNT; i++)
		metric_sample(out, "hearth_samples_lost_total", "reason", lost_reason_name(i),
			      (double)s->lost[i]);

	metric_family(out, "hearth_unwind_total", "counter", "Stacks unwound, by how it ended.");
	for (int i = 0; i < STACK_VERDICT_COUNT; i++)
		metric_sample(out, "hearth_unwind_total", "verdict", stack_verdict_name(i),
			      (double)s->verdicts[i]);
}

/* Where the kernel side gave up, and what became of the stacks that it left to user space. */
static void put_unwinding(struct buffer *out, const struct profiler_stats *s)
{
	static const char *const verdicts[] = {"complete", "truncated", "failed"};

	metric_family(out, "hearth_unwind_ends_total", "counter",
		      "User stacks unwound in the kernel, by how it ended in detail.");
	for (unsigned int i = 1; i < UNWIND_END_COUNT; i++)
		metric_sample(out, "hearth_unwind_ends_total", "end", unwind_end_text(i),
			      (double)s->unwind_ends[i]);

	metric_family(out, "hearth_stash_total", "counter",
		      "Stacks left to user space to unwind, by what became of them.");
	for (size_t v = 0; v < ARRAY_SIZE(verdicts); v++) {
		uint64_t count = 0;

		for (unsigned int i = 1; i < UNWIND_END_COUNT; i++)
			if (!strcmp(unwind_end_verdict(i), verdicts[v]))
				count += s->stash_ends[i];
		metric_sample(out, "hearth_stash_total", "result", verdicts[v], (double)count);
	}
	metric_sample(out, "hearth_stash_total", "result", "limited", (double)s->stash_limited);
	metric_sample(out, "hearth_stash_total", "result", "limited_process",
		      (double)s->stash_limited_process);
	metric_sample(out, "hearth_stash_total", "result", "lost", (double)s->stash_lost);
	metric_single(out, "hearth_stash_bytes_total", "counter",
		      "Bytes of stacks sent to user space.", (double)s->stash_bytes);

	metric_single(out, "hearth_unwind_table_bytes", "gauge",
		      "Unwind tables in the kernel's memory.", (double)s->unwind_table_bytes);
	metric_single(out, "hearth_unwind_pages", "gauge",
		      "Pages of unwind tables in the kernel's memory.", (double)s->unwind_pages);
	metric_single(out, "hearth_unwind_page_loads_total", "counter",
		      "Pages of unwind tables loaded.", (double)s->unwind_page_loads);
	metric_single(out, "hearth_unwind_page_evictions_total", "counter",
		      "Pages of unwind tables that made room for others.",
		      (double)s->unwind_page_evictions);
	metric_family(out, "hearth_unwind_tables_total", "counter",
		      "Unwind tables, by where they come from or why there is none.");
	metric_sample(out, "hearth_unwind_tables_total", "result", "built",
		      (double)s->unwind_tables_built);
	metric_sample(out, "hearth_unwind_tables_total", "result", "cached",
		      (double)s->unwind_tables_cached);
	metric_sample(out, "hearth_unwind_tables_total", "result", "failed",
		      (double)s->unwind_tables_failed);
}

static void put_profiler(struct buffer *out, const struct service *service)
{
	struct profiler_stats s = {0};

	if (!service->profiler)
		return;
	profiler_stats(service->profiler, &s);
	put_samples(out, &s);
	put_unwinding(out, &s);
	metric_single(out, "hearth_bpf_map_bytes", "gauge", "Memory of all BPF maps.",
		      (double)s.bpf_map_bytes);
	metric_single(out, "hearth_bpf_memory_limit_bytes", "gauge",
		      "Most memory BPF maps may take.", (double)service->bpf_memory_bytes);
	metric_single(out, "hearth_sampling_frequency_hertz", "gauge",
		      "Samples a second and busy CPU.", s.frequency_hz);
	metric_single(
		out, "hearth_sampling_thinning", "gauge",
		"Ticks of which one is sampled, weighing as much; 1 unless CPU time is short.",
		s.thinning);
	metric_single(out, "hearth_sampling_paused_seconds_total", "counter",
		      "Time without sampling, because even the least of it exceeded the budget.",
		      (double)s.paused_ns / NS_PER_S);
	metric_single(
		out, "hearth_cpu_used_ratio", "gauge",
		"Share of the machine's CPU time used over the last seconds, in the kernel included.",
		s.cpu_used);
	metric_single(out, "hearth_cpu_budget_ratio", "gauge",
		      "Share of the machine's CPU time that may be used; 0 = no limit.",
		      s.cpu_budget);
	metric_single(out, "hearth_sampler_run_seconds_total", "counter",
		      "CPU time in the BPF program.", (double)s.sampler_run_ns / NS_PER_S);
	metric_single(out, "hearth_cpus_online", "gauge", "CPUs that are online.", s.online_cpus);
	metric_single(out, "hearth_cpus_sampled", "gauge", "CPUs that are sampled.",
		      s.sampled_cpus);
	metric_single(out, "hearth_processes", "gauge", "Processes known now.",
		      (double)s.processes);
	metric_single(out, "hearth_processes_evicted_total", "counter",
		      "Processes forgotten while they ran, for want of room.",
		      (double)s.processes_evicted);
	metric_single(out, "hearth_mappings", "gauge", "Executable mappings known now.",
		      (double)s.mappings);
	metric_single(out, "hearth_binaries", "gauge", "Binaries known now.", (double)s.binaries);
	metric_single(out, "hearth_process_events_lost_total", "counter",
		      "Process events lost and repaired from /proc.", (double)s.sideband_lost);
	metric_single(out, "hearth_bpf_run_seconds_total", "counter",
		      "Time in the BPF program; counts only while kernel.bpf_stats_enabled is 1.",
		      (double)s.bpf_run_ns / NS_PER_S);
	metric_single(out, "hearth_bpf_runs_total", "counter",
		      "Runs of the BPF program; counts only while kernel.bpf_stats_enabled is 1.",
		      (double)s.bpf_run_count);
}

static void put_symbols(struct buffer *out, const struct service *service)
{
	struct symbolizer_stats s = {0};

	metric_family(out, "hearth_symbolized_frames_total", "counter",
		      "Frames that queries named, by whether a function was found.");
	metric_sample(out, "hearth_symbolized_frames_total", "result", "resolved",
		      (double)atomic_load(&service->engine->frames_resolved));
	metric_sample(out, "hearth_symbolized_frames_total", "result", "unresolved",
		      (double)atomic_load(&service->engine->frames_unresolved));
	if (!service->symbolizer)
		return;

	symbolizer_stats(service->symbolizer, &s);
	metric_family(out, "hearth_symbol_worker_total", "counter",
		      "Binaries distilled, by how it ended.");
	metric_sample(out, "hearth_symbol_worker_total", "result", "done", (double)s.files_done);
	metric_sample(out, "hearth_symbol_worker_total", "result", "cached",
		      (double)s.files_from_cache);
	metric_sample(out, "hearth_symbol_worker_total", "result", "failed",
		      (double)s.files_failed);
	metric_sample(out, "hearth_symbol_worker_total", "result", "crashed",
		      (double)s.worker_crashes);
	metric_sample(out, "hearth_symbol_worker_total", "result", "timeout",
		      (double)s.worker_timeouts);
	metric_single(out, "hearth_symbol_queue_length", "gauge",
		      "Binaries that wait for a worker.", (double)s.queue_length);
	metric_single(out, "hearth_symbol_mapped_bytes", "gauge", "Symbol files mapped now.",
		      (double)s.mapped_bytes);
}

static void put_store(struct buffer *out, const struct service *service)
{
	struct store_stats s = {0};

	store_stats(service->store, &s);
	metric_single(out, "hearth_store_bytes", "gauge", "Bytes of history held.",
		      (double)s.bytes);
	metric_single(out, "hearth_store_limit_bytes", "gauge", "Most bytes of history held.",
		      (double)s.limit_bytes);
	metric_single(out, "hearth_store_oldest_timestamp_seconds", "gauge",
		      "Unix time of the oldest window held, 0 without any.",
		      (double)s.oldest_wall_ns / NS_PER_S);
	metric_single(out, "hearth_store_windows", "gauge", "Windows held.", (double)s.windows);
	metric_single(out, "hearth_store_windows_appended_total", "counter", "Windows taken.",
		      (double)s.appended);
	metric_family(out, "hearth_store_windows_dropped_total", "counter",
		      "Windows let go, by cause.");
	metric_sample(out, "hearth_store_windows_dropped_total", "reason", "age",
		      (double)s.evicted_for_age);
	metric_sample(out, "hearth_store_windows_dropped_total", "reason", "room",
		      (double)s.evicted_for_room);
	metric_sample(out, "hearth_store_windows_dropped_total", "reason", "refused",
		      (double)s.refused);
	metric_single(
		out, "hearth_store_windows_waiting", "gauge",
		"Windows in memory that are not written yet; more than one or two while writing fails.",
		(double)s.waiting);
	metric_single(out, "hearth_store_failing", "gauge", "1 while history cannot be written.",
		      s.failing);
	metric_single(out, "hearth_store_files_damaged_total", "counter",
		      "Files of history that could not be read and were set aside.",
		      (double)s.damaged);
	metric_single(out, "hearth_window_seconds", "gauge", "Length of a window.",
		      (double)service->window_ns / NS_PER_S);
}

static void put_process(struct buffer *out)
{
	struct self_stats s;

	self_stats(&s);
	metric_single(out, "hearth_self_cpu_seconds_total", "counter",
		      "CPU time of Hearth, symbol workers included.",
		      (double)(s.cpu_ns + s.children_cpu_ns) / NS_PER_S);
	metric_single(out, "process_cpu_seconds_total", "counter",
		      "Total user and system CPU time spent in seconds.",
		      (double)s.cpu_ns / NS_PER_S);
	metric_single(out, "process_resident_memory_bytes", "gauge",
		      "Resident memory size in bytes.", (double)s.resident_bytes);
	metric_single(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
		      (double)s.virtual_bytes);
	metric_single(out, "process_open_fds", "gauge", "Number of open file descriptors.",
		      s.open_fds);
	metric_single(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
		      (double)s.max_fds);
	metric_single(out, "process_start_time_seconds", "gauge",
		      "Start time of the process since unix epoch in seconds.",
		      s.start_wall_seconds);
	metric_single(out, "process_threads", "gauge", "Number of threads.", s.threads);
}

static void put_stopped(struct buffer *out, const struct query_engine *e)
{
	static const char name[] = "hearth_queries_stopped_total";

	metric_family(
		out, name, "counter",
		"Queries given up, by cause: the client had gone, too much time, too much memory.");
	metric_sample(out, name, "reason", "gone", (double)atomic_load(&e->stopped_gone));
	metric_sample(out, name, "reason", "time", (double)atomic_load(&e->stopped_time));
	metric_sample(out, name, "reason", "memory", (double)atomic_load(&e->stopped_size));
}

void handle_metrics(struct request *r)
{
	struct buffer *out = &r->answer.body;
	const struct service *service = r->service;

	put_build(out);
	put_profiler(out, service);
	put_symbols(out, service);
	put_store(out, service);
	metrics_put_fleet(out, service);
	metric_single(out, "hearth_query_snapshots_total", "counter",
		      "Snapshots of the open window.",
		      (double)history_snapshots(service->engine->history));
	put_stopped(out, service->engine);
	metric_single(out, "hearth_http_requests_waiting", "gauge",
		      "Requests that wait for their samples.",
		      scheduler_waiting(service->scheduler));
	metric_single(out, "hearth_http_queries_active", "gauge", "Queries that are queued or run.",
		      scheduler_active(service->scheduler));
	http_stats_write(service->http, out);
	put_process(out);
	answer_body(r, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8");
}
