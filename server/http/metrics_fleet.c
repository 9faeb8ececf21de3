/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "server/fleet/hub.h"
#include "server/fleet/push.h"
#include "server/http/metrics_text.h"
#include "server/http/service.h"

static void put_hub(struct buffer *out, struct hub *hub)
{
	struct hub_stats s;

	hub_stats(hub, &s);
	metric_family(out, "hearth_hub_batches_total", "counter", "Batches that came, by result.");
	metric_sample(out, "hearth_hub_batches_total", "result", "taken", (double)s.batches);
	metric_sample(out, "hearth_hub_batches_total", "result", "refused",
		      (double)s.batches_refused);
	metric_family(out, "hearth_hub_profiles_total", "counter",
		      "Profiles in batches, by what became of them.");
	metric_sample(out, "hearth_hub_profiles_total", "result", "taken", (double)s.profiles);
	metric_sample(out, "hearth_hub_profiles_total", "result", "repeated",
		      (double)s.profiles_repeated);
	metric_sample(out, "hearth_hub_profiles_total", "result", "rejected",
		      (double)s.profiles_rejected);
	metric_single(out, "hearth_hub_samples_total", "counter", "Samples taken in.",
		      (double)s.samples);
	metric_single(out, "hearth_hub_body_bytes_total", "counter",
		      "Bytes of batches as they came.", (double)s.body_bytes);
	metric_single(out, "hearth_hub_plain_bytes_total", "counter",
		      "Bytes of batches when decompressed.", (double)s.plain_bytes);
	metric_single(out, "hearth_hub_labels_dropped_total", "counter",
		      "Attributes beyond what a sample may have.", (double)s.labels_dropped);
	metric_single(out, "hearth_hub_hosts", "gauge", "Hosts that sent since the start.",
		      (double)s.hosts);
	metric_single(out, "hearth_hub_clients", "gauge", "Clients that sent since the start.",
		      (double)s.clients);
}

static void put_push(struct buffer *out, struct push *push)
{
	struct push_stats s;

	push_stats(push, &s);
	metric_single(out, "hearth_push_windows_total", "counter", "Windows to be sent.",
		      (double)s.windows);
	metric_single(out, "hearth_push_windows_dropped_total", "counter",
		      "Windows that could not be spooled.", (double)s.windows_dropped);
	metric_family(out, "hearth_push_batches_total", "counter",
		      "Batches, by what became of them.");
	metric_sample(out, "hearth_push_batches_total", "result", "sent", (double)s.batches_sent);
	metric_sample(out, "hearth_push_batches_total", "result", "refused",
		      (double)s.batches_refused);
	metric_sample(out, "hearth_push_batches_total", "result", "dropped",
		      (double)s.spool.dropped);
	metric_single(out, "hearth_push_attempts_failed_total", "counter",
		      "Attempts that will be made again.", (double)s.attempts_failed);
	metric_single(out, "hearth_push_profiles_rejected_total", "counter",
		      "Profiles of batches that were taken which were not.",
		      (double)s.profiles_rejected);
	metric_single(out, "hearth_push_bytes_total", "counter",
		      "Bytes of batches that were taken.", (double)s.bytes_sent);
	metric_single(out, "hearth_push_last_status", "gauge",
		      "HTTP status of the last attempt, 0 without an answer.", s.last_status);
	metric_single(out, "hearth_push_spool_bytes", "gauge", "Bytes that wait to be sent.",
		      (double)s.spool.bytes);
	metric_single(out, "hearth_push_spool_limit_bytes", "gauge",
		      "Most bytes that wait to be sent.", (double)s.spool.limit_bytes);
	metric_single(out, "hearth_push_spool_batches", "gauge", "Batches that wait to be sent.",
		      (double)s.spool.files);
	metric_single(out, "hearth_push_spool_oldest_timestamp_seconds", "gauge",
		      "Start of the oldest window that waits, 0 without any.",
		      (double)s.spool.oldest_wall_ns / NS_PER_S);
}

void metrics_put_fleet(struct buffer *out, const struct service *service)
{
	if (service->hub)
		put_hub(out, service->hub);
	if (service->push)
		put_push(out, service->push);
}
