/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "server/encode/json.h"
#include "server/http/handlers.h"
#include "server/http/self.h"
#include "server/http/service.h"
#include "server/query/names.h"
#include "symbolizer/unwind_walk.h"
#include "version.h"

static void open_object(struct buffer *out, const char *key)
{
	json_put_key(out, key);
	buffer_putc(out, '{');
}

/* How user stacks ended in the kernel, and what became of those that it left to user space. */
static void put_unwinding(struct buffer *out, const struct profiler_stats *s)
{
	open_object(out, "unwinding");
	open_object(out, "ends");
	for (unsigned int i = 1; i < UNWIND_END_COUNT; i++)
		json_put_number(out, unwind_end_text(i), s->unwind_ends[i]);
	buffer_putc(out, '}');
	open_object(out, "stash");
	json_put_number(out, "sent", s->stash_sent);
	json_put_number(out, "bytes", s->stash_bytes);
	json_put_number(out, "limited", s->stash_limited);
	json_put_number(out, "limited_process", s->stash_limited_process);
	json_put_number(out, "lost", s->stash_lost);
	open_object(out, "ends");
	for (unsigned int i = 1; i < UNWIND_END_COUNT; i++)
		json_put_number(out, unwind_end_text(i), s->stash_ends[i]);
	buffer_puts(out, "}}");
	open_object(out, "tables");
	json_put_number(out, "bytes", s->unwind_table_bytes);
	json_put_number(out, "pages", s->unwind_pages);
	json_put_number(out, "page_loads", s->unwind_page_loads);
	json_put_number(out, "page_evictions", s->unwind_page_evictions);
	json_put_number(out, "built", s->unwind_tables_built);
	json_put_number(out, "from_cache", s->unwind_tables_cached);
	json_put_number(out, "failed", s->unwind_tables_failed);
	buffer_puts(out, "}}");
}

static void put_queries(struct buffer *out, const struct service *service)
{
	const struct query_engine *e = service->engine;

	open_object(out, "queries");
	json_put_number(out, "active", scheduler_active(service->scheduler));
	json_put_number(out, "waiting", scheduler_waiting(service->scheduler));
	json_put_number(out, "stopped_for_gone_clients", atomic_load(&e->stopped_gone));
	json_put_number(out, "stopped_for_time", atomic_load(&e->stopped_time));
	json_put_number(out, "stopped_for_memory", atomic_load(&e->stopped_size));
	json_put_number(out, "limit_bytes", atomic_load(&e->limit_bytes));
	json_put_seconds(out, "limit_seconds", atomic_load(&e->limit_time_ns));
	json_put_seconds(out, "limit_range_seconds", atomic_load(&e->limit_range_ns));
	buffer_putc(out, '}');
}

static void put_sampler(struct buffer *out, const struct service *service)
{
	struct profiler_stats s = {0};

	if (service->profiler)
		profiler_stats(service->profiler, &s);
	open_object(out, "sampler");
	json_put_bool(out, "running", service->profiler != NULL);
	json_put_number(out, "frequency_hz", s.frequency_hz);
	json_put_number(out, "thinning", s.thinning);
	json_put_seconds(out, "paused_seconds", s.paused_ns);
	json_put_number(out, "online_cpus", s.online_cpus);
	json_put_number(out, "sampled_cpus", s.sampled_cpus);
	json_put_seconds(out, "window_seconds", service->window_ns);
	open_object(out, "samples");
	json_put_number(out, "user", s.samples_user);
	json_put_number(out, "kernel", s.samples_kernel);
	buffer_putc(out, '}');
	open_object(out, "lost");
	for (int i = 0; i < LOST_REASON_COUNT; i++)
		json_put_number(out, lost_reason_name(i), s.lost[i]);
	buffer_putc(out, '}');
	open_object(out, "verdicts");
	for (int i = 0; i < STACK_VERDICT_COUNT; i++)
		json_put_number(out, stack_verdict_name(i), s.verdicts[i]);
	buffer_putc(out, '}');
	put_unwinding(out, &s);
	json_put_number(out, "processes", s.processes);
	json_put_number(out, "mappings", s.mappings);
	json_put_number(out, "binaries", s.binaries);
	json_put_number(out, "process_events_lost", s.sideband_lost);
	buffer_putc(out, '}');

	open_object(out, "budgets");
	open_object(out, "bpf_memory");
	json_put_number(out, "bytes", s.bpf_map_bytes);
	json_put_number(out, "limit_bytes", service->bpf_memory_bytes);
	buffer_putc(out, '}');
	open_object(out, "cpu");
	json_put_double(out, "used_ratio", s.cpu_used);
	json_put_double(out, "limit_ratio", s.cpu_budget);
	buffer_puts(out, "}}");
}

static void put_store(struct buffer *out, const struct service *service)
{
	struct store_stats s = {0};

	store_stats(service->store, &s);
	open_object(out, "store");
	json_put_text(out, "type", service->store->ops->name);
	json_put_number(out, "bytes", s.bytes);
	json_put_number(out, "limit_bytes", s.limit_bytes);
	json_put_number(out, "windows", s.windows);
	json_put_seconds(out, "oldest", s.oldest_wall_ns);
	json_put_seconds(out, "newest", s.newest_wall_ns);
	json_put_number(out, "dropped_for_age", s.evicted_for_age);
	json_put_number(out, "dropped_for_room", s.evicted_for_room);
	json_put_number(out, "refused", s.refused);
	json_put_number(out, "waiting", s.waiting);
	json_put_bool(out, "failing", s.failing);
	json_put_number(out, "files_damaged", s.damaged);
	buffer_putc(out, '}');
}

static void put_symbols(struct buffer *out, const struct service *service)
{
	struct symbolizer_stats s = {0};

	if (service->symbolizer)
		symbolizer_stats(service->symbolizer, &s);
	open_object(out, "symbols");
	json_put_number(out, "files_done", s.files_done);
	json_put_number(out, "files_from_cache", s.files_from_cache);
	json_put_number(out, "files_failed", s.files_failed);
	json_put_number(out, "worker_crashes", s.worker_crashes);
	json_put_number(out, "worker_timeouts", s.worker_timeouts);
	json_put_number(out, "queue_length", s.queue_length);
	json_put_number(out, "mapped_bytes", s.mapped_bytes);
	buffer_putc(out, '}');
}

void handle_status(struct request *r)
{
	struct buffer *out = &r->answer.body;
	const struct service *service = r->service;
	struct self_stats self;

	self_stats(&self);
	buffer_putc(out, '{');
	json_put_text(out, "version", HEARTH_VERSION);
	json_put_text(out, "revision", HEARTH_REVISION);
	json_put_seconds(out, "started", service->start_wall_ns);
	json_put_seconds(out, "uptime_seconds", clock_wall_now_ns() - service->start_wall_ns);
	put_sampler(out, service);
	put_store(out, service);
	put_symbols(out, service);
	put_queries(out, service);
	open_object(out, "self");
	json_put_seconds(out, "cpu_seconds", self.cpu_ns);
	json_put_seconds(out, "workers_cpu_seconds", self.children_cpu_ns);
	json_put_number(out, "resident_bytes", self.resident_bytes);
	json_put_number(out, "threads", self.threads);
	json_put_number(out, "open_fds", self.open_fds);
	buffer_puts(out, "}}\n");
	answer_body(r, MHD_HTTP_OK, "application/json");
}

void handle_healthz(struct request *r)
{
	answer_text(r, MHD_HTTP_OK, "ok\n");
}

void handle_readyz(struct request *r)
{
	struct profiler_stats s = {0};

	if (!r->service->profiler) {
		answer_text(r, MHD_HTTP_OK, "ok\n");
		return;
	}
	profiler_stats(r->service->profiler, &s);
	if (s.sampled_cpus && s.sampled_cpus >= s.online_cpus)
		answer_text(r, MHD_HTTP_OK, "ok\n");
	else
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "%u of %u CPUs are sampled",
			     s.sampled_cpus, s.online_cpus);
}
